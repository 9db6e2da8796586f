/**
 * The bus over Redis: between processes and machines.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { within } from "../deadline.ts";
import { type Bus, type BusStats, type GapTopics, newStats, type Receive } from "./bus.ts";
import { decodeEnvelope, type Envelope, MAX_POST } from "./envelope.ts";
import { Numbering } from "./numbering.ts";
import { Outbox, type Turn } from "./outbox.ts";
import { type OnFault, Receivers } from "./receivers.ts";
import type { RedisAddress } from "./redis_address.ts";
import { RedisClusterConnection } from "./redis_cluster_connection.ts";
import { answered, type RedisConnection, type RedisConnectionOptions } from "./redis_connection.ts";
import { RedisLink, type RedisLinkOptions } from "./redis_link.ts";
import { RedisProbe } from "./redis_probe.ts";
import { RedisSentinelConnection } from "./redis_sentinel_connection.ts";
import { RedisSingleConnection } from "./redis_single_connection.ts";
import { Streams } from "./streams.ts";

/** Options of a {@linkcode RedisBus}; times in milliseconds, all but the first four with a default. */
export interface RedisBusOptions {
  readonly instance: string;
  readonly address: RedisAddress;
  /** Begins the name of every channel; keeps the chats of one Redis apart. */
  readonly prefix: string;
  readonly onFault: OnFault;
  /** The certificate of the authority that signed the server's, as PEM. */
  readonly tlsCa?: string;
  /** The deadline for a connection to be there, signed in and subscribed. */
  readonly connectTimeoutMs?: number;
  /** The deadline for an answer. */
  readonly commandTimeoutMs?: number;
  readonly pingIntervalMs?: number;
  /** How long a connection may be silent. */
  readonly socketTimeoutMs?: number;
  /** The first and the longest pause between attempts to connect. */
  readonly minPauseMs?: number;
  readonly maxPauseMs?: number;
  /** How often this instance posts to itself, and how long it may fail to hear that before the connection that listens is made anew. */
  readonly probeIntervalMs?: number;
  readonly deafAfterMs?: number;
  /** The most characters that may be unanswered; more is dropped. */
  readonly maxBuffered?: number;
}

const DEFAULTS = {
  connectTimeoutMs: 5_000,
  commandTimeoutMs: 2_000,
  pingIntervalMs: 2_000,
  socketTimeoutMs: 5_000,
  minPauseMs: 100,
  maxPauseMs: 3_000,
  probeIntervalMs: 2_000,
  deafAfterMs: 10_000,
  maxBuffered: 16 * 1_024 * 1_024,
};

/** How many topics with dropped posts are remembered, to tell their receivers; of others they learn with the next post. */
const MAX_MISSED = 10_000;

/**
 * Two connections, one that publishes and one that listens, each made anew whenever it is lost. While one is down, messages are dropped and
 * `subscribe()` resolves at once; when it is back, all topics are subscribed to again and a gap is told for `"all"`.
 */
export class RedisBus implements Bus {
  readonly stats: BusStats = newStats();
  readonly #options: RedisBusOptions & typeof DEFAULTS;
  readonly #receivers: Receivers;
  readonly #numbering: Numbering;
  readonly #outbox = new Outbox((turn) => this.#flush(turn));
  /** What each topic's senders have posted. */
  readonly #streams = new Map<string, Streams>();
  /** The topics that the listening connection has subscribed to. */
  readonly #active = new Set<string>();
  /** The end of what is being done about each topic. */
  readonly #settling = new Map<string, Promise<void>>();
  /** Topics on which posts were dropped, which the receivers do not know yet. */
  readonly #missed = new Set<string>();
  readonly #publisher: RedisLink;
  readonly #subscriber: RedisLink;
  readonly #probe: RedisProbe;
  readonly #hear = (text: string, channel: string) => this.#take(text, channel);
  #buffered = 0;
  #wasUp = false;
  #closing: Promise<void> | undefined;

