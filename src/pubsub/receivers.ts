/**
 * The ends of a bus in this instance: its receivers and its handler of gaps, neither of which can break it.
 *
 * @module
 */

import type { BusStats, GapTopics, Receive } from "./bus.ts";

/** Hears what went wrong; the bus goes on by itself. */
export type OnFault = (error: unknown) => void;

/** Hands messages to the receiver of their topic. */
export class Receivers {
  readonly #stats: BusStats;
  readonly #onFault: OnFault;
  readonly #receivers = new Map<string, Receive>();
  #handleGap: (topics: GapTopics) => void = () => {};

  constructor(stats: BusStats, onFault: OnFault) {
    this.#stats = stats;
    this.#onFault = onFault;
  }

  get size(): number {
    return this.#receivers.size;
  }

  topics(): string[] {
    return [...this.#receivers.keys()];
  }

  has(topic: string): boolean {
    return this.#receivers.has(topic);
  }

  set(topic: string, receive: Receive): void {
    this.#receivers.set(topic, receive);
  }

  delete(topic: string): boolean {
    return this.#receivers.delete(topic);
  }

  clear(): void {
    this.#receivers.clear();
    this.#handleGap = () => {};
  }

  onGap(handle: (topics: GapTopics) => void): void {
    this.#handleGap = handle;
  }

  /** Hands a message over; does nothing where nobody receives on the topic. */
  receive(topic: string, message: string, from: string): void {
    const receive = this.#receivers.get(topic);
    if (!receive) return;
    this.#stats.received++;
    this.#guard(() => receive(message, from));
  }

  /** Tells of a gap. */
  gap(topics: GapTopics): void {
    this.#stats.gaps++;
    this.#guard(() => this.#handleGap(topics));
  }

  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onFault(error);
    }
  }
}
