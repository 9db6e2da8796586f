/**
 * What every {@linkcode Store} keeps to when it removes what has had its time.
 *
 * @module
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  allOf,
  channelDraft,
  channelWith,
  contents,
  createChannels,
  fill,
  HOUR_MS,
  numbers,
  say,
  send,
  seqs,
  type StoreSuite,
  sweepAll,
  testsOf,
} from "./store_support.ts";

const DAY_MS = 24 * HOUR_MS;

async function searched(store: Store, text: string): Promise<string[]> {
  return contents((await store.search({ terms: [{ text, prefix: false }], limit: 100 })).messages);
}

/** Registers this part of the suite for one adapter. */
export function testStoreUpkeep(name: string, suite: StoreSuite): void {
  const { test, testWithClock } = testsOf(name, suite);

  // Retention

  test("createChannel() and updateChannel() keep how long messages stay", async (store) => {
    const channel = await store.createChannel({ ...channelDraft("a"), retentionDays: 7, retentionCount: 100 });
    assertEquals([channel.retentionDays, channel.retentionCount], [7, 100]);
    assertEquals(await store.getChannel("a"), channel);
    const { updatedAt: _, ...other } = await store.updateChannel("a", { retentionDays: 8 });
    const { updatedAt: __, ...before } = channel;
    assertEquals(other, { ...before, retentionDays: 8 });
  });

  test("updateChannel() takes a limit away with null", async (store) => {
    await store.createChannel({ ...channelDraft("a"), retentionDays: 7, retentionCount: 100 });
    const { retentionDays, retentionCount } = await store.updateChannel("a", { retentionDays: null });
    assertEquals([retentionDays, retentionCount], [undefined, 100]);
    assertFalse("retentionCount" in await store.updateChannel("a", { retentionCount: null }));
    await fill(store, "a", 101);
    await sweepAll(store);
    assertEquals((await allOf(store)).length, 101);
  });

  test("sweep() leaves as many messages as retentionCount says, the newest", async (store) => {
    await createChannels(store, ["b"]);
    await store.createChannel({ ...channelDraft("a"), retentionCount: 3 });
    await fill(store, "a", 3);
    await sweepAll(store);
    assertEquals(seqs(await allOf(store)), [1, 2, 3]);
    await fill(store, "a", 2);
    await fill(store, "b", 5);
    await sweepAll(store);
    assertEquals([seqs(await allOf(store)), seqs(await allOf(store, "b"))], [[3, 4, 5], numbers(1, 5)]);
  });

  testWithClock("sweep() removes messages that are older than retentionDays", async (store, clock) => {
    await store.createChannel({ ...channelDraft("a"), retentionDays: 2 });
    await store.createChannel(channelDraft("b"));
    await say(store, "b", "kept");
    for (const content of ["1", "2", "3"]) {
      await say(store, "a", content);
      clock.nowMs += DAY_MS;
    }
    clock.nowMs -= DAY_MS; // the first is two days old now
    await sweepAll(store);
    assertEquals(contents(await allOf(store)), ["1", "2", "3"]);
    clock.nowMs += 1;
    await sweepAll(store);
    assertEquals(contents(await allOf(store)), ["2", "3"]);
    clock.nowMs += 10 * DAY_MS;
    await sweepAll(store);
    assertEquals([await allOf(store), contents(await allOf(store, "b"))], [[], ["kept"]]);
  });

  testWithClock("sweep() removes what either limit ends", async (store, clock) => {
    await store.createChannel({ ...channelDraft("a"), retentionDays: 1, retentionCount: 3 });
    await store.createChannel({ ...channelDraft("b"), retentionDays: 1, retentionCount: 3 });
    await fill(store, "a", 2);
    clock.nowMs += 2 * DAY_MS;
    await fill(store, "a", 2);
    await fill(store, "b", 5);
    await sweepAll(store);
    assertEquals([seqs(await allOf(store)), seqs(await allOf(store, "b"))], [[3, 4], [3, 4, 5]]);
  });

  testWithClock("sweep() goes by when a message was sent, not when it was changed", async (store, clock) => {
    await store.createChannel({ ...channelDraft("a"), retentionDays: 1 });
    const { id } = await say(store, "a", "old");
    clock.nowMs += 2 * DAY_MS;
    await store.editMessage("a", id, { content: "new" });
    await sweepAll(store);
    assertEquals(await allOf(store), []);
  });

  test("sweep() leaves the head and the epoch as they are, and append() goes on from there", async (store) => {
    const { epoch } = await store.createChannel({ ...channelDraft("a"), retentionCount: 1 });
    const [first] = await fill(store, "a", 5);
    await sweepAll(store);
    const channel = await store.getChannel("a");
    assertEquals([channel.headSeq, channel.epoch], [5, epoch]);
    const { seq, id } = await say(store, "a", "next");
    assertEquals(seq, 6);
    assert(first && id > first.id);
  });

  test("history(), changes() and pins() name the highest version that was removed", async (store) => {
    await store.createChannel(channelDraft("a"));
    const [one, two] = await fill(store, "a", 4);
    assert(one && two);
    await store.editMessage("a", one.id, { content: "new" }); // 5
    await store.pin("a", two.id, true); // 6
    await store.updateChannel("a", { retentionCount: 3 });
    const purged = async () => [
      (await store.history("a", { limit: 1 })).purgedSeq,
      (await store.changes("a", { after: 0, limit: 1 })).purgedSeq,
      (await store.pins("a", { limit: 1 })).purgedSeq,
    ];
    assertEquals(await purged(), [0, 0, 0]);
    await sweepAll(store);
    assertEquals(await purged(), [5, 5, 5]);
    await store.updateChannel("a", { retentionCount: 1 });
    await sweepAll(store);
    assertEquals(await purged(), [6, 6, 6]);
    await say(store, "a", "7");
    await sweepAll(store);
    assertEquals(await purged(), [6, 6, 6]);
  });

  test("sweep() removes with a message its reactions, its pin, its words and its nonce", async (store) => {
    await store.createChannel(channelDraft("a"));
    const { id } = await send(store, { content: "word", nonce: "n" });
    const { id: kept } = await send(store, { content: "kept word", replyTo: id });
    await store.react("a", id, [{ userId: "v", emoji: "👍", on: true }]);
    await store.react("a", kept, [{ userId: "v", emoji: "👍", on: true }]);
    await store.pin("a", id, true);
    assertEquals(await searched(store, "word"), ["kept word", "word"]);
    await store.updateChannel("a", { retentionCount: 1 });
    await sweepAll(store);
    await assertRefused("not_found", () => store.getMessage("a", id));
    await assertRefused("not_found", () => store.reactors("a", id, { emoji: "👍", limit: 9 }));
    assertEquals((await store.pins("a", { limit: 9 })).messages, []);
    assertEquals(await searched(store, "word"), ["kept word"]);
    assertEquals((await store.getMessage("a", kept)).replyTo, { id });
    assertEquals((await store.reactors("a", kept, { emoji: "👍", limit: 9 })).userIds, ["v"]);
    assert((await store.append({ channelId: "a", userId: "u", content: "other", nonce: "n" })).created);
  });

  test("sweep() removes stubs too", async (store) => {
    const [one, two, three] = await channelWith(store, "1", "2", "3");
    await store.deleteMessages("a", [one.id, two.id]);
    await store.updateChannel("a", { retentionCount: 1 });
    await sweepAll(store);
    assertEquals(await allOf(store), [three]);
    assertEquals((await store.history("a", { limit: 1 })).purgedSeq, 5);
  });

  test("history() pages and finds ids where the oldest messages are gone", async (store) => {
    await store.createChannel({ ...channelDraft("a"), retentionCount: 10 });
    const all = await fill(store, "a", 25);
    await sweepAll(store);
    const [gone, kept] = [all[4], all[19]];
    assert(gone && kept);
    const page = async (cursor: object) => seqs((await store.history("a", { limit: 3, ...cursor })).messages);
    assertEquals(await page({ before: kept.id }), [17, 18, 19]);
    assertEquals(await page({ after: kept.id }), [21, 22, 23]);
    assertEquals([await page({ before: gone.id }), await page({ after: gone.id })], [[], [16, 17, 18]]);
    assertEquals(await page({ around: gone.id }), [16, 17, 18]);
    assertEquals(await store.getMessage("a", kept.id), kept);
    await assertRefused("invalid", () => send(store, { replyTo: gone.id }));
    assertEquals(await store.deleteMessages("a", [gone.id]), []);
  });

  test("sweep() comes to an end in a channel with thousands of messages too many, in steps", async (store) => {
    await store.createChannel({ ...channelDraft("a"), retentionCount: 10 });
    await fill(store, "a", 3_500);
    assert(await store.sweep());
    assert((await allOf(store)).length > 10);
    await sweepAll(store);
    assertEquals(seqs(await allOf(store)), numbers(3_491, 3_500));
    assertFalse(await store.sweep());
  });

  testWithClock(
    "sweep() comes to an end in a channel with thousands of messages too old, in steps",
    async (store, clock) => {
      await store.createChannel({ ...channelDraft("a"), retentionDays: 1 });
      await fill(store, "a", 2_500);
      clock.nowMs += 2 * DAY_MS;
      await fill(store, "a", 5);
      assert(await store.sweep());
      await sweepAll(store);
      assertEquals(seqs(await allOf(store)), numbers(2_501, 2_505));
    },
  );

  test("search() finds what is said after the newest messages of all were removed", async (store) => {
    await createChannels(store, ["a", "b"]);
    await say(store, "a", "word first");
    for (const round of numbers(1, 4)) {
      await store.createChannel(channelDraft("doomed"));
      await Promise.all(numbers(1, 30).map((n) => say(store, "doomed", `word doomed ${n}`)));
      await searched(store, "word");
      await store.deleteChannel("doomed");
      if (round % 2) await say(store, "b", `word before ${round}`);
      await sweepAll(store);
      await say(store, "b", `word after ${round}`);
      await Promise.all(numbers(1, 5 * round).map((n) => say(store, "b", `other ${n}`)));
    }
    const expected = [1, 2, 3, 4].flatMap((n) => n % 2 ? [`word before ${n}`, `word after ${n}`] : [`word after ${n}`]);
    assertEquals(await searched(store, "word"), ["word first", ...expected].toReversed());
    assertEquals(await searched(store, "doomed"), []);
    assertEquals((await searched(store, "other")).length, 50);
  });
}
