/**
 * How an answer tells its client of a rate limit.
 *
 * @module
 */

import type { Allowance, Rule } from "../limit/rate_limiter.ts";

/**
 * The headers for an allowance under a rule: `X-RateLimit-Limit`, `-Remaining`, `-Reset` (Unix seconds), `-Reset-After` (seconds), both with
 * decimals, and `-Bucket` (the rule's name); where it was refused also `Retry-After`, in whole seconds, rounded up.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const allowance = { allowed: false, limit: 5, remaining: 0, resetAfterMs: 4_250, retryAfterMs: 250 };
 * assertEquals(rateLimitHeaders({ name: "messages" }, allowance, 1_700_000_000_000), {
 *   "X-RateLimit-Limit": "5",
 *   "X-RateLimit-Remaining": "0",
 *   "X-RateLimit-Reset": "1700000004.250",
 *   "X-RateLimit-Reset-After": "4.250",
 *   "X-RateLimit-Bucket": "messages",
 *   "Retry-After": "1",
 * });
 * ```
 */
export function rateLimitHeaders(
  { name }: Pick<Rule, "name">,
  { allowed, limit, remaining, resetAfterMs, retryAfterMs }: Allowance,
  nowMs = Date.now(),
): Record<string, string> {
  return {
    "X-RateLimit-Limit": String(limit),
    "X-RateLimit-Remaining": String(remaining),
    "X-RateLimit-Reset": seconds(nowMs + resetAfterMs),
    "X-RateLimit-Reset-After": seconds(resetAfterMs),
    "X-RateLimit-Bucket": name,
    ...(allowed ? {} : { "Retry-After": String(Math.ceil(retryAfterMs / 1_000)) }),
  };
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
