/**
 * What every {@linkcode RateLimiter} keeps to, wherever its buckets are.
 *
 * @module
 */

import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import type { Allowance, RateLimiter, Rule } from "../../src/limit/rate_limiter.ts";
import { chance, seed } from "../support/chance.ts";

/** Limiters on the same buckets, closed together. */
export interface OpenedLimiters extends AsyncDisposable {
  /** At least one. */
  readonly limiters: readonly [RateLimiter, ...RateLimiter[]];
  /** Milliseconds by a clock that runs as the limiters' own. */
  readonly now: () => number;
  /** Lets time pass. */
  readonly pass: (ms: number) => Promise<void>;
}

/** How the suite gets at an adapter. */
export interface RateLimiterSuite {
  /** Opens limiters without any buckets. */
  readonly open: () => Promise<OpenedLimiters>;
}

const HOUR_MS = 3_600_000;

/** A rule whose bucket is not refilled while a test runs. */
function slow(limit: number): Rule {
  return { name: "slow", limit, windowMs: HOUR_MS * limit };
}

/** Registers the suite for one adapter; `name` begins the name of each test. */
export function testRateLimiter(name: string, { open }: RateLimiterSuite): void {
  function test(behaviour: string, run: (opened: OpenedLimiters) => Promise<void>): void {
    Deno.test(`${name} ${behaviour}`, async () => {
      await using opened = await open();
      await run(opened);
    });
  }

  // Taking

  test("take() allows as many as the limit says, at once, and tells how many remain", async ({ limiters }) => {
    const taken = await times(4, () => limiters[0].take(slow(3), "a"));
    assertEquals(taken.map(({ allowed, remaining }) => [allowed, remaining]), [
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    assert(taken.every(({ limit }) => limit === 3));
  });

  test("take() answers in the order of the calls where they are made at once", async ({ limiters }) => {
    const answered: number[] = [];
    await Promise.all(Array.from({ length: 50 }, async (_, n) => {
      await limiters[0].take(slow(20), `${n % 3}`);
      answered.push(n);
    }));
    assertEquals(answered, Array.from({ length: 50 }, (_, n) => n));
  });

  test("take() tells keys apart", async ({ limiters }) => {
    await limiters[0].take(slow(1), "a");
    assert((await limiters[0].take(slow(1), "A")).allowed);
    assert((await limiters[0].take(slow(1), "")).allowed);
    assert((await limiters[0].take(slow(1), "ключ 🔑 \u0000\n")).allowed);
    assert(!(await limiters[0].take(slow(1), "a")).allowed);
  });

  test("take() tells rules of other names apart", async ({ limiters }) => {
    await limiters[0].take(slow(1), "a");
    assert((await limiters[0].take({ ...slow(1), name: "other" }, "a")).allowed);
  });

  test("take() takes nothing where it refuses", async ({ limiters }) => {
    await limiters[0].take(slow(3), "a");
    assertEquals((await limiters[0].take(slow(3), "a", 3)).allowed, false);
    assertEquals((await limiters[0].take(slow(3), "a", 2)).allowed, true);
  });

  test("take() takes the cost", async ({ limiters }) => {
    assertEquals((await limiters[0].take(slow(10), "a", 7)).remaining, 3);
    assertEquals((await limiters[0].take(slow(10), "a", 4)).allowed, false);
    assertEquals((await limiters[0].take(slow(10), "a", 3)).remaining, 0);
  });

  test("take() with a cost of 0 looks and takes nothing", async ({ limiters }) => {
    assertEquals((await limiters[0].take(slow(2), "a", 0)).remaining, 2);
    await times(2, () => limiters[0].take(slow(2), "a"));
    const { allowed, remaining } = await limiters[0].take(slow(2), "a", 0);
    assertEquals([allowed, remaining], [true, 0]);
  });

  test("take() allows a cost above the limit from a full bucket, which then owes the rest", async ({ limiters }) => {
    const large = await limiters[0].take(slow(2), "a", 5);
    assertEquals([large.allowed, large.remaining], [true, 0]);
    const next = await limiters[0].take(slow(2), "a");
    assertEquals([next.allowed, Math.round(next.retryAfterMs / HOUR_MS)], [false, 4]);
  });

  test("take() refuses a cost above the limit where the bucket is not full", async ({ limiters }) => {
    await limiters[0].take(slow(2), "a");
    const { allowed, retryAfterMs } = await limiters[0].take(slow(2), "a", 5);
    assertEquals([allowed, Math.round(retryAfterMs / HOUR_MS)], [false, 1]);
  });

  test("take() holds what is in the bucket against a rule that was changed", async ({ limiters }) => {
    await times(3, () => limiters[0].take(slow(10), "a"));
    assertEquals((await limiters[0].take(slow(5), "a")).remaining, 4);
    assertEquals((await limiters[0].take(slow(10), "a")).remaining, 3);
  });

  // Time

  test("take() allows after retryAfterMs what it refused", async ({ limiters, pass }) => {
    const random = chance();
    for (let round = 0; round < 12; round++) {
      const rule = { name: `r${round}`, limit: random(1, 9), windowMs: random(20, 300) };
      const cost = random(1, rule.limit);
      const refused = await refusal(limiters[0], rule, "a", cost);
      assertGreaterOrEqual(refused.retryAfterMs, 1);
      await pass(refused.retryAfterMs);
      assert((await limiters[0].take(rule, "a", cost)).allowed, `seed ${seed}, ${JSON.stringify({ rule, cost })}`);
    }
  });

  test("take() finds a full bucket after resetAfterMs", async ({ limiters, pass }) => {
    const random = chance();
    for (let round = 0; round < 12; round++) {
      const rule = { name: `r${round}`, limit: random(1, 9), windowMs: random(20, 200) };
      const { resetAfterMs } = await limiters[0].take(rule, "a", random(1, rule.limit));
      await pass(resetAfterMs);
      const { allowed, remaining, resetAfterMs: after } = await limiters[0].take(rule, "a", 0);
      assertEquals([allowed, remaining, after], [true, rule.limit, 0], `seed ${seed}, ${JSON.stringify(rule)}`);
    }
  });

  test("take() allows as many calls as remaining said, and says when the bucket is full", async ({ limiters }) => {
    const rule = slow(7);
    const { remaining, resetAfterMs } = await limiters[0].take(rule, "a", 3);
    assertEquals([remaining, Math.round(resetAfterMs / HOUR_MS)], [4, 3]);
    const taken = await times(remaining + 1, () => limiters[0].take(rule, "a"));
    assertEquals(taken.map(({ allowed }) => allowed), [true, true, true, true, false]);
    assertEquals(taken.map(({ retryAfterMs }) => Math.round(retryAfterMs / HOUR_MS)), [0, 0, 0, 0, 1]);
  });

  test("take() saves nothing up beyond the limit", async ({ limiters, pass }) => {
    const rule = { name: "quick", limit: 2, windowMs: 20 };
    await limiters[0].take(rule, "a");
    await pass(200);
    assertEquals((await limiters[0].take(rule, "a", 0)).remaining, 2);
  });

  test("take() never allows more than the limit and what was refilled, whatever the order of calls", async (opened) => {
    const { limiters, now, pass } = opened;
    const random = chance();
    for (let round = 0; round < 6; round++) {
      const rule = { name: `r${round}`, limit: random(1, 20), windowMs: random(20, 400) };
      const begin = now();
      let taken = 0;
      for (let burst = 0; burst < 8; burst++) {
        await Promise.all(Array.from({ length: random(1, 30) }, async () => {
          const cost = random(0, rule.limit);
          const limiter = limiters[random(0, limiters.length - 1)] ?? limiters[0];
          if ((await limiter.take(rule, "a", cost)).allowed) taken += cost;
        }));
        const most = rule.limit + (now() - begin) * rule.limit / rule.windowMs;
        assertLessOrEqual(taken, most + 1e-3, `seed ${seed}, ${JSON.stringify(rule)}`);
        await pass(random(0, 40));
      }
    }
  });

  test("sweep() forgets no bucket that is not full", async ({ limiters }) => {
    await limiters[0].take(slow(1), "a");
    limiters[0].sweep();
    assert(!(await limiters[0].take(slow(1), "a")).allowed);
  });
}

/** The outcomes of calls one after another. */
async function times(count: number, call: () => Allowance | Promise<Allowance>): Promise<Allowance[]> {
  const outcomes: Allowance[] = [];
  for (let n = 0; n < count; n++) outcomes.push(await call());
  return outcomes;
}

/** Takes until nothing is left. */
async function refusal(limiter: RateLimiter, rule: Rule, key: string, cost: number): Promise<Allowance> {
  for (;;) {
    const burst = await Promise.all(Array.from({ length: 10 }, () => limiter.take(rule, key, cost)));
    const refused = burst.find(({ allowed }) => !allowed);
    if (refused) return burst.findLast(({ allowed }) => !allowed) ?? refused;
  }
}
