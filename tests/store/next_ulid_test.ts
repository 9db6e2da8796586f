import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeTime } from "@std/ulid";
import { nextUlid } from "../../src/store/next_ulid.ts";
import { generator, newSeed } from "./support/random.ts";

const NOON = Date.UTC(2026, 0, 1, 12);
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

Deno.test("nextUlid() makes a ULID of the time where there was none before", () => {
  const id = nextUlid(undefined, NOON);
  assertMatch(id, ULID);
  assertEquals(decodeTime(id), NOON);
});

Deno.test("nextUlid() makes a ULID of the time where the clock has moved on", () => {
  assertEquals(decodeTime(nextUlid(nextUlid(undefined, NOON), NOON + 1)), NOON + 1);
});

Deno.test("nextUlid() adds one where the clock stands still", () => {
  const last = "01KDWDQEG00000000000000000";
  assertEquals(nextUlid(last, decodeTime(last)), "01KDWDQEG00000000000000001");
});

Deno.test("nextUlid() adds one where the clock runs backwards", () => {
  const last = "01KDWDQEG00000000000000000";
  assertEquals(nextUlid(last, decodeTime(last) - 3_600_000), "01KDWDQEG00000000000000001");
});

Deno.test("nextUlid() leaves out the letters that a ULID does not have", () => {
  const last = "01KDWDQEG0000000000000000";
  const pairs = ["9A", "HJ", "KM", "NP", "TV", "YZ"];
  assertEquals(pairs.map((pair) => nextUlid(last + pair.charAt(0), 0)), pairs.map((pair) => last + pair.charAt(1)));
});

Deno.test("nextUlid() carries over any number of places", () => {
  assertEquals(nextUlid("01KDWDQEG0000000000000000Z", 0), "01KDWDQEG00000000000000010");
  assertEquals(nextUlid("01KDWDQEG0ABCDEFZZZZZZZZZZ", 0), "01KDWDQEG0ABCDEG0000000000");
});

Deno.test("nextUlid() carries a full random part into the time", () => {
  const next = nextUlid("01KDWDQEG0ZZZZZZZZZZZZZZZZ", 0);
  assertEquals(next, "01KDWDQEG10000000000000000");
  assertEquals(decodeTime(next), decodeTime("01KDWDQEG0ZZZZZZZZZZZZZZZZ") + 1);
});

Deno.test("nextUlid() makes ids that are ULIDs, rise, and never go back in time, whatever the clock does", () => {
  const seed = newSeed();
  const random = generator(seed);
  for (let run = 0; run < 100; run++) {
    let nowMs = random(2) === 0 ? 0 : NOON + random(1_000);
    let last = random(2) === 0 ? nextUlid(undefined, nowMs) : `01KDWDQEG0${"0Z".charAt(random(2)).repeat(16)}`;
    for (let n = 0; n < 100; n++) {
      nowMs = Math.max(0, nowMs + ([0, 0, 1, 50, 3_600_000, -1, -3_600_000][random(7)] ?? 0));
      const told = `seed ${seed}, run ${run}: ${last} at ${nowMs}`;
      const next = nextUlid(last, nowMs);
      assertMatch(next, ULID, told);
      assert(next > last, told);
      assert(decodeTime(next) >= decodeTime(last), told);
      last = next;
    }
  }
});
