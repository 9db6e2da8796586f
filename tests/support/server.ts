/**
 * The service as a process of its own, as `deno task start` runs it, on a free port and a temporary database.
 *
 * @module
 */

import denoJson from "../../deno.json" with { type: "json" };
import { eventually } from "./eventually.ts";

/** How a {@linkcode Server} is started. */
export interface ServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** The folder of the database; a new temporary one, removed at the end, where absent. */
  readonly folder?: string;
  /** Runs before the program in the shell that becomes it, such as `ulimit -n 100`. */
  readonly shell?: string;
}

const root = new URL("../../", import.meta.url).pathname;

/** A running service; `await using` stops it with SIGKILL and removes its folder. */
export class Server implements AsyncDisposable {
  #process: Deno.ChildProcess | undefined;
  #exited = Promise.resolve<number>(0);
  #options: ServerOptions;
  #ownsFolder: boolean;
  port = 0;
  /** Everything it printed so far, on both streams. */
  output = "";
  readonly folder: string;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#ownsFolder = options.folder === undefined;
    this.folder = options.folder ?? Deno.makeTempDirSync({ prefix: "chat-" });
  }

  /** Starts one and waits until it listens. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = new Server(options);
    await server.restart();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  get pid(): number {
    if (!this.#process) throw new Error("the server does not run");
    return this.#process.pid;
  }

  /** Resolves with the exit code; a signal's is 128 and its number. */
  get exited(): Promise<number> {
    return this.#exited;
  }

  /** Starts it again, on the same port and folder. */
  async restart(): Promise<void> {
    const flags = denoJson.tasks.start.command
      .replace(/^deno /, "").replace(/ main\.ts$/, "").replaceAll("'", "")
      .replace("--allow-write=data,/var/lib/chat", `--allow-write=${this.folder}`)
      .replace("--allow-read=.,/var/lib/chat", `--allow-read=.,${this.folder}`).split(" ");
    const command = [Deno.execPath(), ...flags, "main.ts", ...(this.#options.args ?? [])];
    const [program, ...args] = this.#options.shell === undefined
      ? command
      : ["/bin/sh", "-c", `${this.#options.shell}; exec "$@"`, "sh", ...command];
    this.#process = new Deno.Command(program ?? "", {
      args,
      cwd: root,
      env: {
        PORT: String(this.port),
        CHAT_STORE_URL: `sqlite:${this.folder}/chat.db`,
        ...this.#options.env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const started = this.output.length;
    const reading = Promise.all([this.#read(this.#process.stdout), this.#read(this.#process.stderr)]);
    let code: number | undefined;
    this.#exited = this.#process.status.then(async (status) => {
      await reading;
      return code = status.code;
    });
    this.port = await eventually(() => {
      if (code !== undefined) return -1;
      const line = this.output.slice(started).split("\n").find((text) => text.includes('"message":"started"'));
      return line === undefined ? undefined : Number(JSON.parse(line).port);
    }, 15_000);
    if (code !== undefined) throw new Error(`the server ended with ${code}: ${this.output.slice(started)}`);
  }

  kill(signal: Deno.Signal): void {
    this.#process?.kill(signal);
  }

  /** Ends it as a power cut of the process would. */
  async crash(): Promise<void> {
    this.kill("SIGKILL");
    await this.#exited;
  }

  /** Asks it to stop and resolves with its exit code. */
  async stop(): Promise<number> {
    this.kill("SIGTERM");
    return await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#exited;
    if (this.#ownsFolder) await Deno.remove(this.folder, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}
