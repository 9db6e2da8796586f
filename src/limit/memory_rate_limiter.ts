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
  /** Buckets kept at once, at least 2; where there are too many, up to half are forgotten, those not asked for the longest: their keys start with full ones. */
  readonly maxBuckets?: number;
}

interface Kept extends Bucket {
  fullAt: number;
}

/** Keeps the buckets in this instance alone and answers at once. */
export class MemoryRateLimiter implements RateLimiter {
  // Two halves and not one map in the order of use: a map that much is deleted from and added to becomes slow, at its limit very much so.
  #recent = new Map<string, Kept>();
  #older = new Map<string, Kept>();
  readonly #now: () => number;
  readonly #half: number;

  constructor({ now = () => performance.now(), maxBuckets = 100_000 }: MemoryRateLimiterOptions = {}) {
    this.#now = now;
    this.#half = Math.max(1, Math.floor(maxBuckets / 2));
  }

  /** How many buckets are kept. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  take(rule: Rule, key: string, cost = 1): Allowance {
    const now = this.#now();
    const bucket = this.#bucket(`${rule.name}:${key}`, rule, now);
    const allowed = takeFrom(bucket, rule, cost, now);
    const allowance = toAllowance(rule, bucket.tokens, cost, allowed);
    bucket.fullAt = now + allowance.resetAfterMs;
    return allowance;
  }

  sweep(): void {
    const now = this.#now();
    for (const half of [this.#recent, this.#older]) {
      for (const [name, { fullAt }] of half) if (fullAt <= now) half.delete(name);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#recent.clear();
    this.#older.clear();
    return Promise.resolve();
  }

  /** The bucket, from now on among those asked for lately, also where it will refuse: a flood must not lose its bucket to a crowd. */
  #bucket(name: string, rule: Rule, now: number): Kept {
    const recent = this.#recent.get(name);
    if (recent) return recent;
    const older = this.#older.get(name);
    if (older) this.#older.delete(name);
    if (this.#recent.size >= this.#half) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    const bucket = older ?? { tokens: rule.limit, at: now, fullAt: now };
    this.#recent.set(name, bucket);
    return bucket;
  }
}
