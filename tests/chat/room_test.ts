import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { messagePayload, timestamp } from "../../src/chat/payload.ts";
import { roomRouter } from "../../src/chat/room.ts";
import { ChatError } from "../../src/errors.ts";
import type { Member } from "../../src/phoenix/channel.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { ChatWith, type ChatWithOptions, read, type Welcome } from "./support/chat_with.ts";
import { FakeSeat } from "./support/fake_seat.ts";

/** A member of a room. */
interface Joined {
  readonly seat: FakeSeat;
  readonly member: Member;
  readonly welcome: Welcome;
}

/** Takes a token for the user id, but `bad`; it ends at a fixed time. */
const authenticate = (token = "") =>
  token === "bad"
    ? Promise.reject(new ChatError("unauthorized", "The token is not valid."))
    : Promise.resolve({ userId: token, expiresAt: Date.UTC(2026, 0, 1) });

/** The rooms of one test, left at its end. */
class Rooms implements AsyncDisposable {
  readonly opened: ChatWith;
  readonly #members = new Set<Member>();

  private constructor(opened: ChatWith) {
    this.opened = opened;
  }

  static async open(options: ChatWithOptions = {}): Promise<Rooms> {
    return new Rooms(await ChatWith.open(options));
  }

  async join(userId: string, payload: unknown = {}, channelId = "a"): Promise<Joined> {
    const seat = new FakeSeat(userId, channelId);
    const join = roomRouter(this.opened.chat, authenticate)(seat.topic);
    if (!join) throw new Error("no room");
    const member = await join(seat, payload);
    this.#members.add(member);
    seat.onClose = () => this.leave(member, "closed");
    return { seat, member, welcome: read(member.welcome) };
  }

  leave(member: Member, reason: "left" | "closed"): void {
    if (this.#members.delete(member)) member.leave(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) this.leave(member, "left");
    await this.opened[Symbol.asyncDispose]();
  }
}

// Joining

Deno.test("roomRouter() has a room for each text channel and for nothing else", async () => {
  await using rooms = await Rooms.open();
  const route = roomRouter(rooms.opened.chat, authenticate);
  for (const topic of ["text_channel:a", "text_channel:", "text_channel:no such"]) {
    assertEquals(typeof route(topic), "function", topic);
  }
  for (const topic of ["", "a", "text_channel", "Text_channel:a", "voice_channel:a", "__proto__", " text_channel:a"]) {
    assertEquals(route(topic), undefined, topic);
  }
});

Deno.test("Room join is answered with messages, head_seq, epoch and channel", async () => {
  await using rooms = await Rooms.open();
  await rooms.opened.say("alice", "hi");
  const { welcome } = await rooms.join("bob");
  const { messages, epoch } = await rooms.opened.store.history("a", { limit: 50 });
  assertEquals<unknown>(welcome.messages, messages.map(messagePayload));
  assertEquals([welcome.head_seq, welcome.epoch, welcome.channel.id], [1, epoch, "a"]);
});

Deno.test("Room join gives the newest 50 messages, oldest first", async () => {
  await using rooms = await Rooms.open();
  for (let n = 1; n <= 60; n++) await rooms.opened.say("alice", String(n));
  const { welcome } = await rooms.join("bob");
  assertEquals(welcome.messages.map(({ seq }) => seq), Array.from({ length: 50 }, (_, n) => 11 + n));
});

Deno.test("Room join gives as many messages as limit says", async () => {
  await using rooms = await Rooms.open();
  for (let n = 1; n <= 5; n++) await rooms.opened.say("alice", String(n));
  for (const limit of [0, 3]) {
    assertEquals((await rooms.join("bob", { limit })).welcome.messages.length, limit);
  }
});

for (const limit of [-1, 101, 1.5, "10"]) {
  Deno.test(`Room join with limit ${JSON.stringify(limit)} is refused as invalid`, async () => {
    await using rooms = await Rooms.open();
    await assertRefused("invalid", () => rooms.join("bob", { limit }));
    assertEquals(rooms.opened.chat.activeChannels, 0);
  });
}

Deno.test("Room join with bytes or null for a payload gives what an empty object does", async () => {
  await using rooms = await Rooms.open();
  await rooms.opened.say("alice", "hi");
  for (const payload of [new Uint8Array([1]), null]) {
    assertEquals((await rooms.join("bob", payload)).welcome.messages.length, 1);
  }
});

for (const id of ["", "a b", "a/b", "a".repeat(65), "ä", "a\n", "*", "a:b"]) {
  Deno.test(`Room join of the malformed channel id ${JSON.stringify(id)} is refused as invalid`, async () => {
    await using rooms = await Rooms.open({ adHocChannels: true });
    await assertRefused("invalid", () => rooms.join("bob", {}, id));
  });
}

Deno.test("Room join of a channel that does not exist is refused as not_found", async () => {
  await using rooms = await Rooms.open();
  await assertRefused("not_found", () => rooms.join("bob", {}, "nowhere"));
});

Deno.test("Room join makes the channel where channels are made ad hoc, whatever it is called", async () => {
  await using rooms = await Rooms.open({ adHocChannels: true });
  for (const id of ["new", "__proto__", "constructor", "toString"]) {
    assertEquals((await rooms.join("bob", {}, id)).welcome.channel.id, id);
  }
});

// new_message

Deno.test("Room new_message is answered with id, seq and timestamp of the stored message", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  const reply = await member.handle("new_message", { content: "hi" });
  const [message] = (await rooms.opened.store.history("a", { limit: 1 })).messages;
  assertEquals(reply, { id: message?.id, seq: 1, timestamp: timestamp(message?.createdAt ?? 0) });
});

