import { assertEquals, assertExists } from "@std/assert";
import { messagePayload } from "../../src/chat/payload.ts";
import { ChatError } from "../../src/errors.ts";
import type { Message, MessageDraft, Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { eventually } from "../support/eventually.ts";
import { ChatWith, type ChatWithOptions } from "./support/chat_with.ts";
import type { FakeSeat } from "./support/fake_seat.ts";

const [alice, bob] = [{ userId: "alice" }, { userId: "bob" }];
const NO_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const away = new ChatError("unavailable", "The storage failed.");

/** A chat with a member who hears everything. */
async function open(options?: ChatWithOptions): Promise<{ opened: ChatWith; seat: FakeSeat } & AsyncDisposable> {
  const opened = await ChatWith.open(options);
  const { seat } = await opened.visit("witness");
  return { opened, seat, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

/** Sends a message, alice's in `a` where nothing else is said. */
async function send({ chat }: ChatWith, draft: Partial<MessageDraft> = {}): Promise<Message> {
  return (await chat.messages.send({ channelId: "a", userId: "alice", content: "hi", ...draft })).message;
}

/** What a member was told of the channel, but for presence, in order. */
function told({ heard }: FakeSeat): [event: string, payload: unknown][] {
  return heard.filter(({ event }) => !event.startsWith("presence")).map(({ event, payload }) => [event, payload]);
}

/** The events and versions of what a member was told, in order. */
function versions(seat: FakeSeat): unknown[] {
  return told(seat).map(([event, payload]) => [event, (payload as { version?: number }).version]);
}

/** A write of the store that happens, and of which the caller hears that it failed, while `failing`. */
function lost<Name extends keyof Store>(name: Name, state: { failing: boolean }): (store: Store) => Partial<Store> {
  return (store) => ({
    [name]: async (...args: unknown[]) => {
      const outcome = await Reflect.apply(store[name] as (...args: unknown[]) => unknown, store, args);
      if (state.failing) throw away;
      return outcome;
    },
  });
}

// Editing

Deno.test("Messages edit() resolves with the message as it is now and tells the members the same", async () => {
  await using all = await open();
  const { opened, seat } = all;
  const { id, createdAt } = await send(opened, { nonce: "n" });
  opened.clock.nowMs += 5_000;
  const edited = await opened.chat.messages.edit(alice, "a", id, { content: "<@bob>", mentions: ["bob"] });
  assertEquals(edited, {
    id,
    channelId: "a",
    userId: "alice",
    content: "<@bob>",
    createdAt,
    seq: 1,
    version: 2,
    nonce: "n",
    mentions: ["bob"],
    editedAt: createdAt + 5_000,
  });
  assertEquals(await opened.chat.messages.get("a", id), edited);
  assertEquals<unknown>(seat.of("message_updated"), [messagePayload(edited)]);
});

Deno.test("Messages edit() of what is so already tells nobody and uses no number", async () => {
  await using all = await open();
  const message = await send(all.opened);
  assertEquals(await all.opened.chat.messages.edit(alice, "a", message.id, { content: "hi", mentions: [] }), message);
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat), [["new_message", 1], ["new_message", 2]]);
});

Deno.test("Messages edit() of another user's message is forbidden and changes nothing", async () => {
  await using all = await open();
  const message = await send(all.opened);
  await assertRefused("forbidden", () => all.opened.chat.messages.edit(bob, "a", message.id, { content: "x" }));
  assertEquals(await all.opened.chat.messages.get("a", message.id), message);
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat), [["new_message", 1], ["new_message", 2]]);
});

Deno.test("Messages edit() of no message, or one of another channel, is refused as not_found", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  for (const [channelId, messageId] of [["a", NO_ID], ["b", id], ["none", id]] as const) {
    await assertRefused(
      "not_found",
      () => all.opened.chat.messages.edit(alice, channelId, messageId, { content: "x" }),
    );
  }
});

Deno.test("Messages edit() of a deleted message is refused as not_found", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  await all.opened.chat.messages.delete(alice, "a", id);
  await assertRefused("not_found", () => all.opened.chat.messages.edit(alice, "a", id, { content: "x" }));
});

