/**
 * What every {@linkcode Store} keeps to when messages are edited and deleted.
 *
 * @module
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Message, MessagePatch } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  allOf,
  channelDraft,
  channelWith,
  contents,
  createChannels,
  headOf,
  NOON,
  numbers,
  say,
  sayAll,
  send,
  type StoreSuite,
  testsOf,
  UNKNOWN_ID,
} from "./store_support.ts";

/** Registers this part of the suite for one adapter. */
export function testStoreMessages(name: string, suite: StoreSuite): void {
  const { test, testWithClock } = testsOf(name, suite);

  // Metadata and mentions of a new message

  test("append() keeps metadata and mentions as they are", async (store) => {
    await store.createChannel(channelDraft("a"));
    const metadata = { a: [1, -0.5, { b: null }], "é😀": "\\\"'", empty: {}, yes: true, constructor: "x" };
    const mentions = ["v", 'quo"te', "back\\slash", "com,ma", "😀", "__proto__"];
    const message = await send(store, { metadata, mentions });
    assertEquals([message.metadata, message.mentions], [metadata, mentions]);
    assertEquals(await store.getMessage("a", message.id), message);
  });

  test("append() leaves out metadata, mentions and what nobody did to the message", async (store) => {
    await store.createChannel(channelDraft("a"));
    const { id } = await send(store, { mentions: [] });
    assertEquals(Object.keys(await store.getMessage("a", id)).toSorted(), [
      "channelId",
      "content",
      "createdAt",
      "id",
      "seq",
      "userId",
      "version",
    ]);
  });

  // Editing

  test("editMessage() gives a message other content and the next seq for a version, and dates it", async (store) => {
    const [message] = await channelWith(store, "old", "other");
    const { message: { editedAt, ...edited }, changed } = await store.editMessage("a", message.id, { content: "new" });
    assert(changed);
    assertEquals(edited, { ...message, content: "new", version: 3 });
    assertEquals(typeof editedAt, "number");
    assertEquals(await headOf(store), 3);
  });

  testWithClock("editMessage() dates the last edit by the clock", async (store, clock) => {
    const [{ id }] = await channelWith(store, "old");
    clock.nowMs += 5;
    await store.editMessage("a", id, { content: "new" });
    clock.nowMs += 5;
    const { message: { createdAt, editedAt } } = await store.editMessage("a", id, { content: "newer" });
    assertEquals([createdAt, editedAt], [NOON, NOON + 10]);
  });

  test("editMessage() resolves with the message as it is read back", async (store) => {
    const [{ id }] = await channelWith(store, "old");
    const patch = { content: "👩‍👩‍👧‍👦 '\"\\ \u{10FFFF}", mentions: ["v"], metadata: { a: 1 } };
    const { message } = await store.editMessage("a", id, patch);
    assertEquals(await store.getMessage("a", id), message);
    assertEquals(await allOf(store), [message]);
  });

  test("editMessage() keeps everything else of the message", async (store) => {
    const [target] = await channelWith(store, "target");
    const { id } = await send(store, { nonce: "n", replyTo: target.id, metadata: { a: 1 }, mentions: ["v"] });
    await store.react("a", id, [{ userId: "v", emoji: "👍", on: true }]);
    const { message: before } = await store.pin("a", id, true);
    const { message: { editedAt: _, ...after } } = await store.editMessage("a", id, { content: "new" });
    assertEquals(after, { ...before, content: "new", version: 5 });
  });

  test("editMessage() leaves the other messages as they are", async (store) => {
    const [first, second, third] = await channelWith(store, "1", "2", "3");
    await store.createChannel(channelDraft("b"));
    const elsewhere = await say(store, "b", "2");
    const { message } = await store.editMessage("a", second.id, { content: "new" });
    assertEquals(await allOf(store), [first, message, third]);
    assertEquals(await allOf(store, "b"), [elsewhere]);
  });

  const MENTIONS: Record<string, [MessagePatch, string[] | undefined]> = {
    "others that come with the content": [{ content: "new", mentions: ["x", "y"] }, ["x", "y"]],
    "none where none come with the content": [{ content: "new", mentions: [] }, undefined],
    "those it has where the metadata alone changes": [{ metadata: { a: 1 } }, ["v", "w"]],
  };
  for (const [kind, [patch, mentions]] of Object.entries(MENTIONS)) {
    test(`editMessage() gives the message mentions: ${kind}`, async (store) => {
      await store.createChannel(channelDraft("a"));
      const { id } = await send(store, { mentions: ["v", "w"] });
      assertEquals((await store.editMessage("a", id, patch)).message.mentions, mentions);
      assertEquals((await store.getMessage("a", id)).mentions, mentions);
    });
  }

  const METADATA: Record<string, [MessagePatch, unknown]> = {
    "other metadata in the place of all it has": [{ metadata: { b: 2 } }, { b: 2 }],
    "an empty object": [{ metadata: {} }, {}],
    "none where it is null": [{ metadata: null }, undefined],
    "what it has where the content alone changes": [{ content: "new" }, { a: 1 }],
  };
  for (const [kind, [patch, metadata]] of Object.entries(METADATA)) {
    test(`editMessage() gives the message metadata: ${kind}`, async (store) => {
      await store.createChannel(channelDraft("a"));
      const { id, content } = await send(store, { metadata: { a: 1 } });
      const { message, changed } = await store.editMessage("a", id, patch);
      assert(changed);
      assertEquals([message.content, message.metadata], [patch.content ?? content, metadata]);
      assertEquals(await store.getMessage("a", id), message);
    });
  }

  test("editMessage() with what the message has changes nothing and takes no seq", async (store) => {
    await store.createChannel(channelDraft("a"));
    const message = await send(store, { metadata: { a: 1 }, mentions: ["v"] });
    const { content } = message;
    const patches = [{ content, mentions: ["v"] }, { metadata: { a: 1 } }, { content, metadata: { a: 1 } }, {}];
    for (const patch of patches) {
      assertEquals(await store.editMessage("a", message.id, patch), { message, changed: false });
    }
    assertEquals(await headOf(store), 1);
  });

  test("editMessage() that takes away metadata where there is none changes nothing", async (store) => {
    const [message] = await channelWith(store, "hi");
    assertEquals(await store.editMessage("a", message.id, { metadata: null }), { message, changed: false });
  });

  test("editMessage() called 20 times at once takes a seq for each, the last call's content stays", async (store) => {
    const [{ id }] = await channelWith(store, "old");
    const edits = numbers(1, 20).map((n) => store.editMessage("a", id, { content: String(n) }));
    assertEquals((await Promise.all(edits)).map(({ message }) => message.version), numbers(2, 21));
    assertEquals((await store.getMessage("a", id)).content, "20");
  });

  test("append() after an edit takes the seq after it", async (store) => {
    const [{ id }] = await channelWith(store, "old");
    await store.editMessage("a", id, { content: "new" });
    const { seq, version } = await say(store, "a", "next");
    assertEquals([seq, version], [3, 3]);
  });

  test("getMessage() and history() find messages by their ids wherever changes took the seqs between them", async (store) => {
    await store.createChannel(channelDraft("a"));
    const all: Message[] = [];
    for (const n of numbers(1, 12)) {
      all.push(await say(store, "a", String(n)));
      for (const change of numbers(1, n % 4)) {
        await store.editMessage("a", all[0]?.id ?? "", { metadata: { n, change } });
      }
    }
    for (const { id, seq } of all) {
      assertEquals((await store.getMessage("a", id)).seq, seq);
      assertEquals((await store.history("a", { limit: 1, around: id })).messages[0]?.seq, seq);
      assert((await store.pin("a", id, true)).changed);
    }
  });

  // Deleting

  test("deleteMessages() leaves a stub: its place, its author and its times, and nothing else", async (store) => {
    const [target] = await channelWith(store, "target");
    const sent = await send(store, { replyTo: target.id, metadata: { a: 1 }, mentions: ["v"] });
    await store.react("a", sent.id, [{ userId: "v", emoji: "👍", on: true }]);
    await store.pin("a", sent.id, true);
    await store.editMessage("a", sent.id, { content: "edited" });
    const { id, channelId, userId, createdAt, seq } = sent;
    const stub = { id, channelId, userId, content: "", createdAt, seq, version: 6, deleted: true as const };
    assertEquals(await store.deleteMessages("a", [id]), [{ message: stub, changed: true }]);
    assertEquals(await store.getMessage("a", id), stub);
    assertEquals(await allOf(store), [target, stub]);
  });

  test("deleteMessages() leaves nobody who reacted, and no pin", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    await store.react("a", id, [{ userId: "v", emoji: "👍", on: true }]);
    await store.pin("a", id, true);
    await store.deleteMessages("a", [id]);
    assertEquals(await store.reactors("a", id, { emoji: "👍", limit: 10 }), { userIds: [], hasMore: false });
    assertEquals((await store.pins("a", { limit: 10 })).messages, []);
  });

  test("deleteMessages() gives each its own seq, one after the other in the order of the ids", async (store) => {
    const [one, two, three] = await channelWith(store, "1", "2", "3", "4");
    const outcomes = await store.deleteMessages("a", [three.id, one.id, two.id]);
    assertEquals(outcomes.map(({ message }) => [message.seq, message.version]), [[3, 5], [1, 6], [2, 7]]);
    assertEquals(await headOf(store), 7);
  });

  test("deleteMessages() leaves what is deleted already as it is and takes no seq for it", async (store) => {
    const [one, two] = await channelWith(store, "1", "2");
    const [first] = await store.deleteMessages("a", [one.id]);
    const [again, second] = await store.deleteMessages("a", [one.id, two.id]);
    assertEquals(again, { message: first?.message, changed: false });
    assertEquals([second?.changed, second?.message.version, await headOf(store)], [true, 4, 4]);
  });

  test("deleteMessages() deletes a message once whose id is given twice", async (store) => {
    const [{ id }] = await channelWith(store, "1");
    const outcomes = await store.deleteMessages("a", [id, id]);
    assertEquals(outcomes.filter(({ changed }) => changed).map(({ message }) => message.version), [2]);
    assertEquals(await headOf(store), 2);
  });

  test("deleteMessages() passes over ids of no message and of other channels", async (store) => {
    const [one] = await channelWith(store, "1");
    await store.createChannel(channelDraft("b"));
    const elsewhere = await say(store, "b", "hi");
    const outcomes = await store.deleteMessages("a", [UNKNOWN_ID, elsewhere.id, "", one.id, `${one.id}0`]);
    assertEquals(outcomes.map(({ message }) => message.id), [one.id]);
    assertEquals(await allOf(store, "b"), [elsewhere]);
  });

  test("deleteMessages() of nothing takes no seq", async (store) => {
    await channelWith(store, "1");
    assertEquals(await store.deleteMessages("a", []), []);
    assertEquals(await store.deleteMessages("a", [UNKNOWN_ID]), []);
    assertEquals(await headOf(store), 1);
  });

  test("deleteMessages() leaves the messages beside it as they are", async (store) => {
    const [one, two, three] = await channelWith(store, "1", "2", "3");
    await store.deleteMessages("a", [two.id]);
    const [first, , last] = await allOf(store);
    assertEquals([first, last], [one, three]);
  });

  test("deleteMessages() leaves cursors in their place", async (store) => {
    const [, two] = await channelWith(store, "1", "2", "3");
    await store.deleteMessages("a", [two.id]);
    assertEquals(contents((await store.history("a", { limit: 5, before: two.id })).messages), ["1"]);
    assertEquals(contents((await store.history("a", { limit: 5, after: two.id })).messages), ["3"]);
  });

  const CHANGES = {
    editMessage: (store, channelId, id) => store.editMessage(channelId, id, { content: "new" }),
    react: (store, channelId, id) => store.react(channelId, id, [{ userId: "u", emoji: "👍", on: true }]),
    pin: (store, channelId, id) => store.pin(channelId, id, true),
    "pin(false)": (store, channelId, id) => store.pin(channelId, id, false),
  } satisfies Record<
    string,
    (store: Parameters<Parameters<typeof test>[1]>[0], channelId: string, id: string) => Promise<unknown>
  >;
  for (const [method, change] of Object.entries(CHANGES)) {
    test(`${method} rejects with not_found for a deleted message and leaves its stub`, async (store) => {
      const [{ id }] = await channelWith(store, "hi");
      await store.deleteMessages("a", [id]);
      const stub = await store.getMessage("a", id);
      await assertRefused("not_found", () => change(store, "a", id));
      assertEquals([await store.getMessage("a", id), await headOf(store)], [stub, 2]);
    });
    test(`${method} rejects with not_found for a message that is not in the channel`, async (store) => {
      await createChannels(store, ["b"]);
      const [{ id }] = await channelWith(store, "hi");
      await sayAll(store, "ho");
      await assertRefused("not_found", () => change(store, "a", UNKNOWN_ID));
      await assertRefused("not_found", () => change(store, "b", id));
      await assertRefused("not_found", () => change(store, "nowhere", id));
      assertEquals([await headOf(store), await headOf(store, "b")], [2, 0]);
    });
  }

  test("a message that was deleted takes part in no later change", async (store) => {
    const [one] = await channelWith(store, "1");
    await store.deleteMessages("a", [one.id]);
    assertFalse((await store.deleteMessages("a", [one.id]))[0]?.changed);
    assertEquals((await say(store, "a", "2")).seq, 3);
  });
}