Deno.test("Room new_message is answered with the nonce it came with", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  const reply = await member.handle("new_message", { content: "hi", nonce: "n" });
  assertEquals((reply as Record<string, unknown>).nonce, "n");
});

Deno.test("Room new_message of a nonce again is answered as before", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  const reply = await alice.member.handle("new_message", { content: "hi", nonce: "n" });
  assertEquals(await alice.member.handle("new_message", { content: "hi", nonce: "n" }), reply);
  assertEquals(bob.seat.seqs, [1]);
});

Deno.test("Room new_message of a nonce with other content is refused as conflict", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  await member.handle("new_message", { content: "hi", nonce: "n" });
  await assertRefused("conflict", () => member.handle("new_message", { content: "ho", nonce: "n" }));
});

Deno.test("Room new_message reaches all, its sender too", async () => {
  await using rooms = await Rooms.open();
  const members = [await rooms.join("alice"), await rooms.join("bob")];
  await members[0]?.member.handle("new_message", { content: "hi" });
  const [message] = (await rooms.opened.store.history("a", { limit: 1 })).messages;
  for (const { seat } of members) {
    assertEquals<unknown>(seat.of("new_message"), message ? [messagePayload(message)] : []);
  }
});

Deno.test("Room new_message has reached its sender when it is answered", async () => {
  await using rooms = await Rooms.open();
  const { seat, member } = await rooms.join("alice");
  const sending = member.handle("new_message", { content: "hi" });
  assertEquals(seat.seqs, []);
  await sending;
  assertEquals(seat.seqs, [1]);
});

Deno.test("Room new_message is its identity's, whatever user_id the payload claims", async () => {
  await using rooms = await Rooms.open();
  const { seat, member } = await rooms.join("alice");
  await member.handle("new_message", { content: "hi", user_id: "eve", userId: "eve", id: "x", seq: 99 });
  const [message] = seat.of("new_message");
  assertEquals([message?.user_id, message?.seq], ["alice", 1]);
});

Deno.test("Room new_message goes to its own channel, whatever channel_id the payload claims", async () => {
  await using rooms = await Rooms.open();
  const [here, there] = [await rooms.join("alice"), await rooms.join("alice", {}, "b")];
  await here.member.handle("new_message", { content: "hi", channel_id: "b", channelId: "b" });
  await there.member.handle("new_message", { content: "fence" });
  assertEquals(there.seat.of("new_message").map(({ content }) => content), ["fence"]);
});

Deno.test("Room new_message pushes that do not wait for one another keep their order", async () => {
  await using rooms = await Rooms.open();
  const { seat, member } = await rooms.join("alice");
  const contents = Array.from({ length: 50 }, (_, n) => String(n));
  await Promise.all(contents.map((content) => member.handle("new_message", { content })));
  assertEquals(seat.of("new_message").map(({ content }) => content), contents);
});

