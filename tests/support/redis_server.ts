/**
 * A Redis of one's own.
 *
 * @module
 */

import { eventually } from "./eventually.ts";

/** A real `redis-server` on a free port of loopback, without persistence; `await using` kills it and removes its folder. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #process: Deno.ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
    this.#folder = Deno.makeTempDirSync({ prefix: "chat-redis-" });
  }

  /** Resolves when it answers. */
  static async start(): Promise<RedisServer> {
    const server = new RedisServer(freePort());
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Kills it (SIGKILL), frozen or not: every key is gone, every connection broken. */
  async crash(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.kill("SIGKILL");
    await process?.status;
  }

  /** Starts it again on the same port, empty; resolves when it answers. */
  async restart(): Promise<void> {
    await this.crash();
    this.#process = new Deno.Command("redis-server", {
      args: [
        "--bind",
        "127.0.0.1",
        "--port",
        `${this.port}`,
        "--dir",
        this.#folder,
        "--save",
        "",
        "--appendonly",
        "no",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await eventually(() => this.#answers(), 15_000);
  }

  /** Stops it (SIGSTOP): it takes connections and bytes and answers nothing. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** Lets it go on, with everything it was sent meanwhile. */
  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #answers(): Promise<boolean> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await connection.write(new TextEncoder().encode("PING\r\n"));
    const answer = new Uint8Array(16);
    await connection.read(answer);
    return new TextDecoder().decode(answer).startsWith("+PONG");
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
