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

/** How long a connection lives in which not every channel could be subscribed to, as while a node of the cluster fails over. */
const PARTIAL_MS = 2_000;

/** They live and die together. Sharded publish and subscribe from Redis 7 on, the plain one before. */
export class RedisClusterConnection implements RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #cluster: ReturnType<typeof newCluster>;
  #state: "new" | "open" | "destroyed" = "new";
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
    connecting.then(() => this.#state === "destroyed" && this.#cluster.destroy(), () => {});
    await answered(connecting, this.#options.connectTimeoutMs);
    this.#sharded = await answered(this.#knowsShards(), this.#options.connectTimeoutMs);
    if (this.#state === "new") this.#state = "open";
  }

  async subscribe(channels: readonly string[], hear: Hear): Promise<void> {
    if (!this.#sharded) return await this.#cluster.subscribe([...channels], hear);
    const results = await Promise.allSettled(channels.map((channel) => this.#cluster.sSubscribe(channel, hear)));
    const faults = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    if (faults.length === 0) return;
    if (faults.length === channels.length) throw faults[0];
    this.#timer ??= setTimeout(() => this.#lose(faults[0]), PARTIAL_MS);
  }

  async unsubscribe(channel: string, hear: Hear): Promise<void> {
    if (this.#sharded) await this.#cluster.sUnsubscribe(channel, hear);
    else await this.#cluster.unsubscribe(channel, hear as Listener);
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#sharded ? this.#cluster.sPublish(channel, text) : this.#cluster.publish(channel, text);
  }

  async ping(): Promise<unknown> {
    return await (await this.#anyNode()).ping();
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#state = "destroyed";
    this.#cluster.destroy();
  }

  #lose(error: unknown): void {
    if (this.#state === "open") this.#options.onLost(error);
  }

  async #knowsShards(): Promise<boolean> {
    const [, major = "7"] = /^redis_version:(\d+)/m.exec(await (await this.#anyNode()).info("server")) ?? [];
    return Number(major) >= 7;
  }

  #anyNode() {
    const [master] = this.#cluster.masters;
    if (!master) throw new Error("The cluster has no master");
    return this.#cluster.nodeClient(master);
  }
}

function newCluster(options: RedisConnectionOptions) {
  return createCluster({
    rootNodes: options.address.hosts.map((host) => ({ socket: { ...host } })),
    defaults: clientOptions(options),
    minimizeConnections: true,
  });
}
