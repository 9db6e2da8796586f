/**
 * What every {@linkcode Store} keeps to about what users have read.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { MAX_UNREAD, type ReadState, type Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  channelDraft,
  channelWith,
  createChannels,
  fill,
  numbers,
  say,
  send,
  type StoreSuite,
  testsOf,
} from "./store_support.ts";

/** The only read state of a user. */
async function stateOf(store: Store, userId: string): Promise<ReadState | undefined> {
  const { states } = await store.unread(userId, { limit: 10 });
  assertEquals(states.length, 1);
  return states[0];
}

/** Registers this part of the suite for one adapter. */
export function testStoreReads(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  test("unread() counts everything for a user who never read", async (store) => {
    await channelWith(store, "1", "2", "3");
    const state = { channelId: "a", headSeq: 3, lastReadSeq: 0, unread: 3, mentions: 0 };
    assertEquals(await store.unread("v", { limit: 10 }), { states: [state], hasMore: false });
  });

  test("markRead() resolves with what unread() then does", async (store) => {
    await channelWith(store, "1", "2", "3");
    const state = await store.markRead("a", "v", 2);
    assertEquals(state, { channelId: "a", headSeq: 3, lastReadSeq: 2, unread: 1, mentions: 0 });
    assertEquals(await stateOf(store, "v"), state);
  });

  test("markRead() takes no seq and changes no message", async (store) => {
    await channelWith(store, "1");
    const before = await store.history("a", { limit: 10 });
    await store.markRead("a", "v", 1);
    assertEquals(await store.history("a", { limit: 10 }), before);
  });

  test("markRead() takes back nothing", async (store) => {
    await channelWith(store, "1", "2", "3");
    await store.markRead("a", "v", 2);
    assertEquals((await store.markRead("a", "v", 1)).lastReadSeq, 2);
    assertEquals((await store.markRead("a", "v", 0)).lastReadSeq, 2);
    assertEquals((await store.markRead("a", "v", 3)).lastReadSeq, 3);
  });

  test("markRead() counts none above the head, so that what comes later is unread", async (store) => {
    await channelWith(store, "1", "2");
    assertEquals((await store.markRead("a", "v", 1_000_000)).lastReadSeq, 2);
    await say(store, "a", "3");
    assertEquals(await stateOf(store, "v"), { channelId: "a", headSeq: 3, lastReadSeq: 2, unread: 1, mentions: 0 });
  });

  test("markRead() in an empty channel leaves it at 0", async (store) => {
    await store.createChannel(channelDraft("a"));
    const state = await store.markRead("a", "v", 5);
    assertEquals(state, { channelId: "a", headSeq: 0, lastReadSeq: 0, unread: 0, mentions: 0 });
  });

  test("markRead() keeps users and channels apart", async (store) => {
    await createChannels(store, ["a", "b"]);
    await fill(store, "a", 3);
    await fill(store, "b", 3);
    await store.markRead("a", "v", 2);
    await store.markRead("b", "V", 3);
    const { states } = await store.unread("v", { limit: 10 });
    assertEquals(states.map(({ channelId, lastReadSeq }) => [channelId, lastReadSeq]), [["a", 2], ["b", 0]]);
  });

  test("markRead() called 30 times at once keeps the highest", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 30);
    await Promise.all(numbers(1, 30).map((n) => store.markRead("a", "v", n * 7 % 31)));
    assertEquals((await stateOf(store, "v"))?.lastReadSeq, 30);
  });

  test("markRead() rejects with not_found where there is no such channel", async (store) => {
    await createChannels(store, ["a", "b"]);
    await store.deleteChannel("b");
    await assertRefused("not_found", () => store.markRead("nowhere", "v", 1));
    await assertRefused("not_found", () => store.markRead("b", "v", 1));
  });

  test("unread() does not count a user's own messages", async (store) => {
    await channelWith(store, "1", "2");
    await send(store, { userId: "v", mentions: ["v"] });
    await send(store, { userId: "V", mentions: ["v"] });
    const { unread, mentions } = await stateOf(store, "v") ?? {};
    assertEquals([unread, mentions], [3, 1]);
  });

  test("unread() does not count deleted messages", async (store) => {
    const [one] = await channelWith(store, "1", "2");
    const { id } = await send(store, { mentions: ["v"] });
    await store.deleteMessages("a", [one.id, id]);
    const { unread, mentions } = await stateOf(store, "v") ?? {};
    assertEquals([unread, mentions], [1, 0]);
  });

  test("unread() does not count a message again that changes after it was read", async (store) => {
    const [one] = await channelWith(store, "1");
    await store.markRead("a", "v", 1);
    await store.editMessage("a", one.id, { content: "new" });
    await store.pin("a", one.id, true);
    assertEquals(await stateOf(store, "v"), { channelId: "a", headSeq: 3, lastReadSeq: 1, unread: 0, mentions: 0 });
  });

  test("unread() counts the mentions that a message has now", async (store) => {
    await channelWith(store, "1");
    const one = await send(store, { mentions: ["v"] });
    const two = await send(store, { mentions: [] });
    await store.editMessage("a", one.id, { content: "without", mentions: [] });
    await store.editMessage("a", two.id, { content: "with", mentions: ["w", "v"] });
    await send(store, { mentions: ["v", "w"] });
    assertEquals((await stateOf(store, "v"))?.mentions, 2);
    assertEquals((await store.markRead("a", "v", two.seq)).mentions, 1);
  });

  const NAMES = [
    ...["ann", "anna", "an", "a", "Ann", "nn", ","],
    ...['"', 'an"n', 'n"', '"ann"', 'x","y', "x", "y", '\\"', '","', "],["],
    ...["\\", "an\\n", "an\\\\n", "\\n", "null", "0", "%", "_", "*", "'", "😀", "é", "e\u0301", "__proto__", "[", "]"],
  ];
  test("unread() counts mentions of the very user, whatever is in the names", async (store) => {
    await store.createChannel(channelDraft("a"));
    for (const mentions of [...NAMES.map((userId) => [userId]), ["x", "y"], ["an", "nn"], NAMES]) {
      await send(store, { mentions });
    }
    for (const userId of NAMES) {
      const more = ["x", "y", "an", "nn"].includes(userId) ? 1 : 0;
      assertEquals((await stateOf(store, userId))?.mentions, 2 + more, userId);
    }
  });

  test(`unread() looks at the oldest ${MAX_UNREAD} messages after what was read`, async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", MAX_UNREAD - 1);
    await send(store, { mentions: ["v"] });
    await send(store, { mentions: ["v"] });
    const state = { channelId: "a", headSeq: MAX_UNREAD + 1 };
    assertEquals(await stateOf(store, "v"), { ...state, lastReadSeq: 0, unread: MAX_UNREAD, mentions: 1 });
    assertEquals(await store.markRead("a", "v", 1), { ...state, lastReadSeq: 1, unread: MAX_UNREAD, mentions: 2 });
    assertEquals(await store.markRead("a", "v", 2), { ...state, lastReadSeq: 2, unread: MAX_UNREAD - 1, mentions: 2 });
  });

  test("unread() lists all channels by id, page by page", async (store) => {
    const all = numbers(10, 34).map((n) => `channel-${n}`);
    await createChannels(store, all.toReversed());
    const seen: string[] = [];
    for (let [more, pages] = [true, 0]; more; pages++) {
      assert(pages < 10);
      const after = seen.at(-1);
      const { states, hasMore } = await store.unread("v", { limit: 10, ...(after === undefined ? {} : { after }) });
      seen.push(...states.map(({ channelId }) => channelId));
      more = hasMore;
    }
    assertEquals(seen, all);
  });

  test("unread() says hasMore exactly where there is more", async (store) => {
    await createChannels(store, ["a", "b", "c"]);
    const more = await Promise.all([2, 3, 4].map(async (limit) => (await store.unread("v", { limit })).hasMore));
    assertEquals(more, [true, false, false]);
  });

  test("unread() knows nothing of a deleted channel, also when it is made again", async (store) => {
    await createChannels(store, ["a", "b"]);
    await fill(store, "a", 3);
    await store.markRead("a", "v", 3);
    await store.deleteChannel("a");
    assertEquals((await store.unread("v", { limit: 10 })).states.map(({ channelId }) => channelId), ["b"]);
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 5);
    const [state] = (await store.unread("v", { limit: 10 })).states;
    assertEquals(state, { channelId: "a", headSeq: 5, lastReadSeq: 0, unread: 5, mentions: 0 });
  });
}
