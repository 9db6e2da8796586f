/**
 * A chat for one test.
 *
 * @module
 */

import { Chat, type Visit } from "../../../src/chat/chat.ts";
import { Json } from "../../../src/phoenix/frame.ts";
import { SqliteStore } from "../../../src/store/sqlite_store.ts";
import type { Store } from "../../../src/store/store.ts";
import { FakeSeat } from "./fake_seat.ts";
import { storeWith } from "./store_with.ts";
import { ALONE } from "../../support/alone.ts";

/** What a test may choose; otherwise the channels `a` and `b`, and none are made ad hoc. */
export interface ChatWithOptions {
  readonly channels?: readonly string[];
  readonly adHocChannels?: boolean;
  /** Replaces a part of the store in memory. */
  readonly store?: (store: Store) => Partial<Store>;
}

/** What a join is answered with. */
export interface Welcome {
  readonly messages: Record<string, unknown>[];
  readonly head_seq: number;
  readonly epoch: string;
  readonly channel: Record<string, unknown>;
}

/** A {@linkcode Chat} on a store in memory, with a clock that the test sets. */
export class ChatWith implements AsyncDisposable {
  readonly chat: Chat;
  /** The store itself, of which no part is replaced. */
  readonly store: Store;
  readonly faults: unknown[] = [];
  readonly clock: { nowMs: number };
  readonly #visits: Visit[] = [];
  readonly #underWay = new Set<Promise<unknown>>();

  private constructor(options: ChatWithOptions) {
    const clock = this.clock = { nowMs: Date.UTC(2026, 0, 1, 12) };
    this.store = SqliteStore.inMemory(() => clock.nowMs);
    this.chat = new Chat({
      store: options.store ? this.#watched(storeWith(this.store, options.store(this.store))) : this.store,
      ...ALONE,
      adHocChannels: options.adHocChannels ?? false,
      maxListed: 200,
      onFault: (error) => this.faults.push(error),
      now: () => clock.nowMs,
    });
  }

  static async open(options: ChatWithOptions = {}): Promise<ChatWith> {
    const opened = new ChatWith(options);
    const ids = options.channels ?? ["a", "b"];
    await Promise.all(ids.map((id) => opened.store.createChannel({ id, name: id, description: "" })));
    return opened;
  }

  /** Lets a user into a channel. */
  async visit(
    userId: string,
    { channelId = "a", limit = 50 }: { channelId?: string; limit?: number } = {},
  ): Promise<{ seat: FakeSeat; visit: Visit; welcome: Welcome }> {
    const seat = new FakeSeat(userId, channelId);
    const visit = await this.chat.visit(seat, channelId, { limit });
    this.#visits.push(visit);
    seat.onClose = () => this.leave(visit);
    return { seat, visit, welcome: read(visit.welcome) };
  }

  /** Ends a visit, once. */
  leave(visit: Visit): void {
    const at = this.#visits.indexOf(visit);
    if (at >= 0) this.#visits.splice(at, 1)[0]?.leave();
  }

  /** Sends a message; resolves with its `seq`. */
  async say(userId: string, content: string, channelId = "a"): Promise<number> {
    return (await this.chat.messages.send({ channelId, userId, content })).message.seq;
  }

  /** The same store; what it is still asked for at the end of the test is waited for. */
  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => (...args: unknown[]) => {
        const answer = Reflect.get(target, name)(...args);
        this.#underWay.add(answer);
        return answer.finally(() => this.#underWay.delete(answer));
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const visit of [...this.#visits]) this.leave(visit);
    await Promise.allSettled(this.#underWay);
    await this.store[Symbol.asyncDispose]();
  }
}

/** What a client reads in an answer. */
export function read(welcome: unknown): Welcome {
  return JSON.parse(welcome instanceof Json ? welcome.text : JSON.stringify(welcome));
}