Deno.test("Messages edit() sets, changes and takes away metadata and leaves the content", async () => {
  await using all = await open();
  const { id } = await send(all.opened, { metadata: { a: 1 } });
  const { messages } = all.opened.chat;
  const changed = await messages.edit(alice, "a", id, { metadata: { b: 2 } });
  assertEquals([changed.content, changed.metadata], ["hi", { b: 2 }]);
  const cleared = await messages.edit(alice, "a", id, { metadata: null });
  assertEquals([cleared.content, cleared.metadata, cleared.version], ["hi", undefined, 3]);
});

// Deleting

Deno.test("Messages delete() resolves with a stub and tells the members", async () => {
  await using all = await open();
  const { id, createdAt } = await send(all.opened, { metadata: { a: 1 }, mentions: ["bob"] });
  const stub = await all.opened.chat.messages.delete(alice, "a", id);
  assertEquals(stub, {
    id,
    channelId: "a",
    userId: "alice",
    content: "",
    createdAt,
    seq: 1,
    version: 2,
    deleted: true,
  });
  assertEquals(told(all.seat)[1], ["message_deleted", {
    id,
    channel_id: "a",
    seq: 1,
    version: 2,
    user_id: "alice",
  }]);
});

Deno.test("Messages delete() again gives the same stub and tells nobody", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  const stub = await all.opened.chat.messages.delete(alice, "a", id);
  assertEquals(await all.opened.chat.messages.delete(alice, "a", id), stub);
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat), [["new_message", 1], ["message_deleted", 2], ["new_message", 3]]);
});

Deno.test("Messages delete() of another user's message is forbidden and deletes nothing", async () => {
  await using all = await open();
  const message = await send(all.opened);
  await assertRefused("forbidden", () => all.opened.chat.messages.delete(bob, "a", message.id));
  assertEquals(await all.opened.chat.messages.get("a", message.id), message);
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat), [["new_message", 1], ["new_message", 2]]);
});

Deno.test("Messages delete() of no message, or one of another channel, is refused as not_found", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  for (const [channelId, messageId] of [["a", NO_ID], ["b", id], ["none", id]] as const) {
    await assertRefused("not_found", () => all.opened.chat.messages.delete(alice, channelId, messageId));
  }
});

Deno.test("Messages delete() of a message that is gone meanwhile is refused as not_found", async () => {
  await using all = await open({ store: () => ({ deleteMessages: () => Promise.resolve([]) }) });
  const { id } = await send(all.opened);
  await assertRefused("not_found", () => all.opened.chat.messages.delete(alice, "a", id));
});

// Deleting several

Deno.test("Messages deleteMany() resolves with the stubs and tells the members once", async () => {
  await using all = await open();
  const sent = [await send(all.opened), await send(all.opened), await send(all.opened)];
  const ids = sent.map(({ id }) => id).reverse();
  const stubs = await all.opened.chat.messages.deleteMany(alice, "a", ids);
  assertEquals(stubs.map(({ id, seq, version, deleted }) => [id, seq, version, deleted]), [
    [ids[0], 3, 4, true],
    [ids[1], 2, 5, true],
    [ids[2], 1, 6, true],
  ]);
  assertEquals(told(all.seat).slice(3), [["messages_deleted", { channel_id: "a", ids, version: 6 }]]);
});

Deno.test("Messages deleteMany() is followed by what is said next without a look into the store", async () => {
  let reads = 0;
  await using all = await open({
    store: (store) => ({
      changes: (id, query) => {
        reads++;
        return store.changes(id, query);
      },
    }),
  });
  const sent = [await send(all.opened), await send(all.opened), await send(all.opened)];
  await all.opened.chat.messages.deleteMany(alice, "a", sent.map(({ id }) => id));
  await all.opened.say("bob", "next");
  assertEquals(versions(all.seat).slice(3), [["messages_deleted", 6], ["new_message", 7]]);
  assertEquals(reads, 0);
});

