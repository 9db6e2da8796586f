import { assertEquals } from "@std/assert";
import { busTopic, encodeNews } from "../../src/chat/news.ts";
import { eventually } from "../support/eventually.ts";
import { read } from "./support/chat_with.ts";
import { JoinedChats } from "./support/joined_chats.ts";

Deno.test("changes cross once and in order", async () => {
  await using chats = await JoinedChats.open();
  const { seat: here } = await chats.visit(chats.one, "alice");
  const { seat: there } = await chats.visit(chats.two, "bob");
  const texts = Array.from({ length: 30 }, (_, n) => `line ${n}`);
  await Promise.all(texts.map((text, n) => chats.say(n % 2 === 0 ? chats.one : chats.two, "carol", text)));
  await eventually(() => here.seqs.length >= 30 && there.seqs.length >= 30);
  assertEquals(here.seqs, texts.map((_, n) => n + 1));
  assertEquals(there.of("new_message"), here.of("new_message"));
});

Deno.test("members of both instances are seen at both, and leave both", async () => {
  await using chats = await JoinedChats.open();
  await chats.visit(chats.one, "alice");
  const { leave } = await chats.visit(chats.two, "bob");
  const users = async (chat = chats.one) => (await chat.present("a", { limit: 9 })).users.map(({ user_id }) => user_id);
  for (const chat of [chats.one, chats.two]) {
    await eventually(async () => (await users(chat)).join() === "alice,bob");
  }
  leave();
  await eventually(async () => (await users()).join() === "alice");
  assertEquals(await users(chats.two), ["alice"]); // which has no member there any more
});

Deno.test("an instance that has gone takes its members along, and they are back when it says so", async () => {
  await using chats = await JoinedChats.open();
  await chats.visit(chats.one, "alice");
  const { seat } = await chats.visit(chats.two, "bob");
  const users = async () => (await chats.two.present("a", { limit: 9 })).count;
  await eventually(async () => await users() === 2);
  chats.two.dropInstance("one");
  assertEquals(await users(), 1);
  chats.two.askInstances();
  await eventually(async () => await users() === 2);
  assertEquals(seat.closes, []);
});

Deno.test("after a gap, members of whom nobody answers are gone: their leaving may have been missed", async () => {
  await using chats = await JoinedChats.open();
  await chats.visit(chats.one, "alice");
  const silent = chats.bus("silent");
  const meta = { phx_ref: "x.1", online_at: "2026-01-01T00:00:00.000Z" };
  silent.publish(busTopic("a"), encodeNews({ kind: "members", joins: [["ghost", meta]], leaves: [] }));
  const users = async () => (await chats.one.present("a", { limit: 9 })).count;
  await eventually(async () => await users() === 2);
  await chats.visit(chats.two, "bob");
  await eventually(async () => await users() === 3);
  chats.gap();
  await eventually(async () => {
    chats.clock.nowMs += 1_000;
    chats.one.sweep();
    return await users() === 2;
  });
  // Who has answered stays.
  chats.clock.nowMs += 10_000;
  chats.one.sweep();
  assertEquals((await chats.one.present("a", { limit: 9 })).users.map(({ user_id }) => user_id), ["alice", "bob"]);
});

Deno.test("a gap is filled from the store, and the next join is answered with what the channel is now", async () => {
  await using chats = await JoinedChats.open();
  const { seat } = await chats.visit(chats.one, "alice");
  await chats.store.append({ channelId: "a", userId: "bob", content: "unheard" });
  chats.gap();
  await eventually(() => seat.seqs.length === 1);
  const name = async () => read((await chats.visit(chats.one, "carol")).visit.welcome).channel["name"];
  assertEquals(await name(), "a");
  await chats.store.updateChannel("a", { name: "renamed" });
  assertEquals(await name(), "a"); // as it was read for the last one
  chats.gap();
  await eventually(async () => await name() === "renamed");
});

Deno.test("members of an instance that nobody knows are dropped at the second look", async () => {
  await using chats = await JoinedChats.open();
  await chats.visit(chats.one, "alice");
  const meta = { phx_ref: "x.1", online_at: "2026-01-01T00:00:00.000Z" };
  chats.bus("late").publish(busTopic("a"), encodeNews({ kind: "members", joins: [["ghost", meta]], leaves: [] }));
  const users = async () => (await chats.one.present("a", { limit: 9 })).count;
  await eventually(async () => await users() === 2);
  chats.one.keepInstances(() => false);
  assertEquals(await users(), 2);
  chats.one.keepInstances(() => false);
  assertEquals(await users(), 1);
});

