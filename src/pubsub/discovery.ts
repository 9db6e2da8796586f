/**
 * Which instances there are.
 *
 * @module
 */

import type { Bus } from "./bus.ts";

/** Another instance. */
export interface Peer {
  /** Its name on the bus, new at each start. */
  readonly instance: string;
  /** Its name for people. */
  readonly node: string;
  /** Names the storage that it uses. */
  readonly store: string;
}

/** What a {@linkcode Discovery} is made of. */
export interface DiscoveryOptions {
  readonly bus: Bus;
  readonly node: string;
  readonly store: string;
  /** Hears that an instance has gone, by its own word or because nothing was heard of it. */
  readonly onLost: (instance: string) => void;
  /** Hears that an instance which was taken for gone is there again. */
  readonly onBack: (instance: string) => void;
  readonly now?: () => number;
}

/** An instance of which nothing was heard for so long is taken for gone. */
const LEASE_MS = 10_000;
/** Instances gone that are remembered. */
const MAX_LOST = 1_000;
const TOPIC = "nodes";

type Word = "hello" | "here" | "bye";

/**
 * Every instance says every two seconds that it is there, and once that it goes. Nobody keeps a list elsewhere, so nothing is left behind by one that
 * was killed.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #now: () => number;
  readonly #peers = new Map<string, { readonly peer: Peer; heardAt: number }>();
  readonly #lost = new Set<string>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Says hello; the others answer at once. */
  async start(): Promise<void> {
    await this.#options.bus.subscribe(TOPIC, (message, from) => this.#hear(message, from));
    this.#say("hello");
  }

  /** The other instances, by node name. */
  get peers(): readonly Peer[] {
    const peers = [...this.#peers.values()].map(({ peer }) => peer);
    return peers.sort((a, b) => a.node < b.node ? -1 : 1);
  }

  /** Those that do not use the same storage: what is said here is not heard there, and the reverse. */
  get strangers(): readonly Peer[] {
    return this.peers.filter(({ store }) => store !== this.#options.store);
  }

  has(instance: string): boolean {
    return this.#peers.has(instance);
  }

  /** Says that this one is there and forgets those that were silent; called every two seconds or so. */
  beat(): void {
    this.#say("here");
    const oldest = this.#now() - LEASE_MS;
    for (const [instance, { heardAt }] of this.#peers) {
      if (heardAt >= oldest) continue;
      if (this.#lost.size < MAX_LOST) this.#lost.add(instance);
      this.#lose(instance);
    }
  }

  /** Says that this one goes. */
  stop(): void {
    this.#say("bye");
  }

  #say(word: Word): void {
    const { bus, node, store } = this.#options;
    bus.publish(TOPIC, JSON.stringify([word, node, store]));
  }

  #hear(message: string, from: string): void {
    const [word, node, store] = read(message);
    if (word === "bye") return this.#lose(from);
    if (word !== "hello" && word !== "here") return;
    this.#peers.set(from, { peer: { instance: from, node, store }, heardAt: this.#now() });
    if (word === "hello") this.#say("here");
    if (this.#lost.delete(from)) this.#options.onBack(from);
  }

  #lose(instance: string): void {
    if (this.#peers.delete(instance)) this.#options.onLost(instance);
  }
}

function read(message: string): [word: string, node: string, store: string] {
  try {
    const [word, node, store] = JSON.parse(message);
    return [String(word), String(node), String(store)];
  } catch {
    return ["", "", ""];
  }
}