Deno.test("Messages deleteMany() passes over ids of no message and tells what was deleted before to nobody", async () => {
  await using all = await open();
  const [one, two] = [await send(all.opened), await send(all.opened)];
  const elsewhere = await send(all.opened, { channelId: "b" });
  await all.opened.chat.messages.delete(alice, "a", one.id);
  const stubs = await all.opened.chat.messages.deleteMany(alice, "a", [NO_ID, one.id, two.id, elsewhere.id]);
  assertEquals(stubs.map(({ id, version }) => [id, version]), [[one.id, 3], [two.id, 4]]);
  assertEquals(versions(all.seat).slice(2), [["message_deleted", 3], ["message_deleted", 4]]);
  assertEquals((await all.opened.chat.messages.get("b", elsewhere.id)).deleted, undefined);
});

Deno.test("Messages deleteMany() of nothing that is there tells nobody and uses no number", async () => {
  await using all = await open();
  assertEquals(await all.opened.chat.messages.deleteMany(alice, "a", [NO_ID]), []);
  await all.opened.say("bob", "fence");
  assertEquals(versions(all.seat), [["new_message", 1]]);
});

Deno.test("Messages deleteMany() with one of another user is forbidden and deletes none", async () => {
  await using all = await open();
  const [mine, theirs] = [await send(all.opened), await send(all.opened, { userId: "bob" })];
  const ids = [mine.id, theirs.id];
  await assertRefused("forbidden", () => all.opened.chat.messages.deleteMany(alice, "a", ids));
  assertEquals((await all.opened.chat.messages.get("a", mine.id)).deleted, undefined);
  await all.opened.say("bob", "fence");
  assertEquals(versions(all.seat).slice(2), [["new_message", 3]]);
});

Deno.test("Messages deleteMany() in a channel that does not exist is refused as not_found", async () => {
  await using all = await open();
  await assertRefused("not_found", () => all.opened.chat.messages.deleteMany(alice, "none", [NO_ID]));
});

Deno.test("Messages deleteMany() rejects as the store does where that fails", async () => {
  await using all = await open({ store: () => ({ getMessage: () => Promise.reject(away) }) });
  await assertRefused("unavailable", () => all.opened.chat.messages.deleteMany(alice, "a", [NO_ID]));
});

// Reactions

Deno.test("Messages react() of anybody resolves with the message and tells the members the same", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  const message = await all.opened.chat.messages.react(bob, "a", id, "👍", true);
  assertEquals([message.version, message.reactions], [2, [{ emoji: "👍", count: 1, userIds: ["bob"] }]]);
  assertEquals(told(all.seat)[1], ["message_updated", messagePayload(message) as unknown]);
});

Deno.test("Messages react() takes a reaction back", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  await all.opened.chat.messages.react(bob, "a", id, "👍", true);
  all.opened.clock.nowMs += 200;
  const message = await all.opened.chat.messages.react(bob, "a", id, "👍", false);
  assertEquals([message.version, message.reactions], [3, undefined]);
  assertEquals(versions(all.seat).slice(1), [["message_updated", 2], ["message_updated", 3]]);
});

Deno.test("Messages react() with what is so already tells nobody and uses no number", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  for (const on of [false, true, true]) {
    await all.opened.chat.messages.react(bob, "a", id, "👍", on);
    all.opened.clock.nowMs += 200;
  }
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat).slice(1), [["message_updated", 2], ["new_message", 3]]);
});

Deno.test("Messages react() of many at once is two changes, and each is counted and answered", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  const users = Array.from({ length: 50 }, (_, n) => ({ userId: `user ${n}` }));
  const answers = await Promise.all(users.map((user) => all.opened.chat.messages.react(user, "a", id, "👍", true)));
  assertEquals(answers.map(({ version }) => version), [2, ...Array(49).fill(3)]);
  assertEquals(versions(all.seat).slice(1), [["message_updated", 2], ["message_updated", 3]]);
  assertEquals((await all.opened.chat.messages.get("a", id)).reactions?.[0]?.count, 50);
});

Deno.test("Messages react() with a 21st kind is refused as conflict", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  const kinds = Array.from({ length: 21 }, (_, n) => all.opened.chat.messages.react(bob, "a", id, `:${n}:`, true));
  const outcomes = (await Promise.allSettled(kinds)).map(({ status }) => status);
  assertEquals(outcomes, [...Array(20).fill("fulfilled"), "rejected"]);
  await assertRefused("conflict", () => kinds[20]);
});

