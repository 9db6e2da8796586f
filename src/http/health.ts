/**
 * `GET /api/health`: whether this instance can do its work, for load balancers and people.
 *
 * @module
 */

import { Hono } from "hono";
import { within } from "../deadline.ts";
import type { Store } from "../store/store.ts";
import type { AppEnv } from "./context.ts";

/** What a {@linkcode Health} looks at. */
export interface HealthOptions {
  readonly store: Store;
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
}

/** Asks the store at most once a second, by a write: a disk that is full or read-only shows before somebody's message meets it. */
export class Health {
  readonly #options: HealthOptions;
  readonly #now: () => number;
  readonly #startedAt: number;
  #probe: Promise<boolean> | undefined;
  #probedAt = 0;
  #draining = false;

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
    const { node, version } = this.#options;
    const ok = await this.#storeAnswers();
    return {
      status: this.#draining ? "draining" : ok ? "healthy" : "degraded",
      node,
      connected_nodes: [],
      uptime: this.#now() - this.#startedAt,
      version,
      store: ok ? "ok" : "failing",
    };
  }

  #storeAnswers(): Promise<boolean> {
    const now = this.#now();
    if (this.#probe && now - this.#probedAt < PROBE_MS) return this.#probe;
    this.#probedAt = now;
    return this.#probe = within(PROBE_MS, this.#options.store.ping());
  }
}

/** 200 while healthy, else 503 with the same body. */
export function healthRoutes(health: Health): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/", async (c) => {
    const report = await health.report();
    return c.json(report, report.status === "healthy" ? 200 : 503);
  });
}
