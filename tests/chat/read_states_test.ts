import { assertEquals } from "@std/assert";
import { readStatePayload } from "../../src/chat/payload.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { ChatWith } from "./support/chat_with.ts";

const alice = { userId: "alice" };

Deno.test("ReadStates mark() resolves with what is left to read", async () => {
  await using opened = await ChatWith.open();
  for (const content of ["1", "2", "3", "4"]) await opened.say("bob", content);
  await opened.say("alice", "mine");
  const state = await opened.chat.readStates.mark(alice, "a", 2);
  assertEquals(state, { channelId: "a", headSeq: 5, lastReadSeq: 2, unread: 2, mentions: 0 });
});

Deno.test("ReadStates mark() tells the user's other seats there, and nobody else", async () => {
  await using opened = await ChatWith.open();
  await opened.say("bob", "hi");
  const [here, phone, bob] = [await opened.visit("alice"), await opened.visit("alice"), await opened.visit("bob")];
  const elsewhere = await opened.visit("alice", { channelId: "b" });
  const state = await opened.chat.readStates.mark(alice, "a", 1, here.seat);
  const told = [here, phone, bob, elsewhere].map(({ seat }) => seat.of("read_state"));
  assertEquals<unknown>(told, [[], [readStatePayload(state)], [], []]);
});

Deno.test("ReadStates mark() from no seat tells all of the user's seats", async () => {
  await using opened = await ChatWith.open();
  await opened.say("bob", "hi");
  const [one, two] = [await opened.visit("alice"), await opened.visit("alice")];
  await opened.chat.readStates.mark(alice, "a", 1);
  const payload = { channel_id: "a", head_seq: 1, last_read_seq: 1, unread: 0, mentions: 0 };
  assertEquals([one, two].map(({ seat }) => seat.of("read_state")), [[payload], [payload]]);
});

Deno.test("ReadStates mark() takes back nothing", async () => {
  await using opened = await ChatWith.open();
  for (const content of ["1", "2"]) await opened.say("bob", content);
  await opened.chat.readStates.mark(alice, "a", 2);
  assertEquals((await opened.chat.readStates.mark(alice, "a", 1)).lastReadSeq, 2);
});

Deno.test("ReadStates mark() uses no number of the channel", async () => {
  await using opened = await ChatWith.open();
  const { seat } = await opened.visit("bob");
  await opened.chat.readStates.mark(alice, "a", 0);
  assertEquals(await opened.say("bob", "hi"), 1);
  assertEquals(seat.seqs, [1]);
});

Deno.test("ReadStates mark() in a channel that does not exist is refused as not_found", async () => {
  await using opened = await ChatWith.open();
  await assertRefused("not_found", () => opened.chat.readStates.mark(alice, "none", 1));
});

Deno.test("ReadStates list() is the user's own, of every channel, in pages", async () => {
  await using opened = await ChatWith.open();
  await opened.chat.messages.send({ channelId: "b", userId: "bob", content: "<@alice>", mentions: ["alice"] });
  await opened.chat.readStates.mark({ userId: "bob" }, "b", 1);
  const page = await opened.chat.readStates.list(alice, { limit: 1 });
  assertEquals(page, {
    states: [{ channelId: "a", headSeq: 0, lastReadSeq: 0, unread: 0, mentions: 0 }],
    hasMore: true,
  });
  assertEquals(await opened.chat.readStates.list(alice, { limit: 1, after: "a" }), {
    states: [{ channelId: "b", headSeq: 1, lastReadSeq: 0, unread: 1, mentions: 1 }],
    hasMore: false,
  });
});
