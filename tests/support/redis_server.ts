/**
 * A real Redis on a free port of this machine, in a temporary folder.
 *
 * @module
 */

import { eventually } from "./eventually.ts";

const missing = await (async () => {
  try {
    return !(await new Deno.Command("redis-server", { args: ["--version"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return true;
  }
})();

/** Registers a test that needs `redis-server`; without it it is listed as ignored, and where `CI` is `true` it fails. */
export function redisTest(name: string, fn: () => Promise<void>): void {
  const ignore = missing && Deno.env.get("CI") !== "true";
  Deno.test({ name: ignore ? `${name} (not tried: there is no redis-server)` : name, ignore, fn });
}

/** How a {@linkcode RedisServer} is started. */
export interface RedisServerOptions {
  /** Arguments of `redis-server` besides port, folder and no persistence. */
  readonly args?: (folder: string, port: number) => readonly string[];
  /** Starts a sentinel, with the `sentinel.conf` of its folder. */
  readonly sentinel?: boolean;
  /** Prepares the folder before the first start. */
  readonly prepare?: (folder: string) => Promise<void>;
}

/** A running Redis; `await using` ends it with SIGKILL and removes its folder. */
export class RedisServer implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "chat-redis-" });
  readonly #options: RedisServerOptions;
  #process: Deno.ChildProcess | undefined;
  #exited = Promise.resolve();
  #output = "";
  port = 0;

  private constructor(options: RedisServerOptions) {
    this.#options = options;
  }

  /** Starts one and waits until it takes connections. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = await RedisServer.reserve(options);
    await server.restart();
    return server;
  }

  /** Has one that does not run yet, and its port. */
  static async reserve(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(options);
    server.port = freePort();
    await options.prepare?.(server.folder);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, on the same port and folder, with nothing kept of an earlier run. */
  async restart(): Promise<void> {
    const { args, sentinel } = this.#options;
    const mode = sentinel ? [`${this.folder}/sentinel.conf`, "--sentinel"] : ["--save", "", "--appendonly", "no"];
    const base = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder];
    this.#process = new Deno.Command("redis-server", {
      args: [
        ...mode.slice(0, sentinel ? 1 : 0),
        ...base,
        ...mode.slice(sentinel ? 1 : 0),
        ...(args?.(this.folder, this.port) ?? []),
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const { stdout, status } = this.#process;
    this.#output = "";
    let ended = false;
    const reading = this.#read(stdout);
    this.#exited = status.then(async () => {
      ended = true;
      await reading;
    });
    await eventually(() => ended || this.#output.match(/Ready to accept connections|Sentinel ID is/) !== null, 30_000);
    if (ended) throw new Error(`redis-server ended: ${this.#output}`);
  }

  /** Stops it in the middle of what it does; its connections stay. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Ends it as a power cut of the process would. */
  async crash(): Promise<void> {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#exited;
  }

  /** Runs a command with `redis-cli` and resolves with what it printed. */
  async cli(...args: string[]): Promise<string> {
    return await redisCli("-p", String(this.port), ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    await Deno.remove(this.folder, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#output += text;
  }
}

/** Three masters that share the slots; `await using` ends them. */
export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(): Promise<RedisCluster> {
    const args =
      () => ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"];
    const cluster = new RedisCluster(await Promise.all([1, 2, 3].map(() => RedisServer.start({ args }))));
    const hosts = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`);
    await redisCli("--cluster", "create", ...hosts, "--cluster-yes");
    await eventually(async () => {
      const infos = await Promise.all(cluster.nodes.map((node) => node.cli("cluster", "info")));
      return infos.every((info) => info.includes("cluster_state:ok"));
    }, 30_000);
    return cluster;
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

async function redisCli(...args: string[]): Promise<string> {
  const { stdout, success } = await new Deno.Command("redis-cli", { args, stderr: "null" }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`redis-cli ${args.join(" ")}: ${text}`);
  return text;
}

/** A port that is free, as is the one of a cluster's own talk, 10,000 above; below those that the system gives to clients. */
function freePort(): number {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 10_000);
    try {
      for (const candidate of [port, port + 10_000]) Deno.listen({ hostname: "127.0.0.1", port: candidate }).close();
      return port;
    } catch {
      // Taken.
    }
  }
}
