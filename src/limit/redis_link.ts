/**
 * A connection to Redis that comes back.
 *
 * @module
 */

import { createClient } from "redis";

/** The client of one connection. */
export type RedisClient = ReturnType<typeof newClient>;

/** What a {@linkcode RedisLink} is made of. */
export interface RedisLinkOptions {
  /** `redis:` or `rediss:`. */
  readonly url: string;
  /** There is a connection: a new client each time. */
  readonly onReady: (client: RedisClient) => void;
  /** There is none any more, or still none; called at each failure. */
  readonly onLost: (cause: unknown) => void;
}

const MAX_DELAY_MS = 2_000;

/**
 * Connects at once and again after each loss, a little later each time and never at the same moment as everybody else.
 *
 * The client would do that by itself, but could not be closed while it waits: its timer goes on for seconds.
 */
export class RedisLink implements AsyncDisposable {
  readonly #options: RedisLinkOptions;
  #client: RedisClient | undefined;
  #attempt: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Throws where the URL is none of Redis. */
  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#connect();
  }

  /** The client that is connected now. */
  get client(): RedisClient | undefined {
    return this.#client?.isReady ? this.#client : undefined;
  }

  /** Closes the connection: calls under way reject, nothing is tried again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#client?.destroy();
    await this.#attempt;
  }

  #connect(): void {
    const client = newClient(this.#options.url);
    this.#client = client;
    const lost = (cause: unknown) => {
      if (this.#client !== client || this.#closed) return; // one loss is told of in several ways
      this.#client = undefined;
      client.destroy();
      this.#timer = setTimeout(() => this.#connect(), delayMs(this.#failures++));
      this.#options.onLost(cause);
    };
    client.on("error", lost);
    this.#attempt = client.connect().then(() => {
      if (this.#client !== client || this.#closed) return client.destroy();
      this.#failures = 0;
      this.#options.onReady(client);
    }, lost);
  }
}

function newClient(url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    maintNotifications: "disabled",
    // Together they find a peer that is gone without a word.
    pingInterval: 2_000,
    socket: { connectTimeout: 2_000, socketTimeout: 5_000, reconnectStrategy: false },
  });
}

function delayMs(failures: number): number {
  const longest = Math.min(100 * 2 ** failures, MAX_DELAY_MS);
  return longest / 2 + Math.random() * longest / 2;
}