  private constructor(options: RedisBusOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#receivers = new Receivers(this.stats, options.onFault);
    this.#numbering = new Numbering({ from: options.instance });
    this.#publisher = this.#link({
      prepare: () => Promise.resolve(),
      onUp: () => this.#announce(),
      onDown: () => {},
    });
    this.#subscriber = this.#link({
      prepare: (connection) => this.#resubscribe(connection),
      onUp: () => this.#nowHearing(),
      onDown: () => this.#nowDeaf(),
    });
    this.#probe = new RedisProbe({
      ...this.#options,
      publisher: this.#publisher,
      subscriber: this.#subscriber,
      channel: this.#control,
      onTick: () => this.#announce(),
    });
  }

  /** Resolves when the bus is healthy, and at the latest after the connect deadline: then it heals by itself. Never rejects. */
  static async open(options: RedisBusOptions): Promise<RedisBus> {
    const bus = new RedisBus(options);
    const tried = Promise.all([bus.#publisher.tried, bus.#subscriber.tried]);
    await within(bus.#options.connectTimeoutMs, tried);
    return bus;
  }

  get instance(): string {
    return this.#numbering.from;
  }

  get healthy(): boolean {
    return !this.#closing && this.#publisher.connection !== undefined && this.#subscriber.connection !== undefined &&
      this.#probe.heard;
  }

  subscribe(topic: string, receive: Receive): Promise<void> {
    if (this.#closing) return Promise.resolve();
    this.#receivers.set(topic, receive);
    if (!this.#streams.has(topic)) this.#streams.set(topic, new Streams());
    return this.#settle(topic);
  }

  unsubscribe(topic: string): Promise<void> {
    if (!this.#receivers.delete(topic)) return Promise.resolve();
    this.#streams.delete(topic);
    return this.#settle(topic);
  }

  publish(topic: string, message: string): void {
    if (this.#closing) this.stats.dropped++;
    else this.#outbox.add(topic, message);
  }

  onGap(handle: (topics: GapTopics) => void): void {
    this.#receivers.onGap(handle);
  }

  async ping(): Promise<void> {
    const { connection } = this.#publisher;
    try {
      if (this.#closing || !connection || !this.#subscriber.connection) {
        throw new Error("There is no connection to Redis");
      }
      await answered(connection.ping(), this.#options.commandTimeoutMs);
    } catch (cause) {
      throw new ChatError("unavailable", "The bus cannot be reached.", { cause });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#outbox.flush();
    this.#probe[Symbol.dispose]();
    this.#receivers.clear();
    // Answered in order: what was posted before is with Redis then.
    const { connection } = this.#publisher;
    if (connection && this.#buffered > 0) await within(this.#options.commandTimeoutMs, connection.ping());
    await Promise.all([this.#publisher[Symbol.asyncDispose](), this.#subscriber[Symbol.asyncDispose]()]);
  }

  #link(handlers: Pick<RedisLinkOptions, "prepare" | "onUp" | "onDown">): RedisLink {
    return new RedisLink({
      ...this.#options,
      ...handlers,
      prepareTimeoutMs: this.#options.connectTimeoutMs,
      connect: (onLost) => connect({ ...this.#options, onLost }),
    });
  }

  get #control(): string {
    return `${this.#options.prefix}control:${this.#numbering.boot}`;
  }

  #channel(topic: string): string {
    return `${this.#options.prefix}topic:${topic}`;
  }

  // Listening

  /** Brings Redis to know whether this topic is wanted; one step at a time, so that the last word holds. */
  #settle(topic: string): Promise<void> {
    const settling = (this.#settling.get(topic) ?? Promise.resolve()).then(() => this.#toggle(topic)).then(() => {
      if (this.#settling.get(topic) === settling) this.#settling.delete(topic);
    });
    this.#settling.set(topic, settling);
    return settling;
  }

  async #toggle(topic: string): Promise<void> {
    const { connection } = this.#subscriber;
    const wanted = this.#receivers.has(topic);
    if (!connection) return;
    if (wanted === this.#active.has(topic)) return this.#streams.get(topic)?.begin();
    const channel = this.#channel(topic);
    const asking = wanted ? connection.subscribe([channel], this.#hear) : connection.unsubscribe(channel, this.#hear);
    try {
      await answered(asking, this.#options.commandTimeoutMs);
    } catch (error) {
      if (this.#subscriber.connection === connection) this.#subscriber.renew(error);
      return;
    }
    if (this.#subscriber.connection !== connection) return;
    if (wanted) this.#active.add(topic);
    else this.#active.delete(topic);
    if (wanted) this.#streams.get(topic)?.begin();
  }

  async #resubscribe(connection: RedisConnection): Promise<void> {
    const topics = this.#receivers.topics();
    await connection.subscribe([this.#control, ...topics.map((topic) => this.#channel(topic))], this.#hear);
    this.#active.clear();
    for (const topic of topics) this.#active.add(topic);
  }

  #nowHearing(): void {
    for (const topic of this.#active) this.#streams.get(topic)?.begin();
    for (const topic of new Set([...this.#active, ...this.#receivers.topics()])) {
      if (this.#active.has(topic) !== this.#receivers.has(topic)) void this.#settle(topic);
    }
    if (this.#wasUp || this.#receivers.size > 0) this.#receivers.gap("all");
    this.#wasUp = true;
  }

  #nowDeaf(): void {
    this.#active.clear();
    for (const streams of this.#streams.values()) streams.end();
  }

  #take(text: string, channel: string): void {
    if (channel === this.#control) return this.#probe.hear(text);
    const topic = channel.slice(this.#channel("").length);
    const streams = this.#streams.get(topic);
    if (!streams) return; // it was unsubscribed from a moment ago
    const envelope = decodeEnvelope(text);
    if (envelope?.boot === this.#numbering.boot) return;
    const place = envelope && streams.take(envelope);
    if (!envelope || place === "late") {
      this.stats.ignored++;
      return;
    }
    if (place === "gap") this.#receivers.gap([topic]);
    for (const message of envelope.m) this.#receivers.receive(topic, message, envelope.from);
  }

  // Publishing

  #flush(turn: Turn): void {
    for (const [topic, messages] of turn) {
      for (const part of split(messages)) this.#post(topic, this.#numbering.seal(topic, part));
    }
    this.#announce();
  }

  /** Tells the receivers of dropped posts, by an empty one behind the hole. */
  #announce(): void {
    for (const topic of this.#missed) {
      if (!this.#publisher.connection || this.#buffered > this.#options.maxBuffered / 2) return;
      this.#missed.delete(topic);
      this.#post(topic, this.#numbering.seal(topic, []));
    }
  }

  #post(topic: string, envelope: Envelope): void {
    const text = JSON.stringify(envelope);
    const { connection } = this.#publisher;
    if (!connection || text.length > MAX_POST || this.#buffered + text.length > this.#options.maxBuffered) {
      return this.#drop(topic, envelope);
    }
    this.stats.posts++;
    this.#buffered += text.length;
    connection.publish(this.#channel(topic), text)
      .catch(() => this.#drop(topic, envelope))
      .finally(() => this.#buffered -= text.length);
  }

  #drop(topic: string, { m }: Envelope): void {
    this.stats.dropped += m.length;
    if (this.#missed.size < MAX_MISSED) this.#missed.add(topic);
  }
}

function connect(options: RedisConnectionOptions): RedisConnection {
  const { kind, hosts: [host] } = options.address;
  if (kind === "cluster") return new RedisClusterConnection(options);
  return kind === "sentinel" ? new RedisSentinelConnection(options) : new RedisSingleConnection(options, host);
}

/** Cuts the messages of a turn so that a post of each part is not too long, where they let themselves be cut. */
function* split(messages: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let size = 0;
  for (const message of messages) {
    if (part.length > 0 && size + message.length > MAX_POST / 4) {
      yield part;
      [part, size] = [[], 0];
    }
    part.push(message);
    size += message.length;
  }
  yield part;
}
