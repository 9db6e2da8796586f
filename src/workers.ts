/**
 * Several event loops in one process, on one port.
 *
 * @module
 */

import type { Config } from "./config.ts";
import { within } from "./deadline.ts";
import { ChatError } from "./errors.ts";
import type { Service, Shared } from "./service.ts";
import { describe, type Log } from "./telemetry/log.ts";
import type { WorkerOrder, WorkerReport } from "./worker.ts";

/** A thread that crashes is started again after this long, and twice as long each time it crashes soon again. */
const RESTART_MS = 200;
const MAX_RESTART_MS = 10_000;
/** What a thread may take beyond the drain until it is ended from outside. */
const STOP_MS = 10_000;

/** Starts `config.workers` instances, each in a thread of its own; rejects where one does not start. */
export async function startWorkers(config: Config, version: string, log: Log): Promise<Omit<Service, "disconnect">> {
  const node = config.nodeName ?? `chat_${crypto.randomUUID().slice(0, 8)}`;
  const port = config.port === 0 ? freePort(config.host) : config.port;
  const shared = { busUrl: `workers:${crypto.randomUUID()}`, sessionSecret: crypto.randomUUID() };
  assertFree(config.host, port);
  const threads: WorkerThread[] = [];
  try {
    // The first one makes the database where there is none.
    for (let n = 1; n <= config.workers; n++) {
      const thread = new WorkerThread({
        config: { ...config, port, nodeName: `${node}_${n}`, workers: 1 },
        version,
        shared,
        log,
      });
      threads.push(thread);
      await thread.start();
    }
  } catch (error) {
    for (const thread of threads) thread.end();
    throw error;
  }
  return {
    port,
    node,
    async stop() {
      await Promise.all(threads.map((thread) => thread.stop()));
    },
  };
}

/** What a {@linkcode WorkerThread} is made of. */
export interface WorkerThreadOptions {
  readonly config: Config;
  readonly version: string;
  readonly shared: Shared;
  readonly log: Pick<Log, "info" | "error">;
  /** The program of the thread; `worker.ts` where absent. */
  readonly program?: URL;
}

/** One instance in a thread, started again whenever it crashes. */
export class WorkerThread {
  readonly #options: WorkerThreadOptions;
  readonly #config: Config;
  readonly #log: Pick<Log, "info" | "error">;
  #worker: Worker | undefined;
  #started = false;
  #startedAt = 0;
  #restartMs = RESTART_MS;
  #restarting: ReturnType<typeof setTimeout> | undefined;
  #stopping = false;

  constructor(options: WorkerThreadOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#log = options.log;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const { config, version, shared, program = new URL("./worker.ts", import.meta.url) } = this.#options;
    const worker = new Worker(program, { type: "module" });
    this.#worker = worker;
    this.#started = false;
    this.#startedAt = Date.now();
    const report = await new Promise<WorkerReport>((resolve, reject) => {
      const order: WorkerOrder = { start: config, version, shared };
      worker.onmessage = ({ data }: MessageEvent<WorkerReport>) => {
        if ("ready" in data) worker.postMessage(order);
        else resolve(data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new ChatError("unavailable", `A worker died while it started: ${event.message}`));
      };
    });
    if ("failed" in report) throw new ChatError("unavailable", report.failed);
    this.#started = true;
    worker.onerror = (event) => {
      event.preventDefault();
      this.#crashed(event.message);
    };
  }

  /** Lets it drain; ends it where it does not stop by itself. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const worker = this.#worker;
    if (!worker || !this.#started) return this.end(); // one that only starts has nothing to drain
    const stopped = new Promise<void>((resolve) => worker.onmessage = () => resolve());
    worker.postMessage({ stop: true } satisfies WorkerOrder);
    await within(this.#config.drainTimeoutMs + STOP_MS, stopped);
    this.end();
  }

  /** Ends it at once. */
  end(): void {
    this.#stopping = true;
    clearTimeout(this.#restarting);
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  #crashed(reason: string): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    if (this.#stopping) return;
    if (Date.now() - this.#startedAt > MAX_RESTART_MS) this.#restartMs = RESTART_MS;
    this.#log.error("a worker crashed and is started again", {
      node: this.#config.nodeName,
      reason,
      afterMs: this.#restartMs,
    });
    this.#restarting = setTimeout(() => this.#restart(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, MAX_RESTART_MS);
  }

  async #restart(): Promise<void> {
    if (this.#stopping) return;
    try {
      await this.start();
      this.#log.info("a worker is back", { node: this.#config.nodeName });
    } catch (error) {
      this.#crashed(String(describe(error)));
    }
  }
}

/** Throws where another program has the port: threads that share one would share it with that, too. */
function assertFree(hostname: string, port: number): void {
  Deno.listen({ hostname, port }).close();
}

function freePort(hostname: string): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}