const BAD_MESSAGES: Readonly<Record<string, unknown>> = {
  "null": null,
  "bytes": new Uint8Array([1]),
  "an array": [],
  "a text": "hi",
  "no content": {},
  "empty content": { content: "" },
  "blank content": { content: " \n" },
  "content that is no text": { content: 7 },
  "a lone surrogate": { content: "\uD83D" },
  "4,001 emoji": { content: "😀".repeat(4_001) },
  "an empty nonce": { content: "hi", nonce: "" },
  "a nonce that is null": { content: "hi", nonce: null },
};
for (const [kind, payload] of Object.entries(BAD_MESSAGES)) {
  Deno.test(`Room new_message with ${kind} is refused as invalid and stored nowhere`, async () => {
    await using rooms = await Rooms.open();
    const { seat, member } = await rooms.join("alice");
    await assertRefused("invalid", () => member.handle("new_message", payload));
    await member.handle("new_message", { content: "fence" });
    assertEquals(seat.of("new_message").map(({ content }) => content), ["fence"]);
  });
}

Deno.test("Room new_message is refused as unavailable while the store is away, and nobody hears of it", async () => {
  let away = true;
  const error = new ChatError("unavailable", "The disk is full.");
  await using rooms = await Rooms.open({
    store: (store) => ({ append: (draft) => away ? Promise.reject(error) : store.append(draft) }),
  });
  const { seat, member } = await rooms.join("alice");
  await assertRefused("unavailable", () => member.handle("new_message", { content: "lost" }), "The disk is full.");
  away = false;
  await member.handle("new_message", { content: "fence" });
  assertEquals(seat.of("new_message").map(({ content }) => content), ["fence"]);
});

Deno.test("Room new_message is refused as not_found when the channel is gone", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  await rooms.opened.store.deleteChannel("a");
  await assertRefused("not_found", () => member.handle("new_message", { content: "hi" }));
});

Deno.test("Room new_message that fails in an unforeseen way rejects with what was thrown", async () => {
  await using rooms = await Rooms.open({ store: () => ({ append: () => Promise.reject(new TypeError("a bug")) }) });
  const { member } = await rooms.join("alice");
  await assertRejects(() => member.handle("new_message", { content: "hi" }), TypeError, "a bug");
});

// Typing

Deno.test("Room typing is answered with an empty object and told to all but its sender", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  assertEquals(await alice.member.handle("typing", {}), {});
  assertEquals(bob.seat.of("user_typing"), [{ user_id: "alice" }]);
  assertEquals(alice.seat.of("user_typing"), []);
});

Deno.test("Room stop_typing is answered with an empty object and told to all but its sender", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  await alice.member.handle("typing", {});
  assertEquals(await alice.member.handle("stop_typing", {}), {});
  assertEquals(bob.seat.of("user_stopped_typing"), [{ user_id: "alice" }]);
  assertEquals(alice.seat.of("user_stopped_typing"), []);
});

Deno.test("Room stop_typing of someone who does not type is answered and told to nobody", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  assertEquals(await alice.member.handle("stop_typing", {}), {});
  assertEquals(bob.seat.of("user_stopped_typing"), []);
});

Deno.test("Room typing is its identity's, whatever user_id the payload claims", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  await alice.member.handle("typing", { user_id: "eve" });
  assertEquals(bob.seat.of("user_typing"), [{ user_id: "alice" }]);
});

Deno.test("Room typing and stop_typing take any payload", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  for (const payload of [null, [], "x", 1, new Uint8Array([1])]) {
    for (const event of ["typing", "stop_typing"]) assertEquals(await member.handle(event, payload), {});
  }
});

Deno.test("Room typing ends with the author's message", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  await alice.member.handle("typing", {});
  await alice.member.handle("new_message", { content: "hi" });
  assertEquals(bob.seat.of("user_stopped_typing"), [{ user_id: "alice" }]);
});

Deno.test("Room typing does not end with a message that is refused", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  await alice.member.handle("typing", {});
  await assertRefused("invalid", () => alice.member.handle("new_message", { content: "" }));
  assertEquals(bob.seat.of("user_stopped_typing"), []);
});

Deno.test("Room typing ends when its sender leaves", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  await alice.member.handle("typing", {});
  rooms.leave(alice.member, "left");
  assertEquals(bob.seat.of("user_stopped_typing"), [{ user_id: "alice" }]);
});

// Changes of messages

/** Two members and a message of alice's. */
async function talk(rooms: Rooms) {
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  const { id } = await alice.member.handle("new_message", { content: "hi" }) as { id: string };
  return { alice, bob, id };
}

