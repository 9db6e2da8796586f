import { assertEquals } from "@std/assert";
import { rateLimitHeaders } from "../../src/http/rate_limit_headers.ts";

const RULE = { name: "messages", limit: 10, windowMs: 10_000 };
const NOW = 1_700_000_000_123;

Deno.test("rateLimitHeaders() tells of a call that was allowed, without Retry-After", () => {
  const allowance = { allowed: true, limit: 10, remaining: 7, resetAfterMs: 2_345, retryAfterMs: 0 };
  assertEquals(rateLimitHeaders(RULE, allowance, NOW), {
    "X-RateLimit-Limit": "10",
    "X-RateLimit-Remaining": "7",
    "X-RateLimit-Reset": "1700000002.468",
    "X-RateLimit-Reset-After": "2.345",
    "X-RateLimit-Bucket": "messages",
  });
});

Deno.test("rateLimitHeaders() rounds Retry-After up to whole seconds", () => {
  const retryAfter = (retryAfterMs: number) =>
    rateLimitHeaders(RULE, { allowed: false, limit: 10, remaining: 0, resetAfterMs: 0, retryAfterMs })["Retry-After"];
  assertEquals([1, 999, 1_000, 1_001, 60_000].map(retryAfter), ["1", "1", "1", "2", "60"]);
});

Deno.test("rateLimitHeaders() makes headers that a Response takes", () => {
  const allowance = { allowed: false, limit: 1, remaining: 0, resetAfterMs: 0, retryAfterMs: 1 };
  assertEquals([...new Headers(rateLimitHeaders(RULE, allowance))].length, 6);
});
