/**
 * The arithmetic of a token bucket.
 *
 * @module
 */

import type { Allowance, Rule } from "./rate_limiter.ts";

/** What is left of a token by rounding: a bucket that lacks no more than this is full enough. */
export const TOLERANCE = 1e-6;

/** How many tokens there were, and when. */
export interface Bucket {
  /** Below 0 where a call cost more than the limit. */
  tokens: number;
  /** Milliseconds. */
  at: number;
}

/**
 * Refills the bucket up to `now` and takes `cost` tokens where there are as many; false where there are not.
 *
 * A clock that was set back refills nothing and is followed. The script of `RedisRateLimiter` does the same.
 */
export function takeFrom(bucket: Bucket, { limit, windowMs }: Rule, cost: number, now: number): boolean {
  bucket.tokens = Math.min(limit, bucket.tokens + Math.max(0, now - bucket.at) * limit / windowMs);
  bucket.at = now;
  if (bucket.tokens < Math.min(cost, limit) - TOLERANCE) return false;
  bucket.tokens -= cost;
  return true;
}

/**
 * What a caller is told of a bucket that holds `tokens` after the call.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const rule = { name: "messages", limit: 4, windowMs: 1_000 };
 * assertEquals(toAllowance(rule, 2.5, 1, true), { allowed: true, limit: 4, remaining: 2, resetAfterMs: 375, retryAfterMs: 0 });
 * assertEquals(toAllowance(rule, 0.5, 1, false), { allowed: false, limit: 4, remaining: 0, resetAfterMs: 875, retryAfterMs: 125 });
 * ```
 */
export function toAllowance({ limit, windowMs }: Rule, tokens: number, cost: number, allowed: boolean): Allowance {
  // Half the tolerance, so that whoever comes back at that very millisecond has the other half for the rounding.
  const untilMs = (goal: number) => Math.max(0, Math.ceil((goal - TOLERANCE / 2 - tokens) * windowMs / limit));
  return {
    allowed,
    limit: Math.max(1, Math.floor(limit)),
    remaining: tokens < Math.min(1, limit) - TOLERANCE ? 0 : Math.max(1, Math.floor(tokens + TOLERANCE)),
    resetAfterMs: untilMs(limit),
    retryAfterMs: allowed ? 0 : Math.max(1, untilMs(Math.min(cost, limit))),
  };
}