Deno.test("typing crosses, ends there with a message over REST here, and expires where its end is lost", async () => {
  await using chats = await JoinedChats.open();
  const { seat, visit } = await chats.visit(chats.one, "alice");
  const { seat: there } = await chats.visit(chats.two, "bob");
  visit.typing.start("alice", seat);
  await eventually(() => there.of("user_typing").length === 1);
  visit.typing.stop("alice");
  await eventually(() => there.of("user_stopped_typing").length === 1);
  await chats.one.type("a", "carol");
  await eventually(() => there.of("user_typing").length === 2);
  await chats.say(chats.two, "carol", "said");
  await eventually(() => seat.of("user_stopped_typing").length === 1);
  assertEquals(seat.of("user_typing"), [{ user_id: "carol" }]);
  await chats.one.type("a", "dave");
  await eventually(() => there.of("user_typing").length === 3);
  chats.clock.nowMs += 10_000;
  chats.two.sweep();
  assertEquals(there.of("user_stopped_typing").at(-1), { user_id: "dave" });
});

Deno.test("typing at an instance without members ends with a message there", async () => {
  await using chats = await JoinedChats.open();
  const { seat } = await chats.visit(chats.one, "alice");
  await chats.two.type("a", "bot");
  await eventually(() => seat.of("user_typing").length === 1);
  await chats.say(chats.two, "bot", "said");
  await eventually(() => seat.of("user_stopped_typing").length === 1);
});

Deno.test("a read state reaches the user's other seats, and nobody else", async () => {
  await using chats = await JoinedChats.open();
  const { seat: tab } = await chats.visit(chats.one, "alice");
  const { seat: other } = await chats.visit(chats.two, "alice");
  const { seat: bob } = await chats.visit(chats.two, "bob");
  await chats.say(chats.one, "bob", "one");
  await chats.one.readStates.mark(tab.identity, "a", 1, tab);
  await eventually(() => other.of("read_state").length === 1);
  await chats.say(chats.one, "bob", "fence");
  await eventually(() => bob.seqs.length === 2);
  assertEquals([tab.of("read_state"), bob.of("read_state")], [[], []]);
});

Deno.test("channel_updated and the end of a channel cross", async () => {
  await using chats = await JoinedChats.open();
  const { seat } = await chats.visit(chats.one, "alice");
  await chats.two.updateChannel("a", { name: "new" });
  await eventually(() => seat.of("channel_updated").length === 1);
  await chats.two.deleteChannel("a");
  await eventually(() => seat.closes.length === 1);
  assertEquals(seat.closes, [{ reason: "channel_deleted" }]);
  await eventually(() => chats.one.activeChannels === 0);
});

Deno.test("what no news told of is found by check(): messages, and that the channel is gone", async () => {
  await using chats = await JoinedChats.open();
  const { seat } = await chats.visit(chats.one, "alice");
  await chats.store.append({ channelId: "a", userId: "bob", content: "unheard" });
  await chats.one.check();
  await eventually(() => seat.seqs.length === 1);
  await chats.store.deleteChannel("a");
  await chats.one.check();
  assertEquals(seat.closes, [{ reason: "channel_deleted" }]);
});

Deno.test("check() takes no channel for deleted to which something is said while it reads", async () => {
  const held = Promise.withResolvers<void>();
  const gate = { closed: false };
  await using chats = await JoinedChats.open({
    store: (store) => ({
      async getChannel(id) {
        const channel = await store.getChannel(id);
        if (gate.closed) await held.promise;
        return channel;
      },
    }),
  });
  const { seat } = await chats.visit(chats.one, "alice");
  gate.closed = true;
  const checked = chats.one.check();
  await chats.say(chats.two, "bob", "meanwhile");
  await eventually(() => seat.seqs.length === 1);
  held.resolve();
  await checked;
  assertEquals(seat.closes, []);
});

Deno.test("news that cannot be read, or of another storage, are nothing", async () => {
  await using chats = await JoinedChats.open();
  const { seat } = await chats.visit(chats.one, "alice");
  const bus = chats.bus("newer");
  const foreign = { kind: "change", first: 1, seq: 1, event: "new_message", payload: '{"seq":1}' } as const;
  bus.publish(busTopic("a", "another storage"), encodeNews(foreign));
  for (const text of ["", "null", "[]", '{"kind":"poll"}', "garbage\n{}"]) bus.publish(busTopic("a"), text);
  await chats.say(chats.two, "bob", "fence");
  await eventually(() => seat.seqs.length === 1);
  assertEquals(seat.of("new_message").map(({ content }) => content), ["fence"]);
});
