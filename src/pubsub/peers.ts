/**
 * The other instances, as one part of the service sees them.
 *
 * @module
 */

import { within } from "../deadline.ts";
import { ChatError } from "../errors.ts";
import type { Bus } from "./bus.ts";
import { Discovery, type DiscoveryOptions } from "./discovery.ts";
import { type Answer, Rpc } from "./rpc.ts";

/** What {@linkcode Peers} are made of. */
export interface PeersOptions extends DiscoveryOptions {
  /** Hears how long a question to another instance took, every few seconds; undefined where there is none to ask. */
  readonly onRoundTrip: (ms: number | undefined) => void;
  /** Ends all of a user's clients here; returns how many. */
  readonly disconnect: (userId: string) => number;
}

const BEAT_MS = 2_000;
const CLOSE_MS = 2_000;
const PING_TIMEOUT_MS = 2_000;
const CONTROL = "control";

/** Who is there, what can be asked of them, and what all are told; opened once the bus is. */
export class Peers implements AsyncDisposable {
  readonly discovery: Discovery;
  readonly #options: PeersOptions;
  readonly #bus: Bus;
  readonly #rpc: Rpc;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(options: PeersOptions, discovery: Discovery, rpc: Rpc) {
    this.discovery = discovery;
    this.#options = options;
    this.#bus = options.bus;
    this.#rpc = rpc;
    rpc.answer("ping", (body) => Promise.resolve(body));
    this.#timer = setInterval(() => {
      discovery.beat();
      this.#measure();
    }, BEAT_MS);
  }

  /** Makes this instance known to the others. */
  static async open(options: PeersOptions): Promise<Peers> {
    const rpc = await Rpc.open(options.bus);
    const discovery = new Discovery(options);
    const peers = new Peers(options, discovery, rpc);
    await options.bus.subscribe(CONTROL, (message) => {
      const [command, userId] = message.split("\n");
      if (command === "disconnect" && userId !== undefined) options.disconnect(userId);
    });
    await discovery.start();
    return peers;
  }

  /** Ends all of a user's clients on every instance; returns how many there were here. */
  disconnect(userId: string): number {
    this.#bus.publish(CONTROL, `disconnect\n${userId}`);
    return this.#options.disconnect(userId);
  }

  /** Answers a question of other instances. */
  answer(name: string, answer: Answer): void {
    this.#rpc.answer(name, answer);
  }

  /** Asks an instance; rejects with `unavailable` at once where it is not there, else after `timeoutMs`. */
  async ask(instance: string, name: string, body: string, timeoutMs: number): Promise<string> {
    if (!this.discovery.has(instance)) throw new ChatError("unavailable", "That instance is not there.");
    return await this.#rpc.ask(instance, name, body, timeoutMs);
  }

  /** Says goodbye and closes the bus. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.discovery.stop();
    await this.#rpc[Symbol.asyncDispose]();
    await within(CLOSE_MS, this.#bus[Symbol.asyncDispose]());
  }

  async #measure(): Promise<void> {
    const { peers } = this.discovery;
    const peer = peers[Math.floor(Math.random() * peers.length)];
    if (!peer) return this.#options.onRoundTrip(undefined);
    const startedAt = performance.now();
    const answered = await within(PING_TIMEOUT_MS, this.ask(peer.instance, "ping", "", PING_TIMEOUT_MS));
    if (answered) this.#options.onRoundTrip(Math.round(performance.now() - startedAt));
  }
}
