/**
 * Buses of one process, as its threads have them.
 *
 * @module
 */

import { BroadcastChannelBus } from "../../../src/pubsub/broadcast_channel_bus.ts";

/** Opens buses that hear each other; `await using` closes them. */
export class Threads implements AsyncDisposable {
  readonly #name = crypto.randomUUID();
  readonly #buses: BroadcastChannelBus[] = [];

  bus(instance: string): BroadcastChannelBus {
    const bus = new BroadcastChannelBus({ instance, name: this.#name, onFault: () => {} });
    this.#buses.push(bus);
    return bus;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus[Symbol.asyncDispose]()));
  }
}
