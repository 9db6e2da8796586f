/**
 * The receiving end of the numbers: finds the holes in what other instances posted.
 *
 * @module
 */

import type { Envelope } from "./envelope.ts";

/** How many senders are remembered. */
const MAX_SENDERS = 256;

/** Options of {@linkcode Streams}. */
export interface StreamsOptions {
  readonly maxSenders?: number;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

/**
 * Follows the numbers of each sender, of all in one place: a topic, or a whole bus.
 *
 * The first post of a sender that is not known shows a hole exactly where the post before it was sent after {@linkcode Streams.begin}, as its `age`
 * tells: what is older belongs to a time when nobody listened. A sender that started again is not known, and its first number is 1: no hole.
 * Of too many senders the one that was silent longest is forgotten; when it posts again a hole may be told where there is none, never the reverse.
 */
export class Streams {
  readonly #maxSenders: number;
  readonly #now: () => number;
  readonly #last = new Map<string, number>();
  #since = Infinity;

  constructor({ maxSenders = MAX_SENDERS, now = () => performance.now() }: StreamsOptions = {}) {
    this.#maxSenders = maxSenders;
    this.#now = now;
  }

  /** From now on every post should come. */
  begin(): void {
    this.#since = this.#now();
  }

  /** From now on nothing comes, until {@linkcode Streams.begin}. */
  end(): void {
    this.#since = Infinity;
    this.#last.clear();
  }

  /** Takes a post: the next one, one behind a hole, or one that came already or too late. */
  take({ boot, n, age }: Envelope): "next" | "gap" | "late" {
    const last = this.#last.get(boot);
    if (last !== undefined && n <= last) return "late";
    this.#last.delete(boot);
    this.#last.set(boot, n);
    if (this.#last.size > this.#maxSenders) this.#forget();
    if (last !== undefined) return n === last + 1 ? "next" : "gap";
    return n > 1 && age < this.#now() - this.#since ? "gap" : "next";
  }

  #forget(): void {
    for (const boot of this.#last.keys()) {
      this.#last.delete(boot);
      return;
    }
  }
}
