/**
 * Keeps a connection to Redis: where it cannot be made or is lost, another is made after a while, for ever.
 *
 * @module
 */

import { answered, type RedisConnection } from "./redis_connection.ts";
import type { OnFault } from "./receivers.ts";

/** Options of a {@linkcode RedisLink}. */
export interface RedisLinkOptions {
  /** Makes a connection that is not open yet; `onLost` is called when it is lost. */
  readonly connect: (onLost: (error: unknown) => void) => RedisConnection;
  /** Makes an open connection ready for use. */
  readonly prepare: (connection: RedisConnection) => Promise<void>;
  /** Hears, in the same turn, that {@linkcode RedisLink.connection} is there. */
  readonly onUp: () => void;
  /** Hears, in the same turn, that it is gone. */
  readonly onDown: () => void;
  /** Hears why. */
  readonly onFault: OnFault;
  /** The deadline of `prepare`. */
  readonly prepareTimeoutMs: number;
  /** The pause before the second attempt, doubled each time up to `maxPauseMs`; each is cut by chance, by half at the most. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

/** One connection after the other; starts with the first at once. */
export class RedisLink implements AsyncDisposable {
  readonly #options: RedisLinkOptions;
  readonly #closed = Promise.withResolvers<void>();
  readonly #tried = Promise.withResolvers<void>();
  readonly #keeping: Promise<void>;
  #connection: RedisConnection | undefined;
  #lose: (error: unknown) => void = () => {};
  #closing = false;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#keeping = this.#keep();
  }

  /** The connection, while it is ready for use. */
  get connection(): RedisConnection | undefined {
    return this.#connection;
  }

  /** Resolves when the first attempt has come to its end, good or bad. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Cuts the connection, and makes another. */
  renew(error: unknown): void {
    this.#lose(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#closed.resolve();
    this.#lose(undefined);
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { onFault, minPauseMs, maxPauseMs } = this.#options;
    for (let failures = 0; !this.#closing; failures++) {
      const lost = Promise.withResolvers<unknown>();
      const connection = this.#options.connect(lost.resolve);
      this.#lose = lost.resolve;
      try {
        await Promise.race([this.#prepare(connection), lost.promise.then((error) => Promise.reject(error))]);
        failures = 0;
        this.#connection = connection;
        this.#options.onUp();
        this.#tried.resolve();
        throw await lost.promise;
      } catch (error) {
        if (!this.#closing) onFault(error);
      }
      connection.destroy();
      if (this.#connection) {
        this.#connection = undefined;
        this.#options.onDown();
      }
      this.#tried.resolve();
      const pauseMs = Math.min(minPauseMs * 2 ** failures, maxPauseMs) * (0.5 + Math.random() / 2);
      if (!this.#closing) await this.#pause(pauseMs);
    }
  }

  async #prepare(connection: RedisConnection): Promise<void> {
    await connection.open();
    await answered(this.#options.prepare(connection), this.#options.prepareTimeoutMs);
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([over, this.#closed.promise]);
    clearTimeout(timer);
  }
}
