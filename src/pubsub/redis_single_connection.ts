/**
 * A connection to one server.
 *
 * @module
 */

import { createClient } from "redis";
import type { RedisHost } from "./redis_address.ts";
import {
  answered,
  clientOptions,
  type Hear,
  type RedisConnection,
  type RedisConnectionOptions,
} from "./redis_connection.ts";

type Client = ReturnType<typeof createClient>;

/** Publishes and subscribes plainly. */
export class RedisSingleConnection implements RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #client: Client;
  #open = false;

  constructor(options: RedisConnectionOptions, host: RedisHost) {
    this.#options = options;
    this.#client = newClient(options, host);
    this.#client.on("error", (error) => this.#open && this.#options.onLost(error));
  }

  async open(): Promise<void> {
    await openClient(this.#client, this.#options.connectTimeoutMs);
    this.#open = true;
  }

  async subscribe(channels: readonly string[], hear: Hear): Promise<void> {
    await this.#client.subscribe([...channels], hear);
  }

  async unsubscribe(channel: string, hear: Hear): Promise<void> {
    await this.#client.unsubscribe(channel, hear);
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#client.publish(channel, text);
  }

  ping(): Promise<unknown> {
    return this.#client.ping();
  }

  /** The server's part: `master` or `slave`. */
  async role(): Promise<unknown> {
    const [role] = await this.#client.sendCommand<unknown[]>(["ROLE"]);
    return role;
  }

  destroy(): void {
    this.#open = false;
    this.#client.destroy();
  }
}

/** A client that is not connected yet. */
export function newClient(options: RedisConnectionOptions, host: RedisHost): Client {
  return createClient(clientOptions(options, host));
}

/** Opens a client, or destroys it: also one that would open later than that. */
export async function openClient(client: Client, timeoutMs: number): Promise<void> {
  const connecting = client.connect();
  try {
    await answered(connecting, timeoutMs);
  } catch (error) {
    connecting.then(() => client.destroy(), () => {});
    client.destroy();
    throw error;
  }
}