Deno.test("Room edit_message is answered with the message, which all others get as message_updated", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob, id } = await talk(rooms);
  const reply = await alice.member.handle("edit_message", { id, content: "<@bob>", metadata: { a: 1 } });
  assertEquals(reply, messagePayload(await rooms.opened.store.getMessage("a", id)));
  const { content, mentions, metadata, version } = reply as Record<string, unknown>;
  assertEquals([content, mentions, metadata, version], ["<@bob>", ["bob"], { a: 1 }, 2]);
  for (const { seat } of [alice, bob]) assertEquals<unknown>(seat.of("message_updated"), [reply]);
});

Deno.test("Room delete_message is answered with id and seq, and all get message_deleted", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob, id } = await talk(rooms);
  assertEquals(await alice.member.handle("delete_message", { id }), { id, seq: 2 });
  const deletion = { id, channel_id: "a", seq: 1, version: 2, user_id: "alice" };
  for (const { seat } of [alice, bob]) assertEquals(seat.of("message_deleted"), [deletion]);
});

Deno.test("Room delete_messages is answered with the ids, and all get messages_deleted", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob, id } = await talk(rooms);
  const { id: other } = await alice.member.handle("new_message", { content: "ho" }) as { id: string };
  assertEquals(await alice.member.handle("delete_messages", { ids: [other, id] }), { ids: [other, id] });
  for (const { seat } of [alice, bob]) {
    assertEquals(seat.of("messages_deleted"), [{ channel_id: "a", ids: [other, id], version: 4 }]);
    assertEquals(seat.of("message_deleted"), []);
  }
});

Deno.test("Room add_reaction and remove_reaction are answered with seq, and all get message_updated", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob, id } = await talk(rooms);
  assertEquals(await bob.member.handle("add_reaction", { id, emoji: "👍", user_id: "eve" }), { seq: 2 });
  rooms.opened.clock.nowMs += 200;
  assertEquals(await bob.member.handle("remove_reaction", { id, emoji: "👍" }), { seq: 3 });
  for (const { seat } of [alice, bob]) {
    const updates = seat.of("message_updated").map(({ version, reactions }) => [version, reactions]);
    assertEquals(updates, [[2, [{ emoji: "👍", count: 1, user_ids: ["bob"] }]], [3, undefined]]);
  }
});

Deno.test("Room pin_message and unpin_message are answered with seq, and all get message_updated", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob, id } = await talk(rooms);
  assertEquals(await bob.member.handle("pin_message", { id }), { seq: 2 });
  assertEquals(await bob.member.handle("pin_message", { id }), { seq: 2 });
  assertEquals(await bob.member.handle("unpin_message", { id }), { seq: 3 });
  const pinnedAt = timestamp(rooms.opened.clock.nowMs);
  for (const { seat } of [alice, bob]) {
    assertEquals(seat.of("message_updated").map((message) => message.pinned_at), [pinnedAt, undefined]);
  }
});

Deno.test("Room new_message with reply_to, metadata and mentions reaches all whole", async () => {
  await using rooms = await Rooms.open();
  const { bob, alice, id } = await talk(rooms);
  await bob.member.handle("new_message", { content: "<@alice> ho", reply_to: id, metadata: { a: [1] } });
  for (const { seat } of [alice, bob]) {
    const { reply_to, metadata, mentions } = seat.of("new_message")[1] ?? {};
    assertEquals(reply_to, { id, user_id: "alice", content: "hi" });
    assertEquals([metadata, mentions], [{ a: [1] }, ["alice"]]);
  }
});

Deno.test("Room new_message that answers no message is refused as invalid", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  const reply_to = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  await assertRefused("invalid", () => member.handle("new_message", { content: "hi", reply_to }), "reply_to");
});

for (const [event, payload] of [["edit_message", { content: "x" }], ["delete_message", {}]] as const) {
  Deno.test(`Room ${event} of another user's message is forbidden, whatever user_id the payload claims`, async () => {
    await using rooms = await Rooms.open();
    const { bob, id } = await talk(rooms);
    await assertRefused("forbidden", () => bob.member.handle(event, { ...payload, id, user_id: "alice" }));
  });
}

Deno.test("Room delete_messages with one of another user is forbidden", async () => {
  await using rooms = await Rooms.open();
  const { bob, id } = await talk(rooms);
  const { id: own } = await bob.member.handle("new_message", { content: "ho" }) as { id: string };
  await assertRefused("forbidden", () => bob.member.handle("delete_messages", { ids: [own, id] }));
  assertEquals((await rooms.opened.store.getMessage("a", own)).deleted, undefined);
});