Deno.test("Messages react() to no message, or a deleted one, is refused as not_found", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  await all.opened.chat.messages.delete(alice, "a", id);
  for (const messageId of [id, NO_ID]) {
    await assertRefused("not_found", () => all.opened.chat.messages.react(bob, "a", messageId, "👍", true));
  }
});

Deno.test("Messages reactors() gives those who reacted in pages", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  for (const userId of ["c", "a", "b"]) {
    await all.opened.chat.messages.react({ userId }, "a", id, "👍", true);
    all.opened.clock.nowMs += 200;
  }
  const { messages } = all.opened.chat;
  assertEquals(await messages.reactors("a", id, { emoji: "👍", limit: 2 }), { userIds: ["a", "b"], hasMore: true });
  const rest = await messages.reactors("a", id, { emoji: "👍", limit: 2, after: "b" });
  assertEquals(rest, { userIds: ["c"], hasMore: false });
});

// Pins

Deno.test("Messages pin() of anybody resolves with the message and tells the members the same, and so when it ends", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  const pinned = await all.opened.chat.messages.pin("a", id, true);
  assertEquals([pinned.version, pinned.pinnedAt], [2, all.opened.clock.nowMs]);
  const unpinned = await all.opened.chat.messages.pin("a", id, false);
  assertEquals([unpinned.version, unpinned.pinnedAt], [3, undefined]);
  const payloads: unknown[] = [pinned, unpinned].map(messagePayload);
  assertEquals(told(all.seat).slice(1), payloads.map((payload) => ["message_updated", payload]));
});

Deno.test("Messages pin() of what is so already tells nobody and uses no number", async () => {
  await using all = await open();
  const { id } = await send(all.opened);
  for (const pinned of [false, true, true]) await all.opened.chat.messages.pin("a", id, pinned);
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat).slice(1), [["message_updated", 2], ["new_message", 3]]);
});

Deno.test("Messages pins() has the newest pin first and forgets a deleted message", async () => {
  await using all = await open();
  const sent = [await send(all.opened), await send(all.opened), await send(all.opened)];
  for (const { id } of [sent[1], sent[0], sent[2]].filter((message) => message !== undefined)) {
    await all.opened.chat.messages.pin("a", id, true);
    all.opened.clock.nowMs += 1_000;
  }
  const pins = async () => (await all.opened.chat.messages.pins("a", { limit: 50 })).messages.map(({ id }) => id);
  assertEquals(await pins(), [sent[2]?.id, sent[0]?.id, sent[1]?.id]);
  await all.opened.chat.messages.delete(alice, "a", sent[0]?.id ?? "");
  assertEquals(await pins(), [sent[2]?.id, sent[1]?.id]);
});

// Replies

Deno.test("Messages send() of a reply quotes the message as it is now, live and in history", async () => {
  await using all = await open();
  const { id } = await send(all.opened, { content: "😀".repeat(150) });
  const reply = await send(all.opened, { userId: "bob", content: "yes", replyTo: id });
  assertEquals(reply.replyTo, { id, userId: "alice", content: "😀".repeat(100) });
  assertEquals<unknown>(all.seat.of("new_message")[1], messagePayload(reply));
  await all.opened.chat.messages.edit(alice, "a", id, { content: "no" });
  assertEquals((await all.opened.chat.messages.get("a", reply.id)).replyTo, { id, userId: "alice", content: "no" });
  await all.opened.chat.messages.delete(alice, "a", id);
  assertEquals((await all.opened.chat.messages.get("a", reply.id)).replyTo, { id });
});

Deno.test("Messages send() of a reply to no message of the channel, or a deleted one, is refused as invalid", async () => {
  await using all = await open();
  const [gone, elsewhere] = [await send(all.opened), await send(all.opened, { channelId: "b" })];
  await all.opened.chat.messages.delete(alice, "a", gone.id);
  for (const replyTo of [NO_ID, gone.id, elsewhere.id]) {
    await assertRefused("invalid", () => send(all.opened, { replyTo }), "reply_to");
  }
  await all.opened.say("alice", "fence");
  assertEquals(versions(all.seat), [["new_message", 1], ["message_deleted", 2], ["new_message", 3]]);
});

// Order

