/**
 * A connection to the master that sentinels name.
 *
 * @module
 */

import type { RedisHost } from "./redis_address.ts";
import { answered, type Hear, type RedisConnection, type RedisConnectionOptions } from "./redis_connection.ts";
import { newClient, openClient, RedisSingleConnection } from "./redis_single_connection.ts";

/** Asks the sentinels for the master each time it is opened, so a failover is one lost connection. */
export class RedisSentinelConnection implements RedisConnection {
  readonly #options: RedisConnectionOptions;
  #master: RedisSingleConnection | undefined;
  #destroyed = false;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const master = new RedisSingleConnection(this.#options, await this.#find());
    this.#master = master;
    if (this.#destroyed) return this.destroy();
    await master.open();
    const role = await answered(master.role(), this.#options.connectTimeoutMs);
    if (String(role) !== "master") throw new Error("The sentinels name a master that is none");
  }

  subscribe(channels: readonly string[], hear: Hear): Promise<void> {
    return this.#opened.subscribe(channels, hear);
  }

  unsubscribe(channel: string, hear: Hear): Promise<void> {
    return this.#opened.unsubscribe(channel, hear);
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#opened.publish(channel, text);
  }

  ping(): Promise<unknown> {
    return this.#opened.ping();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#master?.destroy();
  }

  get #opened(): RedisSingleConnection {
    if (!this.#master) throw new Error("The connection is not open");
    return this.#master;
  }

  async #find(): Promise<RedisHost> {
    const faults: unknown[] = [];
    const { username: _, password: __, ...address } = this.#options.address;
    for (const sentinel of address.hosts) {
      const client = newClient({ ...this.#options, address }, sentinel);
      client.on("error", () => {}); // it rejects as well
      try {
        await openClient(client, this.#options.connectTimeoutMs);
        const asking = client.sendCommand<string[] | null>([
          "SENTINEL",
          "GET-MASTER-ADDR-BY-NAME",
          address.master ?? "",
        ]);
        const [host, port] = await answered(asking, this.#options.connectTimeoutMs) ?? [];
        if (host !== undefined) return { host: String(host), port: Number(port) };
        throw new Error("The sentinel knows no master of that name");
      } catch (error) {
        faults.push(error);
      } finally {
        client.destroy();
      }
    }
    throw new AggregateError(faults, "No sentinel named a master");
  }
}