const NO_MESSAGE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const CHANGES: Readonly<Record<string, Record<string, unknown>>> = {
  edit_message: { content: "x" },
  delete_message: {},
  add_reaction: { emoji: "👍" },
  remove_reaction: { emoji: "👍" },
  pin_message: {},
  unpin_message: {},
};
for (const [event, rest] of Object.entries(CHANGES)) {
  Deno.test(`Room ${event} of no message, or one of another channel, is refused as not_found`, async () => {
    await using rooms = await Rooms.open();
    const [{ member }, elsewhere] = [await rooms.join("alice"), await rooms.join("alice", {}, "b")];
    const { id } = await elsewhere.member.handle("new_message", { content: "hi" }) as { id: string };
    for (const missing of [NO_MESSAGE, id]) {
      await assertRefused("not_found", () => member.handle(event, { ...rest, id: missing }));
    }
  });

  Deno.test(`Room ${event} refuses what is no id, and what is no object, as invalid`, async () => {
    await using rooms = await Rooms.open();
    const { member } = await rooms.join("alice");
    for (const id of [undefined, null, "", "x", 7, [NO_MESSAGE], { toString: 1 }, NO_MESSAGE.toLowerCase()]) {
      await assertRefused("invalid", () => member.handle(event, { ...rest, id }));
    }
    for (const payload of [null, [], "x", 7, new Uint8Array(1)]) {
      await assertRefused("invalid", () => member.handle(event, payload));
    }
  });
}

for (const event of ["add_reaction", "remove_reaction"]) {
  Deno.test(`Room ${event} refuses what is no emoji as invalid`, async () => {
    await using rooms = await Rooms.open();
    const { bob, id } = await talk(rooms);
    for (const emoji of [undefined, null, "", " ", "a b", "\0", 7, "x".repeat(33)]) {
      await assertRefused("invalid", () => bob.member.handle(event, { id, emoji }));
    }
  });
}

Deno.test("Room delete_messages refuses bad ids as invalid", async () => {
  await using rooms = await Rooms.open();
  const { alice, id } = await talk(rooms);
  for (const ids of [undefined, [], [id], [id, id], [id, "x"], id]) {
    await assertRefused("invalid", () => alice.member.handle("delete_messages", { ids }));
  }
});

// What was read

Deno.test("Room read is answered with the read state, which the user's other sockets get and nobody else", async () => {
  await using rooms = await Rooms.open();
  const { alice, bob } = await talk(rooms);
  const phone = await rooms.join("bob");
  const state = { channel_id: "a", head_seq: 1, last_read_seq: 1, unread: 0, mentions: 0 };
  assertEquals(await bob.member.handle("read", { seq: 1, user_id: "alice" }), state);
  assertEquals([alice, bob, phone].map(({ seat }) => seat.of("read_state")), [[], [], [state]]);
});

Deno.test("Room read takes no seq above the head", async () => {
  await using rooms = await Rooms.open();
  const { bob } = await talk(rooms);
  const { last_read_seq } = await bob.member.handle("read", { seq: Number.MAX_SAFE_INTEGER }) as Record<
    string,
    unknown
  >;
  assertEquals(last_read_seq, 1);
});

Deno.test("Room read refuses what is no seq as invalid", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("bob");
  for (const payload of [{}, { seq: -1 }, { seq: "1" }, { seq: 1.5 }, { seq: null }, null, []]) {
    await assertRefused("invalid", () => member.handle("read", payload));
  }
});

// history

Deno.test("Room history is answered with a page, oldest first, and whether there is more", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("bob");
  for (let n = 1; n <= 60; n++) await rooms.opened.say("alice", String(n));
  const { messages } = await rooms.opened.store.history("a", { limit: 100 });
  const page = async (payload: unknown) => {
    const reply = await member.handle("history", payload) as { messages: unknown[]; has_more: boolean };
    assertEquals(Object.keys(reply), ["messages", "has_more"]);
    return [reply.messages, reply.has_more];
  };
  const expected: unknown[] = messages.map(messagePayload);
  const at = (seq: number) => messages[seq - 1]?.id;
  assertEquals(await page({}), [expected.slice(10), true]);
  assertEquals(await page({ limit: 100 }), [expected, false]);
  assertEquals(await page({ before: at(11), limit: 10 }), [expected.slice(0, 10), false]);
  assertEquals(await page({ after: at(50), limit: 5 }), [expected.slice(50, 55), true]);
  assertEquals(await page({ around: at(30), limit: 3 }), [expected.slice(28, 31), true]);
});