Deno.test("Messages tell of every change in the order of its number, and the last of each message is its history", async () => {
  await using all = await open();
  const { opened, seat } = all;
  const { messages } = opened.chat;
  const sent = await Promise.all(Array.from({ length: 10 }, (_, n) => send(opened, { content: `${n}` })));
  await Promise.all(sent.flatMap(({ id }, n) =>
    [
      messages.edit(alice, "a", id, { content: `${n}!`, mentions: [] }),
      messages.react(bob, "a", id, "👍", true),
      messages.pin("a", id, true),
      ...(n % 3 === 0 ? [messages.delete(alice, "a", id)] : []),
      opened.say("bob", "more"),
    ].map((change) => change.catch((error) => assertEquals(error.code, "not_found")))
  ));
  const { messages: history, headSeq } = await opened.store.history("a", { limit: 100 });
  assertEquals(versions(seat).map((told) => (told as unknown[])[1]), Array.from({ length: headSeq }, (_, n) => n + 1));
  const last = new Map(told(seat).map(([, payload]) => [(payload as { id: string }).id, payload]));
  for (const message of history.filter(({ deleted }) => !deleted)) {
    assertEquals<unknown>(last.get(message.id), messagePayload(message));
  }
});

// An outcome that nobody knows

const LOST: Readonly<Record<string, (opened: ChatWith, id: string) => Promise<unknown>>> = {
  append: (opened) => opened.say("alice", "lost"),
  editMessage: ({ chat }, id) => chat.messages.edit(alice, "a", id, { content: "lost" }),
  deleteMessages: ({ chat }, id) => chat.messages.delete(alice, "a", id),
  react: ({ chat }, id) => chat.messages.react(bob, "a", id, "👍", true),
  pin: ({ chat }, id) => chat.messages.pin("a", id, true),
  eraseUser: ({ chat }) => chat.messages.erase(alice, "alice"),
};
for (const [method, write] of Object.entries(LOST)) {
  Deno.test(`Messages tell the members of a change by ${method}() of which the store said that it failed`, async () => {
    const state = { failing: false };
    await using all = await open({ store: lost(method as keyof Store, state) });
    const { id } = await send(all.opened);
    state.failing = true;
    await assertRefused("unavailable", () => write(all.opened, id));
    await eventually(() => told(all.seat).length > 1);
    const [event, payload] = told(all.seat)[1] ?? [];
    const [changed] = (await all.opened.store.changes("a", { after: 1, limit: 10 })).messages;
    assertExists(changed);
    assertEquals((payload as Message).version, 2);
    const expected = changed.deleted ? "message_deleted" : changed.seq === 2 ? "new_message" : "message_updated";
    assertEquals(event, expected);
  });
}

Deno.test("Messages tell of a message that was changed before anybody heard of it as of a new one", async () => {
  await using all = await open({
    store: (store) => ({
      append: async (draft) => {
        const { message } = await store.append(draft);
        await store.editMessage("a", message.id, { content: "edited" });
        throw away;
      },
    }),
  });
  await assertRefused("unavailable", () => send(all.opened));
  await eventually(() => told(all.seat).length > 0);
  assertEquals(versions(all.seat), [["new_message", 2]]);
});

Deno.test("Messages look into the store after no other failure", async () => {
  let reads = 0;
  await using all = await open({
    store: (store) => ({
      append: () => Promise.reject(new ChatError("conflict", "no")),
      changes: (id, query) => {
        reads++;
        return store.changes(id, query);
      },
    }),
  });
  await assertRefused("conflict", () => send(all.opened));
  assertEquals(reads, 0);
});

// Erasure

Deno.test("Messages erase() deletes all of a user's messages in all channels, tells their members, and says how many", async () => {
  await using all = await open();
  const b = await all.opened.visit("witness", { channelId: "b" });
  const mine = [await send(all.opened), await send(all.opened), await send(all.opened, { channelId: "b" })];
  const theirs = await send(all.opened, { userId: "bob" });
  assertEquals(await all.opened.chat.messages.erase(alice, "alice"), 3);
  assertEquals(versions(all.seat).slice(3), [["message_deleted", 4], ["message_deleted", 5]]);
  assertEquals(versions(b.seat).slice(1), [["message_deleted", 2]]);
  for (const { channelId, id } of mine) {
    assertEquals((await all.opened.chat.messages.get(channelId, id)).deleted, true);
  }
  assertEquals(await all.opened.chat.messages.get("a", theirs.id), theirs);
});

