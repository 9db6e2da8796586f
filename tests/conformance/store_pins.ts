/**
 * What every {@linkcode Store} keeps to with pinned messages.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { MAX_PINS, type Message, type Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  allOf,
  channelDraft,
  channelWith,
  contents,
  fill,
  headOf,
  HOUR_MS,
  NOON,
  say,
  type StoreSuite,
  testsOf,
  UNKNOWN_ID,
} from "./store_support.ts";

function pinAll(store: Store, messages: readonly Message[]): Promise<unknown> {
  return Promise.all(messages.map(({ id }) => store.pin("a", id, true)));
}

async function pinned(store: Store): Promise<string[]> {
  return contents((await store.pins("a", { limit: 1_000 })).messages);
}

/** Registers this part of the suite for one adapter. */
export function testStorePins(name: string, suite: StoreSuite): void {
  const { test, testWithClock } = testsOf(name, suite);

  test("pin() gives a message the next seq for a version and dates the pin", async (store) => {
    const [message] = await channelWith(store, "hi");
    const { message: { pinnedAt, ...rest }, changed } = await store.pin("a", message.id, true);
    assertEquals([rest, changed, typeof pinnedAt], [{ ...message, version: 2 }, true, "number"]);
    assertEquals(await store.getMessage("a", message.id), { ...rest, ...(pinnedAt === undefined ? {} : { pinnedAt }) });
  });

  testWithClock("pin() dates the pin by the clock", async (store, clock) => {
    const [{ id }] = await channelWith(store, "hi");
    clock.nowMs += 5;
    assertEquals((await store.pin("a", id, true)).message.pinnedAt, NOON + 5);
  });

  test("pin() of what is pinned changes nothing and takes no seq", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const { message } = await store.pin("a", id, true);
    assertEquals(await store.pin("a", id, true), { message, changed: false });
    assertEquals(await headOf(store), 2);
  });

  test("pin() takes a pin away and leaves the message as it was", async (store) => {
    const [message] = await channelWith(store, "hi");
    await store.pin("a", message.id, true);
    assertEquals(await store.pin("a", message.id, false), { message: { ...message, version: 3 }, changed: true });
    assertEquals(await allOf(store), [{ ...message, version: 3 }]);
  });

  test("pin() that takes away what is not pinned changes nothing and takes no seq", async (store) => {
    const [message] = await channelWith(store, "hi");
    assertEquals(await store.pin("a", message.id, false), { message, changed: false });
    assertEquals(await headOf(store), 1);
  });

  test("pins() is empty where nothing is pinned", async (store) => {
    await channelWith(store, "hi");
    const { epoch } = await store.getChannel("a");
    assertEquals(await store.pins("a", { limit: 10 }), {
      messages: [],
      hasMore: false,
      headSeq: 1,
      epoch,
      purgedSeq: 0,
    });
  });

  test("pins() gives the messages as getMessage() does, and the head of the channel", async (store) => {
    const [one, two] = await channelWith(store, "1", "2");
    await pinAll(store, [one, two]);
    const { messages, headSeq } = await store.pins("a", { limit: 10 });
    assertEquals(messages, [await store.getMessage("a", two.id), await store.getMessage("a", one.id)]);
    assertEquals(headSeq, 4);
  });

  test("pins() gives the newest pin first, whichever message is newer", async (store) => {
    const [one, two, three] = await channelWith(store, "1", "2", "3");
    await pinAll(store, [two, three, one]);
    assertEquals(await pinned(store), ["1", "3", "2"]);
  });

  testWithClock(
    "pins() gives the newest pin first while the clock stands still or runs backwards",
    async (store, clock) => {
      const [one, two, three] = await channelWith(store, "1", "2", "3");
      await store.pin("a", three.id, true);
      await store.pin("a", one.id, true);
      clock.nowMs -= HOUR_MS;
      await store.pin("a", two.id, true);
      assertEquals(await pinned(store), ["2", "1", "3"]);
    },
  );

  test("pins() gives a message that was pinned anew first, and one that was edited in its place", async (store) => {
    const [one, two, three] = await channelWith(store, "1", "2", "3");
    await pinAll(store, [one, two, three]);
    await store.pin("a", two.id, false);
    await store.pin("a", two.id, true);
    await store.editMessage("a", one.id, { content: "1 edited" });
    await store.react("a", three.id, [{ userId: "v", emoji: "👍", on: true }]);
    assertEquals(await pinned(store), ["2", "3", "1 edited"]);
  });

  test("pins() leaves out what is no longer pinned, and what was deleted", async (store) => {
    const [one, two, three, four] = await channelWith(store, "1", "2", "3", "4", "5");
    await pinAll(store, [one, two, three, four]);
    await store.pin("a", two.id, false);
    await store.deleteMessages("a", [three.id]);
    assertEquals(await pinned(store), ["4", "1"]);
  });

  test("pins() shows the pins of its channel alone", async (store) => {
    const [one] = await channelWith(store, "1");
    await store.createChannel(channelDraft("b"));
    const { id } = await say(store, "b", "elsewhere");
    await store.pin("b", id, true);
    await store.pin("a", one.id, true);
    assertEquals(await pinned(store), ["1"]);
  });

  test("pins() says hasMore exactly where there is more", async (store) => {
    await pinAll(store, await channelWith(store, "1", "2", "3"));
    const more = await Promise.all([0, 2, 3, 4].map(async (limit) => (await store.pins("a", { limit })).hasMore));
    assertEquals(more, [true, true, false, false]);
  });

  test("pins() page by page yields each of 25 once", async (store) => {
    await store.createChannel(channelDraft("a"));
    const messages = await fill(store, "a", 25);
    await pinAll(store, messages.toReversed());
    const seen: Message[] = [];
    for (let [more, pages] = [true, 0]; more; pages++) {
      assert(pages < 10);
      const last = seen.at(-1);
      const page = await store.pins("a", { limit: 7, ...(last ? { before: last.id } : {}) });
      seen.push(...page.messages);
      more = page.hasMore;
    }
    assertEquals(contents(seen), contents(messages));
  });

  test("pins() goes on after a page when newer pins have come", async (store) => {
    const [one, two, three, four] = await channelWith(store, "1", "2", "3", "4");
    await pinAll(store, [one, two, three]);
    const { messages } = await store.pins("a", { limit: 2 });
    await store.pin("a", four.id, true);
    const next = await store.pins("a", { limit: 2, before: messages.at(-1)?.id ?? "" });
    assertEquals([contents(next.messages), next.hasMore], [["1"], false]);
  });

  test("pins() rejects with invalid for a before that is not pinned in the channel", async (store) => {
    const [one, two] = await channelWith(store, "1", "2");
    await store.createChannel(channelDraft("b"));
    const elsewhere = await say(store, "b", "elsewhere");
    await store.pin("b", elsewhere.id, true);
    await store.pin("a", one.id, true);
    for (const before of [two.id, elsewhere.id, UNKNOWN_ID]) {
      await assertRefused("invalid", () => store.pins("a", { limit: 10, before }));
    }
  });

  test("pins() rejects with not_found where there is no such channel", async (store) => {
    await channelWith(store, "1");
    await assertRefused("not_found", () => store.pins("nowhere", { limit: 10 }));
  });

  test(`pin() rejects the message after the ${MAX_PINS}th with conflict until one is unpinned or deleted`, async (store) => {
    await store.createChannel(channelDraft("a"));
    const [first, second, ...rest] = await fill(store, "a", MAX_PINS + 2);
    const [last, over, more] = rest.splice(-3);
    assert(first && second && last && over && more);
    await pinAll(store, [first, second, ...rest, last]);
    const head = await headOf(store);
    await assertRefused("conflict", () => store.pin("a", over.id, true));
    assertEquals(await headOf(store), head);
    assertEquals((await store.getMessage("a", over.id)).pinnedAt, undefined);
    await store.pin("a", first.id, true);
    await store.pin("a", first.id, false);
    await store.pin("a", over.id, true);
    await assertRefused("conflict", () => store.pin("a", more.id, true));
    await store.deleteMessages("a", [second.id]);
    await store.pin("a", more.id, true);
    assertEquals((await pinned(store)).length, MAX_PINS);
  });

  test(`pin() counts the ${MAX_PINS} of each channel for itself`, async (store) => {
    await store.createChannel(channelDraft("a"));
    await store.createChannel(channelDraft("b"));
    await pinAll(store, await fill(store, "a", MAX_PINS));
    const { id } = await say(store, "b", "1");
    assert((await store.pin("b", id, true)).changed);
  });
}
