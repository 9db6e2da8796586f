/**
 * The bus between the worker threads of one process.
 *
 * `BroadcastChannel` drops silently where a thread lags behind by more than 256 posts of the whole process. So there is one object a bus and one
 * post a turn, and posts are numbered; the newest always arrive, so a hole shows with the next one read.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { type Bus, type BusStats, type GapTopics, newStats, type Receive } from "./bus.ts";
import { checkEnvelope } from "./envelope.ts";
import { Numbering } from "./numbering.ts";
import { Outbox, type Turn } from "./outbox.ts";
import { type OnFault, Receivers } from "./receivers.ts";
import { Streams } from "./streams.ts";

/** Options of a {@linkcode BroadcastChannelBus}. */
export interface BroadcastChannelBusOptions {
  readonly instance: string;
  /** Tells the buses of one process apart. */
  readonly name: string;
  readonly onFault: OnFault;
}

/** Every thread hears every post and takes what it has subscribed to; a hole may have held anything, so its gap is `"all"`. */
export class BroadcastChannelBus implements Bus {
  readonly stats: BusStats = newStats();
  readonly #receivers: Receivers;
  readonly #channel: BroadcastChannel;
  readonly #numbering: Numbering;
  readonly #streams = new Streams();
  readonly #outbox = new Outbox((turn) => this.#post(turn));
  #closed = false;

  constructor({ instance, name, onFault }: BroadcastChannelBusOptions) {
    this.#receivers = new Receivers(this.stats, onFault);
    this.#numbering = new Numbering({ from: instance });
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#channel.onmessageerror = () => this.stats.ignored++;
    this.#streams.begin();
  }

  get instance(): string {
    return this.#numbering.from;
  }

  get healthy(): boolean {
    return !this.#closed;
  }

  subscribe(topic: string, receive: Receive): Promise<void> {
    this.#receivers.set(topic, receive);
    return Promise.resolve();
  }

  unsubscribe(topic: string): Promise<void> {
    this.#receivers.delete(topic);
    return Promise.resolve();
  }

  publish(topic: string, message: string): void {
    if (this.#closed) this.stats.dropped++;
    else this.#outbox.add(topic, message);
  }

  onGap(handle: (topics: GapTopics) => void): void {
    this.#receivers.onGap(handle);
  }

  ping(): Promise<void> {
    return this.#closed ? Promise.reject(new ChatError("unavailable", "The bus is closed.")) : Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#outbox.flush();
    this.#closed = true;
    this.#channel.close();
    this.#receivers.clear();
    return Promise.resolve();
  }

  /** The messages of a post are topic, message, topic, message, … */
  #post(turn: Turn): void {
    const messages = [...turn].flatMap(([topic, messages]) => messages.flatMap((message) => [topic, message]));
    this.#channel.postMessage(this.#numbering.seal("", messages));
    this.stats.posts++;
  }

  #hear(data: unknown): void {
    if (this.#closed) return;
    const envelope = checkEnvelope(data);
    if (!envelope || envelope.m.length % 2 !== 0) {
      this.stats.ignored++;
      return;
    }
    const place = this.#streams.take(envelope);
    if (place === "late") {
      this.stats.ignored++;
      return;
    }
    if (place === "gap") this.#receivers.gap("all");
    for (let at = 0; at < envelope.m.length; at += 2) {
      const [topic = "", message = ""] = envelope.m.slice(at, at + 2);
      this.#receivers.receive(topic, message, envelope.from);
    }
  }
}
