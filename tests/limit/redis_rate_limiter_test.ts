import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual, assertRejects } from "@std/assert";
import { createClient } from "redis";
import type { Allowance, Rule } from "../../src/limit/rate_limiter.ts";
import { RedisRateLimiter, type RedisRateLimiterOptions } from "../../src/limit/redis_rate_limiter.ts";
import { testRateLimiter } from "../conformance/rate_limiter.ts";
import { eventually } from "../support/eventually.ts";
import { inTime } from "../support/in_time.ts";
import { RedisServer } from "../support/redis_server.ts";

/** Longer than a busy machine takes: what is not about the deadline must not meet it. */
const PATIENT = { instances: () => 1_000, deadlineMs: 10_000 };

testRateLimiter("RedisRateLimiter", {
  async open() {
    const server = await RedisServer.start();
    const limiters = [await openOn(server), await openOn(server)] as const;
    return {
      limiters: [...limiters],
      now: () => performance.now(),
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, Math.ceil(ms))),
      async [Symbol.asyncDispose]() {
        for (const limiter of limiters) await limiter[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});

/** Twelve tokens that are not refilled while a test runs. */
const RULE: Rule = { name: "messages", limit: 12, windowMs: 12 * 3_600_000 };

async function openOn({ url }: { url: string }, options: Partial<RedisRateLimiterOptions> = {}) {
  const limiter = await RedisRateLimiter.open({ url, ...PATIENT, ...options });
  assert(limiter.available);
  return limiter;
}

async function until(limiter: RedisRateLimiter, available: boolean): Promise<void> {
  await eventually(async () => {
    await limiter.take(RULE, "anybody", 0);
    return limiter.available === available;
  }, 20_000);
}

async function allowed(limiter: RedisRateLimiter, key: string, calls: number): Promise<number> {
  const taken = await Promise.all(Array.from({ length: calls }, () => limiter.take(RULE, key)));
  return taken.filter(({ allowed }) => allowed).length;
}

async function command(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

Deno.test("RedisRateLimiter take() takes of the bucket that other instances take of", async () => {
  await using server = await RedisServer.start();
  await using one = await openOn(server);
  await using two = await openOn(server);
  const counts = await Promise.all([allowed(one, "a", 10), allowed(two, "a", 10)]);
  assertEquals(counts.reduce((sum, count) => sum + count), 12);
  assertEquals((await one.take(RULE, "a", 0)).remaining, 0);
  assertEquals((await two.take(RULE, "a", 0)).remaining, 0);
});

Deno.test("RedisRateLimiter take() keeps a key under its prefix that is gone when the bucket is full", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { prefix: "p:" });
  const { resetAfterMs } = await limiter.take(RULE, "a b");
  assertEquals(await command(server.url, "KEYS", "*"), ["p:messages:a b"]);
  const left = Number(await command(server.url, "PTTL", "p:messages:a b"));
  assertLessOrEqual(left, resetAfterMs);
  assertGreater(left, resetAfterMs - 60_000);
  await limiter.take({ name: "quick", limit: 1, windowMs: 50 }, "a");
  await eventually(async () => await command(server.url, "EXISTS", "p:quick:a") === 0);
});

Deno.test("RedisRateLimiter take() writes nothing where it only looks or refuses", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { prefix: "" });
  await limiter.take(RULE, "a", 0);
  assertEquals(await command(server.url, "DBSIZE"), 0);
  await limiter.take(RULE, "a", 12);
  const written = await command(server.url, "HGETALL", "messages:a");
  await limiter.take(RULE, "a", 0);
  assert(!(await limiter.take(RULE, "a")).allowed);
  assertEquals(await command(server.url, "HGETALL", "messages:a"), written);
});

Deno.test("RedisRateLimiter take() follows a server's clock that was set back", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { prefix: "" });
  const inAnHour = String((Date.now() + 3_600_000) * 1_000);
  await command(server.url, "HSET", "messages:a", "tokens", "0.5", "at", inAnHour);
  const rule = { ...RULE, windowMs: 1_200 };
  const { allowed, retryAfterMs } = await limiter.take(rule, "a");
  assertEquals([allowed, retryAfterMs], [false, 50]);
  await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
  assert((await limiter.take(rule, "a")).allowed);
});

Deno.test("RedisRateLimiter take() answers with this instance's part of the limit while Redis is down, and goes back", async () => {
  await using server = await RedisServer.start();
  const changes: boolean[] = [];
  const instances = { count: 3 };
  await using limiter = await openOn(server, {
    instances: () => instances.count,
    onChange: (available) => changes.push(available),
  });
  assertEquals(await allowed(limiter, "a", 5), 5);
  await server.crash();
  await until(limiter, false);
  assertEquals(await allowed(limiter, "a", 20), 4);
  instances.count = 24;
  assertEquals(await allowed(limiter, "b", 20), 1);
  const refused = await limiter.take(RULE, "a");
  assertEquals([refused.allowed, refused.remaining], [false, 0]);
  await server.restart();
  await until(limiter, true);
  assertEquals(await allowed(limiter, "a", 20), 12);
  assertEquals(changes, [true, false, true]);
});

