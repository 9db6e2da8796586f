/**
 * What every {@linkcode Store} keeps to, whatever it is made of.
 *
 * @module
 */

import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import type { Channel, HistoryQuery, Message, Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { generator, newSeed } from "../store/support/random.ts";
import { testStoreChanges } from "./store_changes.ts";
import { testStoreErasure } from "./store_erasure.ts";
import { testStoreMessages } from "./store_messages.ts";
import { testStorePins } from "./store_pins.ts";
import { testStoreReactions } from "./store_reactions.ts";
import { testStoreReads } from "./store_reads.ts";
import { testStoreReplies } from "./store_replies.ts";
import { testStoreSearch } from "./store_search.ts";
import { testStoreSearchTerms } from "./store_search_terms.ts";
import {
  after,
  appendUntilDisposed,
  channelDraft,
  contents,
  createChannels,
  fill,
  HOUR_MS,
  messageDraft,
  NOON,
  numbers,
  say,
  seqs,
  type StoreSuite,
  testsOf,
} from "./store_support.ts";
import { testStoreUpkeep } from "./store_upkeep.ts";

export type { OpenedStore, StoreSuite } from "./store_support.ts";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** Registers the suite for one adapter; `name` begins the name of each test. */
export function testStore(name: string, suite: StoreSuite): void {
  const { test, testWithClock } = testsOf(name, suite);
  testStoreMessages(name, suite);
  testStoreReplies(name, suite);
  testStoreReactions(name, suite);
  testStorePins(name, suite);
  testStoreChanges(name, suite);
  testStoreReads(name, suite);
  testStoreSearch(name, suite);
  testStoreSearchTerms(name, suite);
  testStoreUpkeep(name, suite);
  testStoreErasure(name, suite);

  // Channels

  test("identity() is the same each time", async (store) => {
    const identity = await store.identity();
    assertNotEquals(identity, "");
    assertEquals(await store.identity(), identity);
  });

  test("createChannel() resolves with a channel in which nothing was said", async (store) => {
    const { epoch, createdAt, updatedAt, ...channel } = await store.createChannel({
      id: "a",
      name: "The A",
      description: "All about A",
    });
    assertEquals(channel, { id: "a", name: "The A", description: "All about A", headSeq: 0 });
    assertNotEquals(epoch, "");
    assertEquals(updatedAt, createdAt);
  });

  test("createChannel() rejects with conflict where the id is taken and leaves the channel as it is", async (store) => {
    const channel = await store.createChannel(channelDraft("a"));
    await assertRefused("conflict", () => store.createChannel({ id: "a", name: "other", description: "other" }));
    assertEquals(await store.getChannel("a"), channel);
  });

  test("createChannel() called 20 times at once makes one channel", async (store) => {
    const calls = await Promise.allSettled(Array.from({ length: 20 }, () => store.createChannel(channelDraft("a"))));
    assertEquals(calls.map(({ status }) => status), ["fulfilled", ...Array<string>(19).fill("rejected")]);
  });

  test("getChannel() resolves with what createChannel() did", async (store) => {
    const channel = await store.createChannel(channelDraft("a"));
    assertEquals(await store.getChannel("a"), channel);
  });

  test("getChannel() tells ids that differ in case apart", async (store) => {
    await store.createChannel(channelDraft("General"));
    await assertRefused("not_found", () => store.getChannel("general"));
  });

  test("getChannel() resolves with the head of the counter", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 3);
    assertEquals((await store.getChannel("a")).headSeq, 3);
  });

  test("updateChannel() changes the name alone where only that is given", async (store) => {
    const { updatedAt: _, ...before } = await store.createChannel(channelDraft("a"));
    const { updatedAt: __, ...after } = await store.updateChannel("a", { name: "new" });
    assertEquals(after, { ...before, name: "new" });
  });

  test("updateChannel() changes the description alone where only that is given", async (store) => {
    const { updatedAt: _, ...before } = await store.createChannel(channelDraft("a"));
    const { updatedAt: __, ...after } = await store.updateChannel("a", { description: "" });
    assertEquals(after, { ...before, description: "" });
  });

  test("updateChannel() resolves with what getChannel() then does", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 2);
    const updated = await store.updateChannel("a", { name: "new", description: "newer" });
    assertEquals(await store.getChannel("a"), updated);
  });

  testWithClock("updateChannel() sets updatedAt and keeps createdAt", async (store, clock) => {
    await store.createChannel(channelDraft("a"));
    clock.nowMs += 5;
    const { createdAt, updatedAt } = await store.updateChannel("a", { name: "new" });
    assertEquals([createdAt, updatedAt], [NOON, NOON + 5]);
  });

  testWithClock("updateChannel() does not take updatedAt back with the clock", async (store, clock) => {
    await store.createChannel(channelDraft("a"));
    clock.nowMs -= HOUR_MS;
    assertEquals((await store.updateChannel("a", { name: "new" })).updatedAt, NOON);
  });

  test("deleteChannel() resolves with the channel as it was", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 2);
    const channel = await store.getChannel("a");
    assertEquals(await store.deleteChannel("a"), channel);
  });

  test("deleteChannel() takes the channel out of the list", async (store) => {
    await createChannels(store, ["a", "b"]);
    await store.deleteChannel("a");
    assertEquals(ids(await store.listChannels({ limit: 10 })), ["b"]);
  });

  test("createChannel() after deleteChannel() of the same id begins a new epoch with an empty channel", async (store) => {
    const before = await store.createChannel(channelDraft("a"));
    await fill(store, "a", 3);
    await store.deleteChannel("a");
    const after = await store.createChannel(channelDraft("a"));
    assertNotEquals(after.epoch, before.epoch);
    assertEquals(await store.history("a", { limit: 10 }), {
      messages: [],
      hasMore: false,
      headSeq: 0,
      epoch: after.epoch,
      purgedSeq: 0,
    });
  });

  test("append() counts from 1 in a channel that was deleted and made again", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 3);
    await store.deleteChannel("a");
    await store.createChannel(channelDraft("a"));
    assertEquals((await say(store, "a", "first")).seq, 1);
  });

  test("append() takes a nonce of the deleted channel for a new one", async (store) => {
    await store.createChannel(channelDraft("a"));
    await store.append({ channelId: "a", userId: "u", content: "old", nonce: "n" });
    await store.deleteChannel("a");
    await store.createChannel(channelDraft("a"));
    assert((await store.append({ channelId: "a", userId: "u", content: "new", nonce: "n" })).created);
  });

  test("getMessage() does not find a message of the deleted channel in the new one", async (store) => {
    await store.createChannel(channelDraft("a"));
    const { id } = await say(store, "a", "old");
    await store.deleteChannel("a");
    await store.createChannel(channelDraft("a"));
    await assertRefused("not_found", () => store.getMessage("a", id));
  });

  const onUnknownChannel: Record<string, (store: Store) => Promise<unknown>> = {
    getChannel: (store) => store.getChannel("nowhere"),
    updateChannel: (store) => store.updateChannel("nowhere", { name: "x" }),
    deleteChannel: (store) => store.deleteChannel("nowhere"),
    append: (store) => store.append(messageDraft("nowhere", "hi")),
    getMessage: (store) => store.getMessage("nowhere", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
    history: (store) => store.history("nowhere", { limit: 10 }),
    changes: (store) => store.changes("nowhere", { after: 0, limit: 10 }),
  };
  for (const [method, call] of Object.entries(onUnknownChannel)) {
    test(`${method}() rejects with not_found where there is no such channel`, async (store) => {
      await createChannels(store, ["a", "nowher", "nowhere_"]);
      await assertRefused("not_found", () => call(store));
    });
    test(`${method}() rejects with not_found where the channel was deleted`, async (store) => {
      await store.createChannel(channelDraft("nowhere"));
      await store.deleteChannel("nowhere");
      await assertRefused("not_found", () => call(store));
    });
  }

  test("listChannels() is empty in an empty store", async (store) => {
    assertEquals(await store.listChannels({ limit: 10 }), { channels: [], hasMore: false });
  });

  test("listChannels() orders by id, by code point", async (store) => {
    await createChannels(store, ["b", "a_", "B", "a-", "9", "a", "_"]);
    assertEquals(ids(await store.listChannels({ limit: 10 })), ["9", "B", "_", "a", "a-", "a_", "b"]);
  });

  test("listChannels() resolves with what getChannel() does", async (store) => {
    await createChannels(store, ["a", "b"]);
    await fill(store, "b", 2);
    const { channels } = await store.listChannels({ limit: 10 });
    assertEquals(channels, [await store.getChannel("a"), await store.getChannel("b")]);
  });

  test("listChannels() says hasMore exactly where there is more", async (store) => {
    await createChannels(store, ["a", "b", "c"]);
    const more = await Promise.all([0, 1, 2, 3, 4].map(async (limit) => (await store.listChannels({ limit })).hasMore));
    assertEquals(more, [true, true, true, false, false]);
  });

  test("listChannels() continues after an id, which need not exist", async (store) => {
    await createChannels(store, ["a", "c", "d"]);
    assertEquals(ids(await store.listChannels({ limit: 2, after: "a" })), ["c", "d"]);
    assertEquals(ids(await store.listChannels({ limit: 2, after: "b" })), ["c", "d"]);
    assertEquals(ids(await store.listChannels({ limit: 2, after: "d" })), []);
  });

  test("listChannels() page by page yields each of 25 channels once", async (store) => {
    const all = Array.from({ length: 25 }, (_, n) => `channel-${String(n).padStart(2, "0")}`);
    await createChannels(store, all.toReversed());
    const seen: string[] = [];
    for (let [hasMore, pages] = [true, 0]; hasMore; pages++) {
      assert(pages < 10);
      const after = seen.at(-1);
      const page = await store.listChannels({ limit: 10, ...(after === undefined ? {} : { after }) });
      seen.push(...ids(page));
      hasMore = page.hasMore;
    }
    assertEquals(seen, all);
  });

  // Appending

  test("append() gives each message the next seq, from 1", async (store) => {
    await store.createChannel(channelDraft("a"));
    assertEquals(seqs(await fill(store, "a", 20)), numbers(1, 20));
  });

  test("append() counts each channel for itself", async (store) => {
    await createChannels(store, ["a", "b"]);
    await fill(store, "a", 3);
    assertEquals((await say(store, "b", "hi")).seq, 1);
  });

  test("append() gives a new message its seq for a version", async (store) => {
    await store.createChannel(channelDraft("a"));
    for (const { seq, version } of await fill(store, "a", 3)) assertEquals(version, seq);
  });

  test("append() resolves with the message as it is read back", async (store) => {
    await store.createChannel(channelDraft("a"));
    const draft = { channelId: "a", userId: "u", content: "hi", nonce: "n" };
    const { message, created } = await store.append(draft);
    const { id, createdAt, ...rest } = message;
    assert(created);
    assertEquals(rest, { ...draft, seq: 1, version: 1 });
    assertEquals(await store.getMessage("a", id), { id, createdAt, ...rest });
  });

  test("append() leaves nonce out of a message that has none", async (store) => {
    await store.createChannel(channelDraft("a"));
    const { id } = await say(store, "a", "hi");
    assertFalse("nonce" in await store.getMessage("a", id));
  });

  test("append() gives ids that are ULIDs, unique, and sort in the order of seq", async (store) => {
    await store.createChannel(channelDraft("a"));
    const all = (await fill(store, "a", 500)).map(({ id }) => id);
    for (const id of all) assertMatch(id, ULID);
    assertEquals(new Set(all).size, 500);
    assertEquals(all.toSorted(), all);
  });

  test("append() gives ids that are unique across channels", async (store) => {
    const channels = ["a", "b", "c", "d", "e"];
    await createChannels(store, channels);
    const all = await Promise.all(channels.map((channelId) => fill(store, channelId, 100)));
    assertEquals(new Set(all.flat().map(({ id }) => id)).size, 500);
  });

  testWithClock("append() gives ids that sort in the order of seq while the clock stands still", async (store) => {
    await store.createChannel(channelDraft("a"));
    const all = (await fill(store, "a", 300)).map(({ id }) => id);
    assertEquals(new Set(all).size, 300);
    assertEquals(all.toSorted(), all);
  });

  testWithClock(
    "append() gives ids and times that never run backwards, whatever the clock does",
    async (store, clock) => {
      await store.createChannel(channelDraft("a"));
      const seed = newSeed();
      const random = generator(seed);
      let last: Message | undefined;
      for (let n = 0; n < 300; n++) {
        clock.nowMs += [0, 1, 40, HOUR_MS, -1, -HOUR_MS][random(6)] ?? 0;
        const message = await say(store, "a", String(n));
        assert(last === undefined || message.id > last.id, `seed ${seed}, message ${n}`);
        assert(last === undefined || message.createdAt >= last.createdAt, `seed ${seed}, message ${n}`);
        last = message;
      }
    },
  );

  testWithClock("append() dates a message by the clock", async (store, clock) => {
    await store.createChannel(channelDraft("a"));
    await say(store, "a", "first");
    clock.nowMs += 5;
    assertEquals((await say(store, "a", "second")).createdAt, NOON + 5);
  });

  testWithClock(
    "append() dates a message by the last one while the clock is an hour behind it",
    async (store, clock) => {
      await store.createChannel(channelDraft("a"));
      await say(store, "a", "first");
      clock.nowMs -= HOUR_MS;
      assertEquals((await say(store, "a", "second")).createdAt, NOON);
    },
  );

  test("append() called 200 times at once over 5 channels keeps the order of the calls in each", async (store) => {
    const channels = ["a", "b", "c", "d", "e"];
    await createChannels(store, channels);
    const calls = Array.from({ length: 200 }, (_, n) => messageDraft(channels[n % 5] ?? "", `call ${n}`));
    await Promise.all(calls.map((draft) => store.append(draft)));
    for (const channelId of channels) {
      const { messages } = await store.history(channelId, { limit: 100 });
      assertEquals(contents(messages), contents(calls.filter((draft) => draft.channelId === channelId)));
      assertEquals(seqs(messages), numbers(1, 40));
    }
  });

  test("append() follows a createChannel() that is not waited for", async (store) => {
    const creating = store.createChannel(channelDraft("a"));
    const appending = store.append(messageDraft("a", "hi"));
    await creating;
    assertEquals((await appending).message.seq, 1);
  });

  test("append() that is refused leaves those called with it as they are", async (store) => {
    await store.createChannel(channelDraft("a"));
    const calls = ["a", "nowhere", "a", "nowhere", "a"].map((channelId) => store.append(messageDraft(channelId, "hi")));
    const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
    assertEquals(outcomes, ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    assertEquals(seqs((await store.history("a", { limit: 10 })).messages), [1, 2, 3]);
  });

  const CONTENTS: Record<string, string> = {
    "emoji": "👩‍👩‍👧‍👦 ❤️ 🇩🇪 \u{10FFFF}",
    "a byte order mark": "\uFEFFtext\uFEFF",
    "right to left": "\u202Eשלום عليكم\u202C",
    "combining marks that are not normalized": "e\u0301 \u00E9 A\u030A \u212B",
    "quotes and SQL": `'; DROP TABLE messages; -- " \` \\ %_ ?1 :a $a`,
    "blanks around it": " \t\r\n text \u00A0\u2028\u2029\n",
    "control characters other than NUL": String.fromCharCode(...numbers(1, 31), 0x7f, 0x9f),
    "4,000 code points of four bytes": "😀".repeat(4_000),
    "a name of Object.prototype": "__proto__",
    "digits": "007",
    "JSON": `{"a":null}`,
  };
  for (const [kind, content] of Object.entries(CONTENTS)) {
    test(`getMessage() and history() give content back unchanged: ${kind}`, async (store) => {
      await store.createChannel(channelDraft("a"));
      const { id } = await say(store, "a", content);
      assert((await store.getMessage("a", id)).content === content);
      assert((await store.history("a", { limit: 1 })).messages[0]?.content === content);
    });
    test(`append() knows a nonce again whose message has ${kind}`, async (store) => {
      await store.createChannel(channelDraft("a"));
      const draft = { channelId: "a", userId: "u", content, nonce: "n" };
      await store.append(draft);
      assertFalse((await store.append(draft)).created);
    });
  }

  test("getChannel() gives name and description back unchanged", async (store) => {
    const draft = { id: "a", name: "'\"é😀", description: "\uFEFF\n'; DROP TABLE channels; --" };
    await store.createChannel(draft);
    const { id, name, description } = await store.getChannel("a");
    assertEquals({ id, name, description }, draft);
  });

  for (const word of ["__proto__", "constructor", "toString", "hasOwnProperty", "null", "undefined", "0"]) {
    test(`append() and history() take ${word} for the id of a channel, a user and a nonce`, async (store) => {
      await store.createChannel(channelDraft(word));
      const draft = { channelId: word, userId: word, content: word, nonce: word };
      const { message } = await store.append(draft);
      assertEquals((await store.history(word, { limit: 5 })).messages, [message]);
      const { channelId, userId, content, nonce } = message;
      assertEquals({ channelId, userId, content, nonce }, draft);
      assertFalse((await store.append(draft)).created);
    });
  }

  // Nonces

  test("append() of a nonce again gives the message stored then and stores none", async (store) => {
    await store.createChannel(channelDraft("a"));
    const draft = { channelId: "a", userId: "u", content: "hi", nonce: "n" };
    const { message } = await store.append(draft);
    await say(store, "a", "between");
    assertEquals(await store.append(draft), { message, created: false });
    assertEquals((await store.getChannel("a")).headSeq, 2);
  });

  test("append() of a nonce 50 times at once creates one message", async (store) => {
    await store.createChannel(channelDraft("a"));
    const draft = { channelId: "a", userId: "u", content: "hi", nonce: "n" };
    const all = await Promise.all(Array.from({ length: 50 }, () => store.append(draft)));
    assertEquals(all.filter(({ created }) => created).length, 1);
    assertEquals(new Set(all.map(({ message }) => message.id)).size, 1);
    assertEquals((await store.history("a", { limit: 10 })).messages.length, 1);
  });

  test("append() rejects with conflict where the nonce was used for other content, and stores nothing", async (store) => {
    await store.createChannel(channelDraft("a"));
    await store.append({ channelId: "a", userId: "u", content: "hi", nonce: "n" });
    await assertRefused("conflict", () => store.append({ channelId: "a", userId: "u", content: "ho", nonce: "n" }));
    assertEquals((await store.getChannel("a")).headSeq, 1);
  });

  test("append() keeps the nonces of two authors apart", async (store) => {
    await store.createChannel(channelDraft("a"));
    await store.append({ channelId: "a", userId: "u", content: "hi", nonce: "n" });
    assert((await store.append({ channelId: "a", userId: "v", content: "ho", nonce: "n" })).created);
  });

  test("append() keeps the nonces of two channels apart", async (store) => {
    await createChannels(store, ["a", "b"]);
    await store.append({ channelId: "a", userId: "u", content: "hi", nonce: "n" });
    assert((await store.append({ channelId: "b", userId: "u", content: "ho", nonce: "n" })).created);
  });

  test("append() tells nonces apart that differ in case or blanks", async (store) => {
    await store.createChannel(channelDraft("a"));
    const nonces = ["n", "N", "n ", " n", "n\n"];
    const all = await Promise.all(
      nonces.map((nonce) => store.append({ channelId: "a", userId: "u", content: "hi", nonce })),
    );
    assertEquals(all.map(({ created }) => created), nonces.map(() => true));
    assertEquals((await store.history("a", { limit: 10 })).messages.map(({ nonce }) => nonce), nonces);
  });

  // Reading

  test("getMessage() rejects with not_found where there is no such message", async (store) => {
    await store.createChannel(channelDraft("a"));
    await say(store, "a", "hi");
    await assertRefused("not_found", () => store.getMessage("a", "01BX5ZZKBKACTAV9WEVGEMMVRZ"));
  });

  test("getMessage() rejects with not_found where the message is in another channel", async (store) => {
    await createChannels(store, ["a", "b"]);
    const { id } = await say(store, "a", "hi");
    await assertRefused("not_found", () => store.getMessage("b", id));
  });

  test("history() gives the newest page without a cursor, oldest first", async (store) => {
    const { page } = await tenMessages(store);
    assertEquals(await page({ limit: 3 }), { seqs: [8, 9, 10], hasMore: true });
  });

  test("history() gives the newest page before a message, which is not in it", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals(await page({ limit: 3, before: id(6) }), { seqs: [3, 4, 5], hasMore: true });
  });

  test("history() gives the oldest page after a message, which is not in it", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals(await page({ limit: 3, after: id(6) }), { seqs: [7, 8, 9], hasMore: true });
  });

  test("history() gives a message with as many around it as fit, and says whether that was all", async (store) => {
    const { id, page } = await tenMessages(store);
    for (const at of numbers(1, 10)) {
      for (const limit of numbers(1, 12)) {
        const { seqs, hasMore } = await page({ limit, around: id(at) });
        const told = `around ${at} of 10, limit ${limit}: ${seqs}`;
        const first = Math.max(1, Math.min(at - Math.floor(limit / 2), 10 - limit + 1));
        assertEquals(seqs, numbers(first, Math.min(10, first + limit - 1)), told);
        assertEquals(hasMore, limit < 10, told);
      }
    }
  });

  test("history() says hasMore exactly where older messages are left", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals((await page({ limit: 9 })).hasMore, true);
    assertEquals((await page({ limit: 10 })).hasMore, false);
    assertEquals((await page({ limit: 4, before: id(6) })).hasMore, true);
    assertEquals((await page({ limit: 5, before: id(6) })).hasMore, false);
    assertEquals((await page({ limit: 6, before: id(6) })).hasMore, false);
  });

  test("history() says hasMore exactly where newer messages are left", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals((await page({ limit: 3, after: id(6) })).hasMore, true);
    assertEquals((await page({ limit: 4, after: id(6) })).hasMore, false);
    assertEquals((await page({ limit: 5, after: id(6) })).hasMore, false);
  });

  test("history() is empty before the first and after the last message", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals(await page({ limit: 3, before: id(1) }), { seqs: [], hasMore: false });
    assertEquals(await page({ limit: 3, after: id(10) }), { seqs: [], hasMore: false });
  });

  test("history() with limit 0 has no message and says whether there are some", async (store) => {
    const { id, page } = await tenMessages(store);
    assertEquals(await page({ limit: 0 }), { seqs: [], hasMore: true });
    assertEquals(await page({ limit: 0, before: id(1) }), { seqs: [], hasMore: false });
    assertEquals(await page({ limit: 0, after: id(10) }), { seqs: [], hasMore: false });
    assertEquals(await page({ limit: 0, around: id(5) }), { seqs: [], hasMore: true });
  });

  test("history() takes a cursor that does not exist for a place in the order", async (store) => {
    const { id, page } = await tenMessages(store);
    const [oldest, newest] = ["00000000000000000000000000", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"];
    assertEquals(await page({ limit: 3, after: oldest }), { seqs: [1, 2, 3], hasMore: true });
    assertEquals(await page({ limit: 3, before: newest }), { seqs: [8, 9, 10], hasMore: true });
    assertEquals(await page({ limit: 3, before: oldest }), { seqs: [], hasMore: false });
    assertEquals(await page({ limit: 3, after: newest }), { seqs: [], hasMore: false });
    assertEquals(await page({ limit: 3, around: oldest }), { seqs: [1, 2, 3], hasMore: true });
    assertEquals(await page({ limit: 3, around: newest }), { seqs: [8, 9, 10], hasMore: true });
    assertEquals(await page({ limit: 3, after: `${id(4)}0` }), { seqs: [5, 6, 7], hasMore: true });
  });

  test("history() gives what a plain list of the messages would, for any cursor and limit", async (store) => {
    await createChannels(store, ["a", "b"]);
    const seed = newSeed();
    const random = generator(seed);
    const all = await fill(store, "a", 40);
    await fill(store, "b", 5);
    for (let n = 0; n < 300; n++) {
      const cursor = ["before", "after", "around"][random(3)] ?? "";
      const id = all[random(40)]?.id ?? "";
      const near = [id, `${id.slice(0, 25)}${"0AZ"[random(3)]}`, `${id.slice(0, 12)}0`, `${id}0`][random(4)];
      const query = { limit: random(14), [cursor]: near };
      const { messages, hasMore } = await store.history("a", query);
      assertEquals([messages, hasMore], pageOf(all, query), `seed ${seed}, query ${JSON.stringify(query)}`);
    }
  });

  test("history() shows the messages of its channel alone", async (store) => {
    await createChannels(store, ["a", "b"]);
    await Promise.all(numbers(1, 20).map((n) => store.append(messageDraft(n % 2 === 0 ? "a" : "b", String(n)))));
    const { messages } = await store.history("a", { limit: 100 });
    assertEquals(contents(messages), numbers(1, 20).filter((n) => n % 2 === 0).map(String));
  });

  test("history() and changes() name the head and the epoch of the channel", async (store) => {
    const { epoch } = await store.createChannel(channelDraft("a"));
    await fill(store, "a", 4);
    for (const read of [store.history("a", { limit: 1 }), store.changes("a", { after: 0, limit: 1 })]) {
      const { headSeq, ...page } = await read;
      assertEquals([headSeq, page.epoch], [4, epoch]);
    }
  });

  test("history() and its head are of one moment while messages are appended", async (store) => {
    await store.createChannel(channelDraft("a"));
    const appending = Promise.all(numbers(1, 30).map((n) => after(n % 7, () => fill(store, "a", 10))));
    let done = false;
    appending.then(() => done = true, () => done = true);
    while (!done) {
      await after(1, () => {});
      const { messages, headSeq } = await store.history("a", { limit: 3 });
      assertEquals(messages.at(-1)?.seq ?? 0, headSeq);
    }
    await appending;
  });

  test("history() page by page backwards yields each of 250 messages once while more are appended", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 250);
    await using _appending = appendUntilDisposed(store, "a");
    const seen: Message[] = [];
    for (let [more, pages] = [true, 0]; more; pages++) {
      assert(pages < 1_000);
      const oldest = seen[0];
      const { messages, hasMore } = await store.history("a", { limit: 7, ...(oldest ? { before: oldest.id } : {}) });
      seen.unshift(...messages);
      more = hasMore;
      await after(0, () => {});
    }
    assertEquals(seqs(seen).slice(0, 250), numbers(1, 250));
    assertEquals(seqs(seen), numbers(1, seen.length));
  });

  test("history() page by page forwards yields each of 250 messages once while more are appended", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 250);
    await using _appending = appendUntilDisposed(store, "a");
    const [first] = (await store.changes("a", { after: 0, limit: 1 })).messages;
    assert(first);
    const seen = [first];
    for (let pages = 0; seen.length < 250; pages++) {
      assert(pages < 1_000);
      const { messages } = await store.history("a", { limit: 7, after: seen.at(-1)?.id ?? "" });
      seen.push(...messages);
      await after(0, () => {});
    }
    assertEquals(seqs(seen), numbers(1, seen.length));
  });

  test("changes() gives what is newer than a version, in version order", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 10);
    const { messages, hasMore } = await store.changes("a", { after: 4, limit: 100 });
    assertEquals([seqs(messages), hasMore], [numbers(5, 10), false]);
  });

  test("changes() gives the oldest of them where there are more than limit", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 10);
    const { messages, hasMore } = await store.changes("a", { after: 4, limit: 3 });
    assertEquals([seqs(messages), hasMore], [[5, 6, 7], true]);
  });

  test("changes() says hasMore exactly where there is more", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 10);
    const more = await Promise.all(
      [0, 5, 6, 7].map(async (limit) => (await store.changes("a", { after: 4, limit })).hasMore),
    );
    assertEquals(more, [true, true, false, false]);
  });

  test("changes() is empty at the head and beyond", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 3);
    for (const after of [3, 4, 1_000_000]) {
      const { messages, hasMore, headSeq } = await store.changes("a", { after, limit: 10 });
      assertEquals([messages, hasMore, headSeq], [[], false, 3]);
    }
  });

  test("changes() gives the messages that history() does", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 5);
    assertEquals(await store.changes("a", { after: 0, limit: 5 }), await store.history("a", { limit: 5 }));
  });

  // Keeping house

  test("sweep() resolves with false where there is nothing to remove", async (store) => {
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 3);
    assertFalse(await store.sweep());
  });

  test("sweep() comes to an end and leaves other channels and a new one of the same id alone", async (store) => {
    await createChannels(store, ["a", "b"]);
    await Promise.all([fill(store, "a", 2_500), fill(store, "b", 10)]);
    await store.deleteChannel("a");
    await store.createChannel(channelDraft("a"));
    await fill(store, "a", 10);
    let steps = 0;
    while (await store.sweep()) assert(++steps < 1_000);
    for (const id of ["a", "b"]) {
      assertEquals(seqs((await store.history(id, { limit: 100 })).messages), numbers(1, 10));
    }
  });

  test("ping() resolves while writes succeed", async (store) => {
    await store.ping();
    await store.ping();
  });

  Deno.test(`${name} commits what is waiting when it is disposed`, async () => {
    await using opened = await suite.open({});
    await opened.store.createChannel(channelDraft("a"));
    const appending = Promise.all(numbers(1, 2_000).map((n) => opened.store.append(messageDraft("a", String(n)))));
    await opened.store[Symbol.asyncDispose]();
    assertEquals((await appending).at(-1)?.message.seq, 2_000);
  });

  Deno.test(`${name} rejects with unavailable once it is disposed`, async () => {
    await using opened = await suite.open({});
    await opened.store.createChannel(channelDraft("a"));
    const disposing = opened.store[Symbol.asyncDispose]();
    await assertRefused("unavailable", () => opened.store.append(messageDraft("a", "late")));
    await disposing;
    await assertRefused("unavailable", () => opened.store.append(messageDraft("a", "later")));
    await assertRefused("unavailable", () => opened.store.getChannel("a"));
  });

  Deno.test(`${name} may be disposed twice`, async () => {
    await using opened = await suite.open({});
    await opened.store[Symbol.asyncDispose]();
    await opened.store[Symbol.asyncDispose]();
  });
}