Deno.test("Messages erase() goes on step by step to the last of 250 messages", async () => {
  await using all = await open();
  await Promise.all(Array.from({ length: 250 }, (_, n) => all.opened.say(n % 5 === 0 ? "bob" : "alice", `${n}`)));
  assertEquals(await all.opened.chat.messages.erase(alice, "alice"), 200);
  assertEquals(
    all.seat.of("message_deleted").map(({ version }) => version),
    Array.from({ length: 200 }, (_, n) => 251 + n),
  );
  assertEquals(await all.opened.chat.messages.erase(alice, "alice"), 0);
});

Deno.test("Messages erase() of another user is forbidden and deletes nothing", async () => {
  await using all = await open();
  const message = await send(all.opened);
  await assertRefused("forbidden", () => all.opened.chat.messages.erase(bob, "alice"));
  assertEquals(await all.opened.chat.messages.get("a", message.id), message);
});

// Export, changes

Deno.test("Messages export() gives everything, oldest first, in pages of 500, deleted messages too", async () => {
  await using all = await open();
  await Promise.all(Array.from({ length: 1_001 }, (_, n) => all.opened.say("alice", `${n}`)));
  const [{ id } = { id: "" }] = (await all.opened.store.history("a", { limit: 1 })).messages;
  await all.opened.chat.messages.delete(alice, "a", id);
  const pages = await Array.fromAsync(all.opened.chat.messages.export("a"));
  assertEquals(pages.map(({ length }) => length), [500, 500, 1]);
  assertEquals(pages.flat().map(({ seq }) => seq), Array.from({ length: 1_001 }, (_, n) => n + 1));
  assertEquals(pages.flat().at(-1)?.deleted, true);
});

Deno.test("Messages export() of an empty channel gives nothing", async () => {
  await using all = await open();
  assertEquals((await Array.fromAsync(all.opened.chat.messages.export("a"))).flat(), []);
});

Deno.test("Messages export() reads no page before it is asked for", async () => {
  let reads = 0;
  await using all = await open({
    store: (store) => ({
      history: (id, query) => {
        if (query.after !== undefined) reads++;
        return store.history(id, query);
      },
    }),
  });
  await Promise.all(Array.from({ length: 1_001 }, (_, n) => all.opened.say("alice", `${n}`)));
  const pages = all.opened.chat.messages.export("a");
  assertEquals(reads, 0);
  await pages.next();
  await pages.return(undefined);
  assertEquals(reads, 1);
});

Deno.test("Messages changes() gives what changed since, in the order of the changes", async () => {
  await using all = await open();
  const [one, two] = [await send(all.opened), await send(all.opened)];
  await all.opened.chat.messages.edit(alice, "a", one.id, { content: "x" });
  const { epoch } = await all.opened.chat.getChannel("a");
  const { messages, headSeq } = await all.opened.chat.messages.changes("a", { after: 1, epoch, limit: 10 });
  assertEquals([messages.map(({ id }) => id), headSeq], [[two.id, one.id], 3]);
});

Deno.test("Messages changes() of another epoch is refused as conflict", async () => {
  await using all = await open();
  const { messages } = all.opened.chat;
  await assertRefused("conflict", () => messages.changes("a", { after: 0, epoch: "other", limit: 10 }), "epoch");
});

Deno.test("Messages changes() of what retention has removed is refused as conflict, but for a beginning anew", async () => {
  await using all = await open();
  for (const content of ["1", "2", "3", "4"]) await all.opened.say("alice", content);
  await all.opened.store.updateChannel("a", { retentionCount: 2 });
  await all.opened.chat.sweepStore();
  const { messages } = all.opened.chat;
  await assertRefused("conflict", () => messages.changes("a", { after: 1, limit: 10 }), "retention");
  const seqs = async (after: number) =>
    (await messages.changes("a", { after, limit: 10 })).messages.map(({ seq }) => seq);
  assertEquals([await seqs(0), await seqs(2), await seqs(3)], [[3, 4], [3, 4], [4]]);
});
