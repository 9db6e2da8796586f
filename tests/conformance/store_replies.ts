/**
 * What every {@linkcode Store} keeps to with replies, and with nonces of messages that have changed since.
 *
 * @module
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import type { Message, MessageDraft, Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import {
  allOf,
  channelDraft,
  channelWith,
  createChannels,
  headOf,
  say,
  send,
  type StoreSuite,
  testsOf,
  UNKNOWN_ID,
} from "./store_support.ts";

/** Registers this part of the suite for one adapter. */
export function testStoreReplies(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  // Replies

  test("append() resolves with a reply that quotes the message it answers", async (store) => {
    const [target] = await channelWith(store, "question");
    const { replyTo } = await send(store, { userId: "v", replyTo: target.id });
    assertEquals(replyTo, { id: target.id, userId: "u", content: "question" });
  });

  const READINGS: Record<string, (store: Store, reply: Message) => Promise<readonly Message[]>> = {
    "getMessage()": async (store, { id }) => [await store.getMessage("a", id)],
    "history()": async (store, { id }) => (await store.history("a", { limit: 1, around: id })).messages,
    "changes()": async (store, { version }) => (await store.changes("a", { after: version - 1, limit: 1 })).messages,
    "pins()": async (store) => (await store.pins("a", { limit: 1 })).messages,
    "search()": async (store) =>
      (await store.search({ terms: [{ text: "answer", prefix: false }], limit: 1 })).messages,
  };
  for (const [method, read] of Object.entries(READINGS)) {
    test(`${method} quotes the message that is answered as it is now`, async (store) => {
      const [target] = await channelWith(store, "question");
      const { id } = await send(store, { content: "answer", replyTo: target.id });
      const { message: reply } = await store.pin("a", id, true);
      const quotes: unknown[] = [];
      const quote = async () => quotes.push(...(await read(store, reply)).map(({ replyTo }) => replyTo));
      await quote();
      await store.editMessage("a", target.id, { content: "other" });
      await quote();
      await store.deleteMessages("a", [target.id]);
      await quote();
      assertEquals(quotes, [
        { id: target.id, userId: "u", content: "question" },
        { id: target.id, userId: "u", content: "other" },
        { id: target.id },
      ]);
    });
  }

  test("a reply has no new version when the message it answers changes", async (store) => {
    const [target] = await channelWith(store, "question");
    const { id } = await send(store, { replyTo: target.id });
    await store.editMessage("a", target.id, { content: "other" });
    await store.deleteMessages("a", [target.id]);
    assertEquals((await store.getMessage("a", id)).version, 2);
  });

  const LENGTHS: Record<string, [content: string, quoted: string]> = {
    "100 letters whole": ["x".repeat(100), "x".repeat(100)],
    "the first 100 of 101 letters": ["x".repeat(101), "x".repeat(100)],
    "the first 100 of 4,000 emoji": ["😀".repeat(4_000), "😀".repeat(100)],
    "code points, not what looks like one character": [
      "é".normalize("NFD").repeat(60),
      "é".normalize("NFD").repeat(50),
    ],
    "blanks around it": [" \n hi \t ", " \n hi \t "],
  };
  for (const [kind, [content, quoted]] of Object.entries(LENGTHS)) {
    test(`append() quotes ${kind}`, async (store) => {
      const [target] = await channelWith(store, content);
      const { id, replyTo } = await send(store, { replyTo: target.id });
      assert(replyTo?.content === quoted);
      assertEquals((await store.getMessage("a", id)).replyTo, replyTo);
    });
  }

  test("append() quotes of a reply its own words", async (store) => {
    const [first] = await channelWith(store, "first");
    const second = await send(store, { content: "second", replyTo: first.id });
    const third = await send(store, { content: "third", replyTo: second.id });
    assertEquals(third.replyTo, { id: second.id, userId: "u", content: "second" });
  });

  test("append() answers a message that is not waited for", async (store) => {
    const [target] = await channelWith(store, "old");
    const editing = store.editMessage("a", target.id, { content: "new" });
    assertEquals((await send(store, { replyTo: target.id })).replyTo?.content, "new");
    await editing;
  });

  const NO_TARGETS: Record<string, (store: Store) => Promise<string>> = {
    "in another channel": async (store) => (await say(store, "b", "elsewhere")).id,
    "not there": () => Promise.resolve(UNKNOWN_ID),
    "deleted": async (store) => {
      const { id } = await say(store, "a", "doomed");
      await store.deleteMessages("a", [id]);
      return id;
    },
  };
  for (const [kind, target] of Object.entries(NO_TARGETS)) {
    test(`append() rejects with invalid where the message it answers is ${kind}, and stores nothing`, async (store) => {
      await createChannels(store, ["a", "b"]);
      await say(store, "a", "hi");
      const replyTo = await target(store);
      const before = await allOf(store);
      await assertRefused("invalid", () => send(store, { replyTo, nonce: "n" }));
      assertEquals(await allOf(store), before);
      assert((await store.append({ channelId: "a", userId: "u", content: "hi", nonce: "n" })).created);
    });
  }

  // Nonces

  async function sent(store: Store, more: Partial<MessageDraft> = {}): Promise<[MessageDraft, Message]> {
    const draft = { channelId: "a", userId: "u", content: "hi", nonce: "n", ...more };
    return [draft, (await store.append(draft)).message];
  }

  const EDITS: Record<string, (store: Store, id: string) => Promise<unknown>> = {
    "other content": (store, id) => store.editMessage("a", id, { content: "new", mentions: [] }),
    "other metadata": (store, id) => store.editMessage("a", id, { metadata: { b: 2 } }),
    "no metadata": (store, id) => store.editMessage("a", id, { metadata: null }),
    "other content twice": async (store, id) => {
      await store.editMessage("a", id, { content: "new" });
      await store.editMessage("a", id, { content: "newer", metadata: null });
    },
    "the content that it had": async (store, id) => {
      await store.editMessage("a", id, { content: "new" });
      await store.editMessage("a", id, { content: "hi" });
    },
    "a reaction and a pin": async (store, id) => {
      await store.react("a", id, [{ userId: "v", emoji: "👍", on: true }]);
      await store.pin("a", id, true);
    },
  };
  for (const [kind, edit] of Object.entries(EDITS)) {
    test(`append() of a nonce again gives the message as it is after it got ${kind}`, async (store) => {
      const [target] = await channelWith(store, "question");
      const [draft, { id }] = await sent(store, { replyTo: target.id, metadata: { a: 1 }, mentions: ["v"] });
      await edit(store, id);
      const head = await headOf(store);
      assertEquals(await store.append(draft), { message: await store.getMessage("a", id), created: false });
      assertEquals(await headOf(store), head);
    });
    test(`append() rejects other content with a nonce whose message got ${kind}`, async (store) => {
      const [target] = await channelWith(store, "question");
      const [draft, { id }] = await sent(store, { replyTo: target.id, metadata: { a: 1 } });
      await edit(store, id);
      for (const content of ["new", "newer", "other"]) {
        await assertRefused("conflict", () => store.append({ ...draft, content }));
      }
      await assertRefused("conflict", () => store.append({ ...draft, metadata: { b: 2 } }));
    });
  }

  test("append() of a nonce again gives the stub of a deleted message", async (store) => {
    await store.createChannel(channelDraft("a"));
    const [draft, { id }] = await sent(store, { metadata: { a: 1 } });
    await store.deleteMessages("a", [id]);
    const { message, created } = await store.append(draft);
    assertFalse(created);
    assert(message.deleted);
    assertEquals(message, await store.getMessage("a", id));
    assertEquals(await headOf(store), 2);
  });

  test("append() of a nonce again gives the stub of a message that was edited, then deleted", async (store) => {
    await store.createChannel(channelDraft("a"));
    const [draft, { id }] = await sent(store);
    await store.editMessage("a", id, { content: "new" });
    await store.deleteMessages("a", [id]);
    assertEquals(await store.append(draft), { message: await store.getMessage("a", id), created: false });
  });

  test("append() of a nonce again gives the reply also when what it answers was deleted since", async (store) => {
    const [target] = await channelWith(store, "question");
    const [draft, { id }] = await sent(store, { replyTo: target.id });
    await store.deleteMessages("a", [target.id]);
    assertEquals(await store.append(draft), { message: await store.getMessage("a", id), created: false });
  });

  const OTHERS: Record<string, (more: { one: string; two: string }) => [Partial<MessageDraft>, Partial<MessageDraft>]> =
    {
      "for an answer to another message": ({ one, two }) => [{ replyTo: one }, { replyTo: two }],
      "for an answer, and it is none": ({ one }) => [{ replyTo: one }, {}],
      "for no answer, and it is one": ({ one }) => [{}, { replyTo: one }],
      "with other metadata": () => [{ metadata: { a: 1 } }, { metadata: { a: 2 } }],
      "with metadata, and it has none": () => [{ metadata: { a: 1 } }, {}],
      "without metadata, and it has some": () => [{}, { metadata: {} }],
    };
  for (const [kind, drafts] of Object.entries(OTHERS)) {
    test(`append() rejects with conflict where the nonce was used ${kind}`, async (store) => {
      const [one, two] = await channelWith(store, "1", "2");
      const [first, second] = drafts({ one: one.id, two: two.id });
      const [draft] = await sent(store, first);
      const { replyTo: _, metadata: __, ...plain } = draft;
      await assertRefused("conflict", () => store.append({ ...plain, ...second }));
      assertFalse((await store.append(draft)).created);
      assertEquals(await headOf(store), 3);
    });
  }
}
