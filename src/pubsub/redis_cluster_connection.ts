/**
 * The connections to the nodes of a cluster.
 *
 * @module
 */

import { createCluster } from "redis";
import {
  answered,
  clientOptions,
  type Hear,
  type RedisConnection,
  type RedisConnectionOptions,
} from "./redis_connection.ts";

/** The client's type of a listener, which it asks for in one place only. */
type Listener = Parameters<ReturnType<typeof newCluster>["unsubscribe"]>[1];

/** How long the other nodes' connections live on when one was lost or could not be made, as while it fails over. */
const PARTIAL_MS = 1_000;

/**
 * They live and die together: where one is lost, all are made anew a little later, and find the cluster as it then is. Publish and subscribe are
 * sharded from Redis 7 on, and plain before.
 */
export class RedisClusterConnection implements RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #cluster: ReturnType<typeof newCluster>;
  #destroyed = false;
  #sharded = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#cluster = newCluster(options);
    for (const event of ["error", "node-error", "sharded-channel-moved-error"]) {
      this.#cluster.on(event, (error) => this.#lose(error));
    }
  }

  async open(): Promise<void> {
    const connecting = this.#cluster.connect();
    connecting.then(() => this.#destroyed && this.#cluster.destroy(), () => {});
    await answered(connecting, this.#options.connectTimeoutMs);
    this.#sharded = await answered(this.#knowsShards(), this.#options.connectTimeoutMs);
  }

  async subscribe(channels: readonly string[], hear: Hear): Promise<void> {
    if (!this.#sharded) return await this.#cluster.subscribe([...channels], hear);
    const results = await Promise.allSettled(channels.map((channel) => this.#cluster.sSubscribe(channel, hear)));
    const faults = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    if (faults.length === 0) return;
    if (faults.length === channels.length) throw faults[0];
    this.#lose(faults[0]);
  }

  async unsubscribe(channel: string, hear: Hear): Promise<void> {
    if (this.#sharded) await this.#cluster.sUnsubscribe(channel, hear);
    else await this.#cluster.unsubscribe(channel, hear as Listener);
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#sharded ? this.#cluster.sPublish(channel, text) : this.#cluster.publish(channel, text);
  }

  ping(): Promise<unknown> {
    return Promise.any(this.#cluster.masters.map(async (node) => await (await this.#cluster.nodeClient(node)).ping()));
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#destroyed = true;
    this.#cluster.destroy();
  }

  #lose(error: unknown): void {
    if (!this.#destroyed) this.#timer ??= setTimeout(() => this.#options.onLost(error), PARTIAL_MS);
  }

  async #knowsShards(): Promise<boolean> {
    const { masters } = this.#cluster;
    const asking = masters.map(async (node) => await (await this.#cluster.nodeClient(node)).info("server"));
    const [, major = "7"] = /^redis_version:(\d+)/m.exec(await Promise.any(asking)) ?? [];
    return Number(major) >= 7;
  }
}

function newCluster(options: RedisConnectionOptions) {
  return createCluster({
    rootNodes: options.address.hosts.map((host) => ({ socket: { ...host } })),
    defaults: clientOptions(options),
    minimizeConnections: true,
  });
}
