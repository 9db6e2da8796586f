/**
 * Two chats as two instances have them: one store, joined by a bus between threads.
 *
 * @module
 */

import { Chat, type Visit } from "../../../src/chat/chat.ts";
import { BroadcastChannelBus } from "../../../src/pubsub/broadcast_channel_bus.ts";
import { SqliteStore } from "../../../src/store/sqlite_store.ts";
import type { Store } from "../../../src/store/store.ts";
import { FakeSeat } from "./fake_seat.ts";
import { storeWith } from "./store_with.ts";

/** What a test may choose. */
export interface JoinedChatsOptions {
  /** Replaces a part of the store for the first chat. */
  readonly store?: (store: Store) => Partial<Store>;
}

/** Has the channels `a` and `b`; instances `one` and `two`, and a third bus that no chat is behind. */
export class JoinedChats implements AsyncDisposable {
  readonly clock = { nowMs: Date.UTC(2026, 0, 1, 12) };
  readonly store = SqliteStore.inMemory(() => this.clock.nowMs);
  readonly faults: unknown[] = [];
  readonly one: Chat;
  readonly two: Chat;
  readonly #name = crypto.randomUUID();
  readonly #buses: BroadcastChannelBus[] = [];
  readonly #visits = new Set<Visit>();
  #raw: BroadcastChannel | undefined;

  private constructor({ store }: JoinedChatsOptions) {
    this.one = this.#chat("one", store ? storeWith(this.store, store(this.store)) : this.store);
    this.two = this.#chat("two", this.store);
  }

  static async open(options: JoinedChatsOptions = {}): Promise<JoinedChats> {
    const chats = new JoinedChats(options);
    for (const id of ["a", "b"]) await chats.store.createChannel({ id, name: id, description: "" });
    return chats;
  }

  /** Another instance's bus. */
  bus(instance: string): BroadcastChannelBus {
    const onFault = (error: unknown) => this.faults.push(error);
    const bus = new BroadcastChannelBus({ instance, name: this.#name, onFault });
    this.#buses.push(bus);
    return bus;
  }

  async visit(chat: Chat, userId: string, channelId = "a"): Promise<{ seat: FakeSeat; visit: Visit; leave(): void }> {
    const seat = new FakeSeat(userId, channelId);
    const visit = await chat.visit(seat, channelId, { limit: 50 });
    this.#visits.add(visit);
    const leave = () => {
      if (this.#visits.delete(visit)) visit.leave();
    };
    seat.onClose = leave;
    return { seat, visit, leave };
  }

  /** Every instance is told that something may have been missed. */
  gap(): void {
    const channel = this.#raw ??= new BroadcastChannel(this.#name);
    const boot = crypto.randomUUID();
    for (const n of [1, 3]) channel.postMessage({ v: 1, from: "x", boot, n, age: 0, m: [] });
  }

  /** Sends a message to `a`. */
  async say(chat: Chat, userId: string, content: string): Promise<void> {
    await chat.messages.send({ channelId: "a", userId, content });
  }

  #chat(instance: string, store: Store): Chat {
    return new Chat({
      store,
      bus: this.bus(instance),
      adHocChannels: false,
      maxListed: 200,
      onFault: (error) => this.faults.push(error),
      hasPeers: () => true,
      now: () => this.clock.nowMs,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const visit of this.#visits) visit.leave();
    this.#raw?.close();
    await Promise.all(this.#buses.map((bus) => bus[Symbol.asyncDispose]()));
    await this.store[Symbol.asyncDispose]();
  }
}
