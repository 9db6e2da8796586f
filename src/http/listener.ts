/**
 * The port that the service listens on.
 *
 * @module
 */

import { within } from "../deadline.ts";

/** How a {@linkcode Listener} listens. */
export interface ListenerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Whether other threads of this process listen on the same port; the system shares the connections out. */
  readonly reusePort: boolean;
  /** Hears why it had to listen again. */
  readonly onFault: (error: unknown) => void;
}

type Handler = (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => Response | Promise<Response>;

const RELISTEN_MS = 100;
const SHUTDOWN_MS = 2_000;

/** Listens until it is stopped: out of file descriptors, Deno stops accepting for good, and it begins anew; those that are connected live on. */
export class Listener {
  readonly port: number;
  readonly #options: ListenerOptions;
  readonly #handle: Handler;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #stopping = false;

  /** Throws what stands in the way of listening. */
  constructor(options: ListenerOptions, handle: Handler) {
    this.#options = options;
    this.#handle = handle;
    this.#server = this.#listen(options.port);
    this.port = this.#server.addr.port;
  }

  /** What fails from now on is not mended any more. */
  stopListeningAgain(): void {
    this.#stopping = true;
  }

  /** Takes no more connections and lets requests end, for two seconds at the most. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await within(SHUTDOWN_MS, this.#server.shutdown());
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { host, reusePort, onFault } = this.#options;
    const options = { hostname: host, port, onListen: () => {}, ...(reusePort ? { reusePort } : {}) };
    const server = Deno.serve(options, this.#handle);
    server.finished.catch((error) => {
      if (this.#stopping) return;
      onFault(error);
      this.#relistenSoon();
    });
    return server;
  }

  #relistenSoon(): void {
    setTimeout(() => {
      if (this.#stopping) return;
      try {
        this.#server = this.#listen(this.port);
      } catch (error) {
        this.#options.onFault(error);
        this.#relistenSoon();
      }
    }, RELISTEN_MS);
  }
}
