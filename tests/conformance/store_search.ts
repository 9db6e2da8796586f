/**
 * What every {@linkcode Store} keeps to when it searches.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Message } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  channelDraft,
  channelWith,
  contents,
  createChannels,
  fill,
  foundIn as found,
  idsOf,
  numbers,
  say,
  sayAll,
  type StoreSuite,
  testsOf,
} from "./store_support.ts";

/** Registers this part of the suite for one adapter. */
export function testStoreSearch(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  test("search() finds nothing in an empty store", async (store) => {
    const terms = [{ text: "word", prefix: false }];
    assertEquals(await store.search({ terms, limit: 10 }), { messages: [], partial: false });
  });

  test("search() gives the messages as getMessage() does", async (store) => {
    const [one] = await channelWith(store, "red fox", "other");
    await store.pin("a", one.id, true);
    await store.react("a", one.id, [{ userId: "v", emoji: "👍", on: true }]);
    const { messages } = await store.search({ terms: [{ text: "fox", prefix: false }], limit: 10 });
    assertEquals(messages, [await store.getMessage("a", one.id)]);
  });

  // What has changed

  test("search() finds a message immediately after its append()", async (store) => {
    await store.createChannel(channelDraft("a"));
    for (const n of numbers(1, 20)) {
      await say(store, "a", `word${n}`);
      assertEquals(await found(store, [`word${n}`]), [`word${n}`]);
    }
  });

  test("search() finds an edited message by its new words and not by its old ones", async (store) => {
    const [early, { id }] = await channelWith(store, "early", "old");
    assertEquals(await found(store, ["old"]), ["old"]);
    await store.editMessage("a", id, { content: "new" });
    await store.editMessage("a", early.id, { content: "earlier" });
    assertEquals([await found(store, ["old"]), await found(store, ["new"])], [[], ["new"]]);
    assertEquals([await found(store, ["early"]), await found(store, ["earlier"])], [[], ["earlier"]]);
  });

  test("search() finds a message by its new words alone that was edited before any search", async (store) => {
    const [{ id }] = await channelWith(store, "old");
    await store.editMessage("a", id, { content: "new" });
    assertEquals([await found(store, ["old"]), await found(store, ["new"])], [[], ["new"]]);
  });

  test("search() finds a message whose metadata alone was edited", async (store) => {
    const [{ id }] = await channelWith(store, "word");
    await found(store, ["word"]);
    await store.editMessage("a", id, { metadata: { secret: "hidden" } });
    assertEquals([await found(store, ["word"]), await found(store, ["hidden"])], [["word"], []]);
  });

  test("search() finds no deleted message, deleted before a search or after", async (store) => {
    const [one, two] = await channelWith(store, "word one", "word two", "word three");
    await store.deleteMessages("a", [one.id]);
    assertEquals(await found(store, ["word"]), ["word three", "word two"]);
    await store.deleteMessages("a", [two.id]);
    assertEquals(await found(store, ["word"]), ["word three"]);
    await store.sweep();
    assertEquals(await found(store, ["word"]), ["word three"]);
  });

  test("search() finds nothing of a deleted channel, also when it is made again and swept", async (store) => {
    await createChannels(store, ["a", "b"]);
    await say(store, "b", "word b");
    await say(store, "a", "word old");
    await found(store, ["word"]);
    await store.deleteChannel("a");
    assertEquals(await found(store, ["word"]), ["word b"]);
    await store.createChannel(channelDraft("a"));
    await say(store, "a", "word new");
    assertEquals(await found(store, ["word"]), ["word new", "word b"]);
    assertEquals(await found(store, ["word"], "a"), ["word new"]);
    while (await store.sweep());
    assertEquals(await found(store, ["word"]), ["word new", "word b"]);
  });

  // Where

  test("search() in one channel finds what is there alone", async (store) => {
    const channels = numbers(1, 12).map((n) => `channel-${n}`);
    await createChannels(store, channels);
    for (const id of channels) await say(store, id, `word in ${id}`);
    for (const id of channels) assertEquals(await found(store, ["word"], id), [`word in ${id}`]);
    assertEquals((await found(store, ["word"])).length, 12);
  });

  test("search() rejects with not_found where there is no such channel", async (store) => {
    await createChannels(store, ["a", "b"]);
    await store.deleteChannel("b");
    await assertRefused("not_found", () => found(store, ["word"], "nowhere"));
    await assertRefused("not_found", () => found(store, ["word"], "b"));
  });

  test("search() takes no word of a message for the name of a channel", async (store) => {
    await createChannels(store, ["a", "c1", "c2"]);
    await say(store, "a", "c1 c2 channel c1 a");
    assertEquals([await found(store, ["word"], "c1"), await found(store, ["c1"], "c1")], [[], []]);
    assertEquals((await found(store, ["c1"], "a")).length, 1);
  });

  test("search() takes nothing that the store has of its own for a word of a message", async (store) => {
    await channelWith(store, "hello");
    for (const word of ["a", "u", "1", "c1", "c2", "c*", "channel", "content"]) {
      assertEquals(await found(store, [word]), [], word);
    }
  });

  // Pages

  test("search() gives the newest first, of all channels", async (store) => {
    await createChannels(store, ["a", "b"]);
    for (const n of numbers(1, 9)) await say(store, n % 3 ? "a" : "b", `word ${n}`);
    assertEquals(await found(store, ["word"]), numbers(1, 9).toReversed().map((n) => `word ${n}`));
  });

  test("search() page by page gives each once, newest first, while new ones come", async (store) => {
    await createChannels(store, ["a", "b"]);
    for (const n of numbers(1, 45)) await say(store, n % 2 ? "a" : "b", `word ${n}`);
    await fill(store, "a", 20);
    const seen: Message[] = [];
    let before: string | undefined;
    for (let pages = 0; pages === 0 || before !== undefined; pages++) {
      assert(pages < 20);
      const terms = [{ text: "word", prefix: false }];
      const page = await store.search({ terms, limit: 7, ...(before === undefined ? {} : { before }) });
      seen.push(...page.messages);
      before = page.next;
      await sayAll(store, "word late", "other");
    }
    assertEquals(contents(seen), numbers(1, 45).toReversed().map((n) => `word ${n}`));
  });

  test("search() in one channel pages over what is in the others", async (store) => {
    await createChannels(store, ["a", "b"]);
    for (const n of numbers(1, 20)) await say(store, n % 4 ? "b" : "a", `word ${n}`);
    const query = { terms: [{ text: "word", prefix: false }], channelId: "a", limit: 3 };
    const first = await store.search(query);
    assertEquals(contents(first.messages), ["word 20", "word 16", "word 12"]);
    assert(first.next);
    const second = await store.search({ ...query, before: first.next });
    assertEquals([contents(second.messages), second.next], [["word 8", "word 4"], undefined]);
  });

  test("search() has a next exactly where there is more", async (store) => {
    await channelWith(store, "word", "word", "word");
    const terms = [{ text: "word", prefix: false }];
    const pages = await Promise.all([1, 2, 3, 4].map((limit) => store.search({ terms, limit })));
    assertEquals(pages.map(({ next }) => next !== undefined), [true, true, false, false]);
  });

  test("search() goes on after a page whose messages were deleted since", async (store) => {
    const messages = await channelWith(store, "word 1", "word 2", "word 3", "word 4");
    const query = { terms: [{ text: "word", prefix: false }], limit: 2 };
    const { next } = await store.search(query);
    assert(next);
    await store.deleteMessages("a", idsOf(messages.slice(1)));
    assertEquals(contents((await store.search({ ...query, before: next })).messages), ["word 1"]);
  });

  for (
    const before of [
      "",
      "x",
      "-1",
      "1.5",
      "1e3",
      "0x1",
      " 1",
      "1 OR 1=1",
      "9".repeat(40),
      "٣",
      "01BX5ZZKBKACTAV9WEVGEMMVRZ",
    ]
  ) {
    test(`search() rejects with invalid for before ${JSON.stringify(before)}`, async (store) => {
      await channelWith(store, "word");
      const terms = [{ text: "word", prefix: false }];
      await assertRefused("invalid", () => store.search({ terms, limit: 10, before }));
    });
  }
}