for (const payload of [null, [], { limit: 0 }, { limit: 101 }, { before: "x" }, { before: { toString: 1 } }]) {
  Deno.test(`Room history refuses ${JSON.stringify(payload)} as invalid`, async () => {
    await using rooms = await Rooms.open();
    const { member } = await rooms.join("bob");
    await assertRefused("invalid", () => member.handle("history", payload));
  });
}

// ping and the rest

const ECHOES: readonly unknown[] = [{}, { a: [1, { b: null }] }, [], [1, "2"], "text", 7, true, null];
for (const payload of ECHOES) {
  Deno.test(`Room ping is answered with its payload: ${JSON.stringify(payload)}`, async () => {
    await using rooms = await Rooms.open();
    const { member } = await rooms.join("alice");
    assertEquals(await member.handle("ping", payload), payload);
  });
}

Deno.test("Room ping is answered with its bytes", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  assertEquals(await member.handle("ping", new Uint8Array([0, 255])), new Uint8Array([0, 255]));
});

Deno.test("Room ping of more than 64 levels is refused as invalid", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  const levels = (count: number) => JSON.parse("[".repeat(count) + "]".repeat(count));
  assertEquals(await member.handle("ping", levels(64)), levels(64));
  await assertRefused("invalid", () => member.handle("ping", levels(100)), "64 levels");
});

Deno.test("Room ping reaches nobody else", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  const before = bob.seat.heard.filter(({ event }) => !event.startsWith("presence")).length;
  await alice.member.handle("ping", { a: 1 });
  assertEquals(bob.seat.heard.filter(({ event }) => !event.startsWith("presence")).length, before);
});

const STRANGE_EVENTS = [
  "",
  "no_such_event",
  "NEW_MESSAGE",
  "new_message ",
  "user_typing",
  "channel_updated",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "handle",
  "leave",
  "welcome",
  "null",
];
for (const event of STRANGE_EVENTS) {
  Deno.test(`Room refuses the event ${JSON.stringify(event)} as unknown_event`, async () => {
    await using rooms = await Rooms.open();
    const { member } = await rooms.join("alice");
    await assertRefused("unknown_event", () => member.handle(event, {}));
  });
}

// Leaving

Deno.test("Room leave() ends what its seat hears", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  rooms.leave(bob.member, "left");
  await alice.member.handle("new_message", { content: "hi" });
  assertEquals([alice.seat.seqs, bob.seat.seqs], [[1], []]);
});

Deno.test("Room new_message under way when its sender leaves is stored and told to the others", async () => {
  await using rooms = await Rooms.open();
  const [alice, bob] = [await rooms.join("alice"), await rooms.join("bob")];
  const sending = alice.member.handle("new_message", { content: "bye" });
  rooms.leave(alice.member, "left");
  const reply = await sending as Record<string, unknown>;
  assertMatch(String(reply.id), /^[0-9A-Z]{26}$/);
  assertEquals(bob.seat.seqs, [1]);
});

Deno.test("Room seat is closed when the channel is deleted", async () => {
  await using rooms = await Rooms.open();
  const { seat } = await rooms.join("alice");
  await rooms.opened.chat.deleteChannel("a");
  assertEquals(seat.closes, [{ reason: "channel_deleted" }]);
  assertEquals(rooms.opened.chat.activeChannels, 0);
});

// Tokens

Deno.test("Room access_token takes a newer token of the same user", async () => {
  await using rooms = await Rooms.open();
  const { seat, member } = await rooms.join("alice");
  assertEquals(await member.handle("access_token", { token: "alice" }), { expires_at: "2026-01-01T00:00:00.000Z" });
  assertEquals(seat.identity.expiresAt, Date.UTC(2026, 0, 1));
});

Deno.test("Room access_token refuses what is no token, and one that is not valid", async () => {
  await using rooms = await Rooms.open();
  const { member } = await rooms.join("alice");
  for (const payload of [{}, { token: 1 }, { token: "" }]) {
    await assertRefused("invalid", () => member.handle("access_token", payload));
  }
  await assertRefused("unauthorized", () => member.handle("access_token", { token: "bad" }));
});
