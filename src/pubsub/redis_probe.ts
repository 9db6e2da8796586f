/**
 * Finds a connection that is there and carries nothing.
 *
 * @module
 */

import { answered } from "./redis_connection.ts";
import type { RedisLink } from "./redis_link.ts";

/** Options of a {@linkcode RedisProbe}. */
export interface RedisProbeOptions {
  readonly publisher: RedisLink;
  readonly subscriber: RedisLink;
  /** A channel that the subscriber listens to and nobody else posts on. */
  readonly channel: string;
  readonly probeIntervalMs: number;
  readonly deafAfterMs: number;
  readonly commandTimeoutMs: number;
  /** Runs with each probe. */
  readonly onTick: () => void;
}

/**
 * Posts a number to this instance again and again. The publisher is renewed where the post is not answered in time, the subscriber where answered
 * posts are not heard for `deafAfterMs`.
 */
export class RedisProbe implements Disposable {
  readonly #options: RedisProbeOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #sent = 0;
  #lastHeard = 0;
  /** When the first post was answered of those that were not heard. */
  #unheardSince: number | undefined;
  #probing = false;

  constructor(options: RedisProbeOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#tick(), options.probeIntervalMs);
  }

  /** False where a post was answered and for a while not heard. */
  get heard(): boolean {
    return this.#unheardForMs() <= this.#options.commandTimeoutMs;
  }

  /** Takes what came on the channel. */
  hear(text: string): void {
    const number = Number(text);
    if (!(number <= this.#sent)) return; // somebody else's
    this.#lastHeard = Math.max(this.#lastHeard, number);
    this.#unheardSince = undefined;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #tick(): Promise<void> {
    const { publisher, subscriber, deafAfterMs, onTick } = this.#options;
    onTick();
    if (this.#unheardForMs() > deafAfterMs) {
      this.#unheardSince = undefined;
      subscriber.renew(new Error(`Redis took posts and gave none of them back for ${deafAfterMs} ms`));
    }
    if (this.#probing || !publisher.connection) return;
    this.#probing = true;
    await this.#probe();
    this.#probing = false;
  }

  async #probe(): Promise<void> {
    const { publisher, subscriber, channel, commandTimeoutMs } = this.#options;
    const { connection } = publisher;
    const listening = subscriber.connection;
    const number = ++this.#sent;
    try {
      if (!connection) return;
      await answered(connection.publish(channel, String(number)), commandTimeoutMs);
    } catch (error) {
      if (publisher.connection === connection) publisher.renew(error);
      return;
    }
    const missed = this.#lastHeard < number && listening !== undefined && subscriber.connection === listening;
    if (missed) this.#unheardSince ??= performance.now();
  }

  #unheardForMs(): number {
    return this.#unheardSince === undefined ? 0 : performance.now() - this.#unheardSince;
  }
}