/** A channel with the messages 1 to 10, and its pages by seq. */
async function tenMessages(store: Store): Promise<{
  id: (seq: number) => string;
  page: (query: HistoryQuery) => Promise<{ seqs: number[]; hasMore: boolean }>;
}> {
  await store.createChannel(channelDraft("a"));
  const messages = await fill(store, "a", 10);
  return {
    id: (seq) => messages[seq - 1]?.id ?? "",
    page: async (query) => {
      const { messages, hasMore } = await store.history("a", query);
      return { seqs: seqs(messages), hasMore };
    },
  };
}

/** What {@linkcode Store.history} must give: a page and whether there is more. */
function pageOf(all: readonly Message[], { limit, before, after, around }: HistoryQuery): [Message[], boolean] {
  if (after !== undefined) {
    const newer = all.filter(({ id }) => id > after);
    return [newer.slice(0, limit), newer.length > limit];
  }
  if (around !== undefined) {
    const at = all.findIndex(({ id }) => id >= around);
    const wanted = (at < 0 ? all.length : at) - Math.floor(limit / 2);
    const first = Math.max(0, Math.min(wanted, all.length - limit));
    return [all.slice(first, first + limit), all.length > limit];
  }
  const older = all.filter(({ id }) => before === undefined || id < before);
  return [older.slice(Math.max(0, older.length - limit)), older.length > limit];
}

function ids({ channels }: { channels: readonly Channel[] }): string[] {
  return channels.map(({ id }) => id);
}