Deno.test("RedisRateLimiter take() answers every call that was under way when Redis crashed, in order", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { instances: () => 3 });
  server.freeze();
  const answered: number[] = [];
  const calls = Array.from({ length: 20 }, async (_, n): Promise<Allowance> => {
    const allowance = await limiter.take(RULE, "a");
    answered.push(n);
    return allowance;
  });
  await server.crash();
  const taken = await inTime(Promise.all(calls), () => "calls were not answered");
  assertEquals(taken.filter(({ allowed }) => allowed).length, 4);
  assertEquals(answered, Array.from({ length: 20 }, (_, n) => n));
});

Deno.test("RedisRateLimiter take() waits for a frozen Redis once, and uses it again when it goes on", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { instances: () => 3, deadlineMs: 200 });
  // A busy machine may have made Redis late before it was frozen.
  await until(limiter, true);
  server.freeze();
  const begin = performance.now();
  const answered: number[] = [];
  const call = async (n: number) => {
    const { allowed } = await limiter.take(RULE, "a");
    answered.push(n);
    return allowed;
  };
  const first = [call(0), call(1)];
  const later = [...await Promise.all(first), ...await Promise.all([call(2), call(3), call(4), call(5)])];
  assertLess(performance.now() - begin, 2_000);
  assertEquals(answered, [0, 1, 2, 3, 4, 5]);
  assertEquals(later, [true, true, true, true, false, false]);
  assert(!limiter.available);
  server.thaw();
  await until(limiter, true);
});

Deno.test("RedisRateLimiter take() answers earlier calls first where a call is made just after Redis was given up", async () => {
  await using server = await RedisServer.start();
  const answered: string[] = [];
  const late: Promise<unknown>[] = [];
  const call = async (name: string) => {
    await limiter.take(RULE, "a");
    answered.push(name);
  };
  await using limiter = await openOn(server, {
    deadlineMs: 200,
    onChange: (available) => {
      if (!available && late.length === 0) late.push(call("late"));
    },
  });
  await until(limiter, true);
  late.length = 0;
  answered.length = 0;
  server.freeze();
  await Promise.all([call("first"), call("second")]);
  await Promise.all(late);
  assertEquals(answered, ["first", "second", "late"]);
});

Deno.test("RedisRateLimiter take() does not take it for Redis being late when this instance stands still", async () => {
  await using server = await RedisServer.start();
  const changes: boolean[] = [];
  await using limiter = await openOn(server, { deadlineMs: 1_000, onChange: (available) => changes.push(available) });
  const call = limiter.take(RULE, "a");
  const begin = performance.now();
  while (performance.now() - begin < 1_500);
  assertEquals((await call).remaining, 11);
  assertEquals(changes, [true]);
});

Deno.test("RedisRateLimiter take() works again by itself when the server has forgotten the script", async () => {
  await using server = await RedisServer.start();
  await using limiter = await openOn(server, { instances: () => 3 });
  await command(server.url, "SCRIPT", "FLUSH");
  assertEquals((await limiter.take(RULE, "a")).remaining, 3);
  await until(limiter, true);
  assertEquals((await limiter.take(RULE, "a")).remaining, 11);
});

Deno.test("RedisRateLimiter open() resolves without Redis, which it uses once it is there", async () => {
  await using server = await RedisServer.start();
  await server.crash();
  await using limiter = await RedisRateLimiter.open({ url: server.url, ...PATIENT, instances: () => 4 });
  assert(!limiter.available);
  assertEquals(await allowed(limiter, "a", 20), 3);
  await server.restart();
  await until(limiter, true);
  assertEquals(await allowed(limiter, "a", 20), 12);
});

Deno.test("RedisRateLimiter open() rejects where the URL is none of Redis", async () => {
  await assertRejects(() => RedisRateLimiter.open({ url: "http://127.0.0.1:1", instances: () => 1 }), TypeError);
});

Deno.test("RedisRateLimiter leaves nothing behind when it is closed while Redis is frozen", async () => {
  await using server = await RedisServer.start();
  const limiter = await openOn(server, { instances: () => 3 });
  server.freeze();
  const call = limiter.take(RULE, "a");
  await inTime(limiter[Symbol.asyncDispose](), () => "the limiter did not close");
  assertEquals((await inTime(call, () => "the call was not answered")).remaining, 3);
  assertEquals((await limiter.take(RULE, "a")).remaining, 3);
});
