/**
 * `GET /api/health`: whether this instance can do its work, for load balancers and people.
 *
 * @module
 */

import { Hono } from "hono";
import { within } from "../deadline.ts";
import type { Bus } from "../pubsub/bus.ts";
import type { Discovery } from "../pubsub/discovery.ts";
import type { Store } from "../store/store.ts";
import type { AppEnv } from "./context.ts";

/** What a {@linkcode Health} looks at. */
export interface HealthOptions {
  readonly store: Store;
  readonly bus: Pick<Bus, "healthy">;
  readonly discovery: Pick<Discovery, "peers" | "strangers">;
  readonly node: string;
  readonly version: string;
  readonly now?: () => number;
}

/** How long an answer is good for, and how long the store may take for one. */
const PROBE_MS = 1_000;

/** The state of the service as its clients are told of it. */
export interface HealthReport {
  readonly status: "healthy" | "degraded" | "draining";
  readonly node: string;
  readonly connected_nodes: readonly string[];
  /** Milliseconds since start. */
  readonly uptime: number;
  readonly version: string;
  readonly store: "ok" | "failing";
  readonly bus: "ok" | "failing";
  /** Milliseconds a question to another instance and its answer took, the last time; absent where there is no other. */
  readonly bus_round_trip?: number;
  /** Nodes that use another storage than this one: a mistake in somebody's settings. */
  readonly strangers?: readonly string[];
}

/** Asks the store at most once a second, by a write: a disk that is full or read-only shows before somebody's message meets it. */
export class Health {
  readonly #options: HealthOptions;
  readonly #now: () => number;
  readonly #startedAt: number;
  #probe: Promise<boolean> | undefined;
  #probedAt = 0;
  #draining = false;
  #roundTripMs: number | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#startedAt = this.#now();
  }

  /** From now on the service is about to stop. */
  drain(): void {
    this.#draining = true;
  }

  async report(): Promise<HealthReport> {
    const { node, version, bus, discovery } = this.#options;
    const ok = await this.#storeAnswers();
    const strangers = discovery.strangers.map((peer) => peer.node);
    const whole = ok && bus.healthy && strangers.length === 0;
    return {
      status: this.#draining ? "draining" : whole ? "healthy" : "degraded",
      node,
      // One that was killed and is back is there twice until its first life's lease ends.
      connected_nodes: [...new Set(discovery.peers.map((peer) => peer.node))].filter((name) =>
        !strangers.includes(name)
      ),
      uptime: this.#now() - this.#startedAt,
      version,
      store: ok ? "ok" : "failing",
      bus: bus.healthy ? "ok" : "failing",
      ...(this.#roundTripMs === undefined ? {} : { bus_round_trip: this.#roundTripMs }),
      ...(strangers.length === 0 ? {} : { strangers }),
    };
  }

  /**
   * Whether clients should be sent here: not while it stops, while the store fails, or where as many instances keep other messages as keep these: then
   * nobody can tell who is wrong. Without the bus they should: it serves them from the store, and the others are no better off.
   */
  async isReady(): Promise<boolean> {
    const { peers, strangers } = this.#options.discovery;
    const own = 1 + peers.length - strangers.length;
    return !this.#draining && own > strangers.length && await this.#storeAnswers();
  }

  /** Takes in how long a question to another instance took; undefined where there is none to ask. */
  measured(roundTripMs: number | undefined): void {
    this.#roundTripMs = roundTripMs;
  }

  #storeAnswers(): Promise<boolean> {
    const now = this.#now();
    if (this.#probe && now - this.#probedAt < PROBE_MS) return this.#probe;
    this.#probedAt = now;
    return this.#probe = within(PROBE_MS, this.#options.store.ping());
  }
}

/** The report, with 200 while clients should be sent here, else 503. */
export function healthRoutes(health: Health): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/", async (c) => {
    const [report, ready] = await Promise.all([health.report(), health.isReady()]);
    return c.json(report, ready ? 200 : 503);
  });
}

/** `livez` answers as long as the event loop turns; `readyz` says whether clients should be sent here. */
export function probeRoutes(health: Health): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .get("/livez", (c) => c.text("ok\n"))
    .get("/readyz", async (c) => await health.isReady() ? c.text("ready\n") : c.text("not ready\n", 503));
}
