import { assert, assertEquals } from "@std/assert";
import { FailureBudget } from "../../src/auth/failure_budget.ts";

const HERE = "192.0.2.1";
const THERE = "192.0.2.2";

/** A budget with a clock that a test sets. */
function open(perMinute: number): { budget: FailureBudget; clock: { nowMs: number }; fail: (times: number) => void } {
  const clock = { nowMs: 1_000_000 };
  const budget = new FailureBudget(perMinute, () => clock.nowMs);
  const fail = (times: number) => {
    for (let time = 0; time < times; time++) budget.charge(HERE);
  };
  return { budget, clock, fail };
}

Deno.test("FailureBudget lets an address in that never failed", () => {
  assertEquals(open(3).budget.retryAfterMs(HERE), 0);
});

Deno.test("FailureBudget lets an address fail as often as the budget says, at once", () => {
  const { budget, fail } = open(3);
  fail(2);
  assertEquals(budget.retryAfterMs(HERE), 0);
  fail(1);
  assert(budget.retryAfterMs(HERE) > 0);
});

Deno.test("FailureBudget takes one try back after its share of a minute", () => {
  const { budget, clock, fail } = open(3);
  fail(3);
  assertEquals(budget.retryAfterMs(HERE), 20_000);
  clock.nowMs += 19_999;
  assertEquals(budget.retryAfterMs(HERE), 1);
  clock.nowMs += 1;
  assertEquals(budget.retryAfterMs(HERE), 0);
  fail(1);
  assertEquals(budget.retryAfterMs(HERE), 20_000);
});

Deno.test("FailureBudget has all of it back after a minute", () => {
  const { budget, clock, fail } = open(3);
  fail(3);
  clock.nowMs += 60_000;
  fail(2);
  assertEquals(budget.retryAfterMs(HERE), 0);
});

Deno.test("FailureBudget saves nothing up in quiet times", () => {
  const { budget, clock, fail } = open(3);
  fail(1);
  clock.nowMs += 86_400_000;
  fail(3);
  assertEquals(budget.retryAfterMs(HERE), 20_000);
});

Deno.test("FailureBudget goes on counting failures that were under way", () => {
  const { budget, clock, fail } = open(3);
  fail(5);
  assertEquals(budget.retryAfterMs(HERE), 60_000);
  clock.nowMs += 60_000;
  assertEquals(budget.retryAfterMs(HERE), 0);
});

Deno.test("FailureBudget asks without counting", () => {
  const { budget, fail } = open(3);
  fail(2);
  for (let times = 0; times < 100; times++) assertEquals(budget.retryAfterMs(HERE), 0);
});

Deno.test("FailureBudget keeps addresses apart", () => {
  const { budget, fail } = open(3);
  fail(100);
  assertEquals(budget.retryAfterMs(THERE), 0);
});

Deno.test("FailureBudget of 1 lets an address fail once a minute", () => {
  const { budget, fail } = open(1);
  assertEquals(budget.retryAfterMs(HERE), 0);
  fail(1);
  assertEquals(budget.retryAfterMs(HERE), 60_000);
});

Deno.test("FailureBudget of 0 counts nothing", () => {
  const { budget, fail } = open(0);
  fail(100_000);
  assertEquals(budget.retryAfterMs(HERE), 0);
});

Deno.test("FailureBudget remembers 10,000 addresses and forgets the one that failed longest ago", () => {
  const { budget, fail } = open(1);
  fail(1);
  for (let n = 1; n < 10_000; n++) budget.charge(`address ${n}`);
  assert(budget.retryAfterMs(HERE) > 0);
  budget.charge("one more");
  assertEquals(budget.retryAfterMs(HERE), 0);
  assert(budget.retryAfterMs("address 1") > 0);
});

Deno.test("FailureBudget does not forget an address that goes on failing", () => {
  const { budget, fail } = open(2);
  fail(1);
  for (let n = 1; n < 10_000; n++) budget.charge(`address ${n}`);
  fail(1);
  budget.charge("one more");
  assert(budget.retryAfterMs(HERE) > 0);
});

Deno.test("FailureBudget is not stretched by a clock that is set back", () => {
  const { now } = Date;
  const budget = new FailureBudget(60);
  for (let times = 0; times < 60; times++) budget.charge(HERE);
  try {
    Date.now = () => now() - 3_600_000;
    const ms = budget.retryAfterMs(HERE);
    assert(ms > 0 && ms <= 1_000, `${ms} ms`);
  } finally {
    Date.now = now;
  }
});
