/**
 * Several instances of the service that share one database.
 *
 * @module
 */

import { eventually } from "./eventually.ts";
import { RedisServer } from "./redis_server.ts";
import { RestClient } from "./rest_client.ts";
import { Server } from "./server.ts";

/** What a {@linkcode Cluster} is made of. */
export interface ClusterOptions {
  readonly size?: number;
  readonly redis?: RedisServer;
  readonly env?: Readonly<Record<string, string>>;
}

/** Processes on ports of their own, with one SQLite file and one Redis; `await using` ends them. */
export class Cluster implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly servers: readonly Server[];
  readonly #closing: AsyncDisposableStack;

  private constructor(redis: RedisServer, servers: readonly Server[], closing: AsyncDisposableStack) {
    this.redis = redis;
    this.servers = servers;
    this.#closing = closing;
  }

  /** Starts one, named `node_1`, `node_2`, …, and waits until each knows all the others. */
  static async start({ size = 2, redis, env }: ClusterOptions = {}): Promise<Cluster> {
    await using closing = new AsyncDisposableStack();
    const bus = closing.use(redis ?? await RedisServer.start());
    const servers: Server[] = [];
    for (let n = 1; n <= size; n++) {
      const own = { CHAT_BUS_URL: bus.url, CHAT_NODE_NAME: `node_${n}`, CHAT_DRAIN_WINDOW: "0", ...env };
      const folder = servers[0]?.folder;
      servers.push(closing.use(await Server.start({ env: own, ...(folder === undefined ? {} : { folder }) })));
    }
    const nodes = servers.map((_, index) => `node_${index + 1}`);
    await Promise.all(servers.map((server, index) => connected(server, nodes.toSpliced(index, 1), 10_000)));
    return new Cluster(bus, servers, closing.move());
  }

  /** The instance number `n`, from 1. */
  server(n: number): Server {
    const server = this.servers[(n - 1) % this.servers.length];
    if (!server) throw new Error(`there is no instance ${n}`);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closing.disposeAsync();
  }
}

/** Resolves when an instance names these nodes as the others, in any order. */
export async function connected(server: Server, nodes: readonly string[], ms: number): Promise<void> {
  const expected = [...nodes].sort().join();
  await eventually(async () => {
    const found = await nodesOf(server);
    if (found !== expected) throw new Error(`${server.port} is connected to ${found}, not to ${expected}`);
    return true;
  }, ms);
}

async function nodesOf(server: Server): Promise<string> {
  const { body } = await new RestClient(server.url, "health").health();
  return [...body["connected_nodes"] as string[]].sort().join();
}
