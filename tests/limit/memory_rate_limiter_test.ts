import { assert, assertEquals } from "@std/assert";
import { MemoryRateLimiter } from "../../src/limit/memory_rate_limiter.ts";
import type { Rule } from "../../src/limit/rate_limiter.ts";
import { testRateLimiter } from "../conformance/rate_limiter.ts";
import { chance, seed } from "../support/chance.ts";

testRateLimiter("MemoryRateLimiter", {
  open() {
    const clock = { nowMs: 1_000.25 };
    const limiter = new MemoryRateLimiter({ now: () => clock.nowMs });
    return Promise.resolve({
      limiters: [limiter],
      now: () => clock.nowMs,
      pass: (ms) => Promise.resolve(void (clock.nowMs += ms)),
      [Symbol.asyncDispose]: () => limiter[Symbol.asyncDispose](),
    });
  },
});

/** Four tokens, one every 250 ms. */
const RULE: Rule = { name: "messages", limit: 4, windowMs: 1_000 };

function open(maxBuckets?: number): { limiter: MemoryRateLimiter; clock: { nowMs: number } } {
  const clock = { nowMs: 1_000 };
  const limiter = new MemoryRateLimiter({
    now: () => clock.nowMs,
    ...(maxBuckets === undefined ? {} : { maxBuckets }),
  });
  return { limiter, clock };
}

Deno.test("MemoryRateLimiter take() answers at once", () => {
  assertEquals(open().limiter.take(RULE, "a"), {
    allowed: true,
    limit: 4,
    remaining: 3,
    resetAfterMs: 250,
    retryAfterMs: 0,
  });
});

Deno.test("MemoryRateLimiter take() refuses a millisecond before retryAfterMs and allows then", () => {
  const { limiter, clock } = open();
  limiter.take(RULE, "a", 4);
  clock.nowMs += 100;
  assertEquals(limiter.take(RULE, "a").retryAfterMs, 150);
  clock.nowMs += 149;
  assertEquals(limiter.take(RULE, "a").retryAfterMs, 1);
  clock.nowMs += 1;
  assert(limiter.take(RULE, "a").allowed);
});

Deno.test(`MemoryRateLimiter take() keeps its promises to the millisecond (TEST_SEED=${seed})`, () => {
  const random = chance();
  for (let round = 0; round < 300; round++) {
    const { limiter, clock } = open();
    const rule = { name: "r", limit: random(1, 100), windowMs: random(1, 100_000) };
    for (let call = 0; call < 60; call++) {
      const cost = random(1, rule.limit);
      const { allowed, remaining, retryAfterMs, resetAfterMs } = limiter.take(rule, "a", cost);
      const about = `seed ${seed}, ${JSON.stringify({ rule, cost, call })}`;
      if (!allowed) {
        clock.nowMs += retryAfterMs - 1;
        // Rounding leaves a millisecond of a slow bucket, and all of a quick one's.
        if (rule.limit / rule.windowMs < 0.1) assert(!limiter.take(rule, "a", cost).allowed, about);
        clock.nowMs += 1;
        assert(limiter.take(rule, "a", cost).allowed, about);
      } else if (remaining > 0 && random(0, 1) === 0) {
        assert(limiter.take(rule, "a", remaining).allowed, about);
        assert(!limiter.take(rule, "a").allowed, about);
      } else if (random(0, 3) === 0) {
        clock.nowMs += resetAfterMs;
        assertEquals(limiter.take(rule, "a", 0).remaining, rule.limit, about);
      } else clock.nowMs += random(0, 3_000) / 7;
    }
  }
});

Deno.test("MemoryRateLimiter take() gains and loses nothing over a million calls", () => {
  const { limiter, clock } = open();
  const rule = { name: "r", limit: 7, windowMs: 1_100 };
  let taken = 0;
  for (let call = 0; call < 1_000_000; call++) {
    clock.nowMs += 13.7;
    if (limiter.take(rule, "a").allowed) taken++;
  }
  assertEquals(taken, 7 + Math.floor((1_000_000 - 1) * 13.7 * 7 / 1_100));
});

Deno.test("MemoryRateLimiter take() follows a clock that was set back", () => {
  const { limiter, clock } = open();
  limiter.take(RULE, "a", 4);
  clock.nowMs -= 900;
  assertEquals(limiter.take(RULE, "a").retryAfterMs, 250);
  clock.nowMs += 250;
  assert(limiter.take(RULE, "a").allowed);
});

Deno.test("MemoryRateLimiter take() with a limit below 1 allows one call from a full bucket and keeps the rate", () => {
  const { limiter, clock } = open();
  const rule = { name: "r", limit: 0.25, windowMs: 1_000 };
  assertEquals(limiter.take(rule, "a", 0), {
    allowed: true,
    limit: 1,
    remaining: 1,
    resetAfterMs: 0,
    retryAfterMs: 0,
  });
  assert(limiter.take(rule, "a").allowed);
  assertEquals(limiter.take(rule, "a").retryAfterMs, 4_000);
  clock.nowMs += 4_000;
  assert(limiter.take(rule, "a").allowed);
});

Deno.test("MemoryRateLimiter sweep() forgets the buckets that are full", () => {
  const { limiter, clock } = open();
  limiter.take(RULE, "a");
  limiter.take(RULE, "b", 2);
  clock.nowMs += 250;
  limiter.sweep();
  assertEquals(limiter.size, 1);
  clock.nowMs += 250;
  limiter.sweep();
  assertEquals(limiter.size, 0);
});

Deno.test("MemoryRateLimiter keeps no more buckets than it may, and at least half of them", () => {
  const { limiter } = open(100);
  for (let key = 0; key < 1_000; key++) {
    limiter.take(RULE, `${key}`);
    if (key > 100) assert(limiter.size <= 100 && limiter.size >= 50);
  }
});

Deno.test("MemoryRateLimiter remembers whoever was among the last half to ask", () => {
  const { limiter } = open(100);
  limiter.take(RULE, "flood", 4);
  for (let key = 0; key < 1_000; key++) {
    limiter.take(RULE, `${key}`);
    if (key % 49 === 0) assert(!limiter.take(RULE, "flood").allowed);
  }
});

Deno.test("MemoryRateLimiter forgets the buckets not asked for the longest where there are too many", () => {
  const { limiter } = open(4);
  for (const key of ["a", "b", "c", "d"]) limiter.take(RULE, key, 4);
  assert(!limiter.take(RULE, "b").allowed);
  limiter.take(RULE, "e");
  assertEquals(["b", "d", "a"].map((key) => limiter.take(RULE, key).allowed), [false, false, true]);
});
