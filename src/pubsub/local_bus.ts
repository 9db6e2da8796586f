/**
 * The bus of an instance that is alone.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { type Bus, type BusStats, newStats } from "./bus.ts";

/** Has nobody to send to and nobody to hear from, and no gap to tell. */
export class LocalBus implements Bus {
  readonly instance: string;
  readonly stats: BusStats = newStats();
  #closed = false;

  constructor({ instance }: { readonly instance: string }) {
    this.instance = instance;
  }

  get healthy(): boolean {
    return !this.#closed;
  }

  subscribe(): Promise<void> {
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.resolve();
  }

  publish(): void {}

  onGap(): void {}

  ping(): Promise<void> {
    return this.#closed ? Promise.reject(new ChatError("unavailable", "The bus is closed.")) : Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}
