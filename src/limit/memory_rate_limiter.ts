/**
 * Rate limits of one instance.
 *
 * @module
 */

import type { Allowance, RateLimiter, Rule } from "./rate_limiter.ts";
import { type Bucket, takeFrom, toAllowance } from "./token_bucket.ts";

/** What a {@linkcode MemoryRateLimiter} may be told. */
export interface MemoryRateLimiterOptions {
  /** Milliseconds; must not be set back, as the wall clock may be. */
  readonly now?: () => number;
  /** Buckets kept at once; beyond, the one not asked for the longest is forgotten, and its key starts with a full one. */
  readonly maxBuckets?: number;
}

interface Kept extends Bucket {
  fullAt: number;
}

/** Keeps the buckets in this instance alone and answers at once. */
export class MemoryRateLimiter implements RateLimiter {
  /** The bucket asked for last stands last. */
  readonly #buckets = new Map<string, Kept>();
  readonly #now: () => number;
  readonly #maxBuckets: number;

  constructor({ now = () => performance.now(), maxBuckets = 100_000 }: MemoryRateLimiterOptions = {}) {
    this.#now = now;
    this.#maxBuckets = maxBuckets;
  }

  /** How many buckets are kept. */
  get size(): number {
    return this.#buckets.size;
  }

  take(rule: Rule, key: string, cost = 1): Allowance {
    const now = this.#now();
    const name = `${rule.name}:${key}`;
    const kept = this.#buckets.get(name);
    const bucket = kept ?? { tokens: rule.limit, at: now, fullAt: now };
    const allowed = takeFrom(bucket, rule, cost, now);
    const allowance = toAllowance(rule, bucket.tokens, cost, allowed);
    bucket.fullAt = now + allowance.resetAfterMs;
    // Also where it refuses: a flood must not lose its bucket to a crowd.
    if (kept) this.#buckets.delete(name);
    else if (this.#buckets.size >= this.#maxBuckets) this.#forgetOldest();
    this.#buckets.set(name, bucket);
    return allowance;
  }

  sweep(): void {
    const now = this.#now();
    for (const [name, { fullAt }] of this.#buckets) if (fullAt <= now) this.#buckets.delete(name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#buckets.clear();
    return Promise.resolve();
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
