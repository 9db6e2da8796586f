/**
 * Who is typing in a channel, and when it ends.
 *
 * @module
 */

import type { Seat } from "../phoenix/channel.ts";

/** After this long without a new `typing` it is over. */
const TYPING_MS = 10_000;
/** A repeat sooner than this prolongs the typing without telling the others again. */
const REPEAT_MS = 3_000;

interface Typist {
  /** Absent where the user types over REST. */
  readonly seat: Seat | undefined;
  readonly announcedAt: number;
  expiresAt: number;
}

/** Says `user_typing` and `user_stopped_typing` to everyone but the seat that types; on other instances too, where it is `here` that it began or ended. */
export type Announce = (
  event: "user_typing" | "user_stopped_typing",
  userId: string,
  except: Seat | undefined,
  origin: "here" | "elsewhere",
) => void;

/** One entry a user; each start, which may be announced again while it lasts, has its one end. */
export class Typing {
  readonly #typists = new Map<string, Typist>();
  readonly #announce: Announce;
  readonly #now: () => number;

  constructor(announce: Announce, now: () => number = Date.now) {
    this.#announce = announce;
    this.#now = now;
  }

  /** The user types, at this seat where it is one. */
  start(userId: string, seat?: Seat): void {
    const now = this.#now();
    const expiresAt = now + TYPING_MS;
    const typist = this.#typists.get(userId);
    if (typist && now - typist.announcedAt < REPEAT_MS) {
      typist.expiresAt = expiresAt;
      return;
    }
    this.#typists.set(userId, { seat, announcedAt: now, expiresAt });
    this.#announce("user_typing", userId, seat, "here");
  }

  /** Another instance says that the user types there, or has stopped. */
  hear(userId: string, types: boolean): void {
    if (types) {
      const now = this.#now();
      this.#typists.set(userId, { seat: undefined, announcedAt: now, expiresAt: now + TYPING_MS });
      this.#announce("user_typing", userId, undefined, "elsewhere");
    } else this.#end(userId, "elsewhere");
  }

  /** The user has stopped, sent the message or left; `at` narrows it to the seat that leaves. */
  stop(userId: string, at?: Seat): void {
    if (at && this.#typists.get(userId)?.seat !== at) return;
    this.#end(userId, "here");
  }

  /** Ends what was not renewed in time. */
  sweep(): void {
    const now = this.#now();
    for (const [userId, { expiresAt }] of this.#typists) {
      if (expiresAt <= now) this.#end(userId, "elsewhere"); // every instance sees this by itself
    }
  }

  #end(userId: string, origin: "here" | "elsewhere"): void {
    const typist = this.#typists.get(userId);
    if (!typist) return;
    this.#typists.delete(userId);
    this.#announce("user_stopped_typing", userId, typist.seat, origin);
  }
}
