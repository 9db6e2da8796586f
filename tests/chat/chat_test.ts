import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { messagePayload } from "../../src/chat/payload.ts";
import { ChatError } from "../../src/errors.ts";
import type { Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { generator, newSeed, type Random } from "../store/support/random.ts";
import { eventually } from "../support/eventually.ts";
import { ChatWith } from "./support/chat_with.ts";
import { FakeSeat } from "./support/fake_seat.ts";

const away = new ChatError("unavailable", "The storage failed.");

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

// Sending

Deno.test("Chat send() resolves with the stored message", async () => {
  await using opened = await ChatWith.open();
  const { message } = await opened.chat.messages.send({ channelId: "a", userId: "alice", content: "hi" });
  assertEquals(message, await opened.store.getMessage("a", message.id));
});

Deno.test("Chat send() gives the message to every member, its sender too, as history does", async () => {
  await using opened = await ChatWith.open();
  const members = [await opened.visit("alice"), await opened.visit("bob")];
  await opened.chat.messages.send({ channelId: "a", userId: "alice", content: "hi", nonce: "n" });
  const [message] = (await opened.store.history("a", { limit: 1 })).messages;
  assert(message);
  for (const { seat } of members) assertEquals<unknown>(seat.of("new_message"), [messagePayload(message)]);
});

Deno.test("Chat send() reaches the members of its channel alone", async () => {
  await using opened = await ChatWith.open();
  const other = await opened.visit("bob", { channelId: "b" });
  await opened.say("alice", "hi", "a");
  await opened.say("alice", "ho", "b");
  assertEquals(other.seat.of("new_message").map(({ content }) => content), ["ho"]);
});

Deno.test("Chat send() called 100 times at once by ten users gives every member one order, that of history", async () => {
  await using opened = await ChatWith.open();
  const members = await Promise.all(["alice", "bob", "carol"].map((userId) => opened.visit(userId)));
  await Promise.all(numbers(1, 100).map((n) => opened.say(`user ${n % 10}`, String(n))));
  const { messages } = await opened.store.history("a", { limit: 100 });
  assertEquals(messages.map(({ content }) => content), numbers(1, 100).map(String));
  for (const { seat } of members) assertEquals<unknown>(seat.of("new_message"), messages.map(messagePayload));
});

Deno.test("Chat send() of a nonce again resolves with the message stored then and tells nobody", async () => {
  await using opened = await ChatWith.open();
  const { seat } = await opened.visit("bob");
  const draft = { channelId: "a", userId: "alice", content: "hi", nonce: "n" };
  const { message } = await opened.chat.messages.send(draft);
  assertEquals(await opened.chat.messages.send(draft), { message, created: false });
  await opened.say("alice", "fence");
  assertEquals(seat.seqs, [1, 2]);
});

Deno.test("Chat send() to a channel that does not exist rejects with not_found", async () => {
  await using opened = await ChatWith.open({ adHocChannels: true });
  await assertRefused("not_found", () => opened.say("alice", "hi", "nowhere"));
});

Deno.test("Chat send() that the store refuses rejects and tells nobody", async () => {
  let failing = true;
  await using opened = await ChatWith.open({
    store: (store) => ({ append: (draft) => failing ? Promise.reject(away) : store.append(draft) }),
  });
  const { seat } = await opened.visit("bob");
  await assertRefused("unavailable", () => opened.say("alice", "lost"));
  failing = false;
  await opened.say("alice", "fence");
  assertEquals(seat.of("new_message").map(({ content }) => content), ["fence"]);
});

Deno.test("Chat send() that rejects with unavailable but was stored reaches the members all the same", async () => {
  await using opened = await ChatWith.open({ store: storedButUnavailable });
  const { seat } = await opened.visit("bob");
  await assertRefused("unavailable", () => opened.say("alice", "hi"));
  await eventually(() => seat.of("new_message").length > 0);
  assertEquals(seat.of("new_message").map(({ content }) => content), ["hi"]);
});

Deno.test("Chat send() that was stored but rejected reaches the members before what follows", async () => {
  let failing = true;
  await using opened = await ChatWith.open({
    store: (store) => ({
      append: async (draft) => {
        const appended = await store.append(draft);
        if (failing) throw away;
        return appended;
      },
    }),
  });
  const { seat } = await opened.visit("bob");
  await assertRefused("unavailable", () => opened.say("alice", "1"));
  failing = false;
  await opened.say("alice", "2");
  await eventually(() => seat.seqs.length === 2);
  assertEquals(seat.seqs, [1, 2]);
});

Deno.test("Chat send() rejects with whatever else the store throws", async () => {
  await using opened = await ChatWith.open({
    store: () => ({ append: () => Promise.reject(new TypeError("a bug")) }),
  });
  await assertRejects(() => opened.say("alice", "hi"), TypeError, "a bug");
});

function storedButUnavailable(store: Store): Partial<Store> {
  return {
    append: async (draft) => {
      await store.append(draft);
      throw away;
    },
  };
}

Deno.test("Chat says onFault why a repair failed and tries it again", async () => {
  let failures = 1;
  await using opened = await ChatWith.open({
    store: (store) => ({
      ...storedButUnavailable(store),
      changes: (channelId, query) => failures-- > 0 ? Promise.reject(away) : store.changes(channelId, query),
    }),
  });
  const { seat } = await opened.visit("bob");
  await assertRefused("unavailable", () => opened.say("alice", "hi"));
  await eventually(() => seat.seqs.length === 1);
  assertEquals(opened.faults, [away]);
});

// Visiting

Deno.test("Chat visit() gives the newest messages, the head, the epoch and the channel", async () => {
  await using opened = await ChatWith.open();
  for (const n of numbers(1, 5)) await opened.say("alice", String(n));
  const { welcome } = await opened.visit("bob", { limit: 2 });
  const { messages, epoch } = await opened.store.history("a", { limit: 2 });
  assertEquals<unknown>(welcome.messages, messages.map(messagePayload));
  assertEquals([welcome.head_seq, welcome.epoch], [5, epoch]);
  assertEquals([welcome.channel.id, welcome.channel.head_seq], ["a", 5]);
});

Deno.test("Chat visit() with limit 0 gives no message and goes on from the head", async () => {
  await using opened = await ChatWith.open();
  await opened.say("alice", "before");
  const { seat, welcome } = await opened.visit("bob", { limit: 0 });
  await opened.say("alice", "after");
  assertEquals([welcome.messages, welcome.head_seq, seat.seqs], [[], 1, [2]]);
});

Deno.test("Chat visit() again gives what was said and changed since", async () => {
  await using opened = await ChatWith.open();
  await opened.visit("bob");
  await opened.say("alice", "hi");
  await opened.chat.updateChannel("a", { name: "new" });
  const { welcome } = await opened.visit("carol");
  assertEquals(welcome.messages.map(({ content }) => content), ["hi"]);
  assertEquals(welcome.channel.name, "new");
});

Deno.test("Chat visit() gives each visitor as many messages as it asked for", async () => {
  await using opened = await ChatWith.open();
  for (const n of numbers(1, 5)) await opened.say("alice", String(n));
  const lengths: number[] = [];
  for (const limit of [2, 2, 4, 2, 0, 100]) {
    lengths.push((await opened.visit("bob", { limit })).welcome.messages.length);
  }
  assertEquals(lengths, [2, 2, 4, 2, 0, 5]);
});

Deno.test("Chat visit() one after the other shares one reading while nothing is said", async () => {
  let readings = 0;
  await using opened = await ChatWith.open({
    store: (store) => ({
      history: (channelId, query) => {
        readings++;
        return store.history(channelId, query);
      },
    }),
  });
  for (const _ of numbers(1, 10)) await opened.visit("bob");
  assertEquals(readings, 1);
});

Deno.test("Chat visit() does not show what retention has removed", async () => {
  await using opened = await ChatWith.open();
  await opened.chat.updateChannel("a", { retentionCount: 2 });
  for (const n of numbers(1, 5)) await opened.say("alice", String(n));
  assertEquals((await opened.visit("bob")).welcome.messages.length, 5);
  await opened.chat.sweepStore();
  const { welcome } = await opened.visit("carol");
  assertEquals(welcome.messages.map(({ content }) => content), ["4", "5"]);
});

Deno.test("Chat visit() does not show a channel as it was before an update that was made during the reading", async () => {
  const gate = Promise.withResolvers<void>();
  let gated = true;
  await using opened = await ChatWith.open({
    store: (store) => ({
      history: async (channelId, query) => {
        if (gated) await gate.promise;
        return await store.history(channelId, query);
      },
    }),
  });
  const early = opened.visit("bob");
  await turn();
  await opened.chat.updateChannel("a", { name: "new" });
  gated = false;
  gate.resolve();
  await early;
  assertEquals((await opened.visit("carol")).welcome.channel.name, "new");
});

Deno.test("Chat visit() misses and repeats nothing, whoever comes when, however slow the store is", async () => {
  for (let run = 0; run < 10; run++) {
    const seed = newSeed();
    const random = generator(seed);
    await using opened = await ChatWith.open({ store: (store) => slowly(store, random) });
    const sending = Promise.all(
      numbers(1, 60).map(async (n) => {
        for (let times = random(20); times > 0; times--) await turn();
        await opened.say(`user ${n % 3}`, String(n));
      }),
    );
    const visits = await Promise.all(
      numbers(1, 20).map(async (n) => {
        for (let times = random(20); times > 0; times--) await turn();
        for (;;) {
          try {
            return await opened.visit(`guest ${n}`, { limit: 100 });
          } catch (error) {
            // A client that is turned away because the channel moves too fast joins again.
            if (!(error instanceof ChatError) || error.code !== "unavailable") throw error;
          }
        }
      }),
    );
    await sending;
    for (const { seat, welcome } of visits) {
      const seen = () => [...welcome.messages.map(({ seq }) => seq), ...seat.seqs];
      await eventually(() => seen().length >= 60);
      assertEquals<unknown>(seen(), numbers(1, 60), `seed ${seed}`);
    }
  }
});

/** A store whose answers take a few turns each and so may overtake one another. */
function slowly(store: Store, random: Random): Partial<Store> {
  const after = async <T>(answer: Promise<T>): Promise<T> => {
    for (let times = random(4); times > 0; times--) await turn();
    const value = await answer;
    for (let times = random(4); times > 0; times--) await turn();
    return value;
  };
  return {
    append: (draft) => after(store.append(draft)),
    history: (channelId, query) => after(store.history(channelId, query)),
    changes: (channelId, query) => after(store.changes(channelId, query)),
    getChannel: (id) => after(store.getChannel(id)),
  };
}

Deno.test("Chat leave() ends the live events at once", async () => {
  await using opened = await ChatWith.open();
  const [alice, bob] = [await opened.visit("alice"), await opened.visit("bob")];
  opened.leave(bob.visit);
  await opened.say("alice", "hi");
  assertEquals([alice.seat.seqs, bob.seat.seqs], [[1], []]);
});

Deno.test("Chat activeChannels counts the channels that have members", async () => {
  await using opened = await ChatWith.open();
  assertEquals(opened.chat.activeChannels, 0);
  const one = await opened.visit("alice");
  const other = await opened.visit("bob");
  await opened.visit("bob", { channelId: "b" });
  assertEquals(opened.chat.activeChannels, 2);
  opened.leave(one.visit);
  assertEquals(opened.chat.activeChannels, 2);
  opened.leave(other.visit);
  assertEquals(opened.chat.activeChannels, 1);
});

Deno.test("Chat visit() of a channel that does not exist rejects with not_found and leaves nothing behind", async () => {
  await using opened = await ChatWith.open();
  await assertRefused("not_found", () => opened.visit("alice", { channelId: "nowhere" }));
  await assertRefused("not_found", () => opened.store.getChannel("nowhere"));
  assertEquals(opened.chat.activeChannels, 0);
});

Deno.test("Chat visit() that the store refuses rejects and leaves nothing behind", async () => {
  await using opened = await ChatWith.open({ store: () => ({ history: () => Promise.reject(away) }) });
  await assertRefused("unavailable", () => opened.visit("alice"));
  assertEquals(opened.chat.activeChannels, 0);
});

Deno.test("Chat visit() succeeds when the store is back", async () => {
  let failures = 1;
  await using opened = await ChatWith.open({
    store: (store) => ({
      history: (channelId, query) => failures-- > 0 ? Promise.reject(away) : store.history(channelId, query),
    }),
  });
  await assertRefused("unavailable", () => opened.visit("alice"));
  const { seat } = await opened.visit("alice");
  await opened.say("bob", "hi");
  assertEquals(seat.seqs, [1]);
});

// Channels

Deno.test("Chat visit() makes a channel that does not exist where channels are made ad hoc", async () => {
  await using opened = await ChatWith.open({ adHocChannels: true });
  const { welcome } = await opened.visit("alice", { channelId: "new" });
  const { name, description } = await opened.store.getChannel("new");
  assertEquals([welcome.channel.id, welcome.head_seq, name, description], ["new", 0, "new", ""]);
});

Deno.test("Chat visit() of twenty at once makes one channel", async () => {
  await using opened = await ChatWith.open({ adHocChannels: true });
  const visits = await Promise.all(numbers(1, 20).map((n) => opened.visit(`user ${n}`, { channelId: "new" })));
  assertEquals(new Set(visits.map(({ welcome }) => welcome.epoch)).size, 1);
  await opened.say("alice", "hi", "new");
  assertEquals(visits.map(({ seat }) => seat.seqs), visits.map(() => [1]));
});

Deno.test("Chat visit() makes no channel where the store is away", async () => {
  await using opened = await ChatWith.open({
    adHocChannels: true,
    store: () => ({ getChannel: () => Promise.reject(away) }),
  });
  await assertRefused("unavailable", () => opened.visit("alice", { channelId: "new" }));
  await assertRefused("not_found", () => opened.store.getChannel("new"));
});

Deno.test("Chat updateChannel() tells the members", async () => {
  await using opened = await ChatWith.open();
  const [one, other] = [await opened.visit("alice"), await opened.visit("bob", { channelId: "b" })];
  await opened.chat.updateChannel("a", { name: "new", description: "newer" });
  const [update] = one.seat.of("channel_updated");
  assertEquals([update?.id, update?.name, update?.description], ["a", "new", "newer"]);
  assertEquals(other.seat.of("channel_updated"), []);
});

Deno.test("Chat updateChannel() that is refused tells nobody", async () => {
  await using opened = await ChatWith.open({ store: () => ({ updateChannel: () => Promise.reject(away) }) });
  const { seat } = await opened.visit("alice");
  await assertRefused("unavailable", () => opened.chat.updateChannel("a", { name: "new" }));
  assertEquals(seat.of("channel_updated"), []);
});

Deno.test("Chat deleteChannel() ends the membership of everyone in it", async () => {
  await using opened = await ChatWith.open();
  const members = [await opened.visit("alice"), await opened.visit("bob")];
  const other = await opened.visit("bob", { channelId: "b" });
  await opened.chat.deleteChannel("a");
  for (const { seat } of members) assertEquals(seat.closes, [{ reason: "channel_deleted" }]);
  assertEquals(other.seat.closes, []);
  assertEquals(opened.chat.activeChannels, 1);
});

Deno.test("Chat deleteChannel() that is refused ends nobody's membership", async () => {
  await using opened = await ChatWith.open({ store: () => ({ deleteChannel: () => Promise.reject(away) }) });
  const { seat } = await opened.visit("alice");
  await assertRefused("unavailable", () => opened.chat.deleteChannel("a"));
  assertEquals(seat.closes, []);
});

Deno.test("Chat visit() of a channel deleted and made again begins with seq 1 of another epoch", async () => {
  await using opened = await ChatWith.open();
  const before = await opened.visit("alice");
  for (const n of numbers(1, 3)) await opened.say("alice", String(n));
  await opened.chat.deleteChannel("a");
  await opened.chat.createChannel({ id: "a", name: "a", description: "" });
  const { seat, welcome } = await opened.visit("alice");
  await opened.say("alice", "first");
  assertNotEquals(welcome.epoch, before.welcome.epoch);
  assertEquals([welcome.messages, welcome.head_seq, seat.seqs], [[], 0, [1]]);
});

Deno.test("Chat visit() of a channel deleted and made again is not held back by someone who still joins the old one", async () => {
  const gate = Promise.withResolvers<void>();
  let gated = false;
  await using opened = await ChatWith.open({
    adHocChannels: true,
    store: (store) => ({
      history: async (channelId, query) => {
        if (gated) {
          gated = false;
          await gate.promise;
        }
        return await store.history(channelId, query);
      },
    }),
  });
  await opened.visit("alice", { limit: 1 });
  for (const n of numbers(1, 3)) await opened.say("alice", String(n));
  gated = true;
  const late = opened.visit("bob", { limit: 2 }).catch(() => {});
  await eventually(() => !gated);
  await opened.chat.deleteChannel("a");
  const { seat } = await opened.visit("carol", { limit: 3 });
  gate.resolve();
  await late;
  await opened.say("carol", "first");
  await opened.say("carol", "second");
  assertEquals(seat.seqs, [1, 2]);
});

const FIRST = [
  { id: "general", name: "General", description: "Everything" },
  { id: "random", name: "Random", description: "" },
];

Deno.test("Chat ensureFirstChannels() makes them in an empty store", async () => {
  await using opened = await ChatWith.open({ channels: [] });
  await opened.chat.ensureFirstChannels(FIRST);
  const { channels } = await opened.store.listChannels({ limit: 10 });
  assertEquals(channels.map(({ id, name, description }) => ({ id, name, description })), FIRST);
});

Deno.test("Chat ensureFirstChannels() makes none where there is a channel", async () => {
  await using opened = await ChatWith.open({ channels: ["mine"] });
  await opened.chat.ensureFirstChannels(FIRST);
  assertEquals((await opened.store.listChannels({ limit: 10 })).channels.map(({ id }) => id), ["mine"]);
});

Deno.test("Chat ensureFirstChannels() by two instances at once makes them once", async () => {
  await using opened = await ChatWith.open({ channels: [] });
  await Promise.all([opened.chat.ensureFirstChannels(FIRST), opened.chat.ensureFirstChannels(FIRST)]);
  assertEquals((await opened.store.listChannels({ limit: 10 })).channels.length, 2);
});

// Typing

Deno.test("Chat send() ends its author's typing before the message comes", async () => {
  await using opened = await ChatWith.open();
  const [alice, bob] = [await opened.visit("alice"), await opened.visit("bob")];
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  await opened.say("alice", "hi");
  const events = bob.seat.heard.map(({ event }) => event).filter((event) => /typing|message/.test(event));
  assertEquals(events, ["user_typing", "user_stopped_typing", "new_message"]);
});

Deno.test("Chat send() leaves the typing of others as it is", async () => {
  await using opened = await ChatWith.open();
  const [alice, bob] = [await opened.visit("alice"), await opened.visit("bob")];
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  await opened.say("bob", "hi");
  assertEquals(bob.seat.of("user_stopped_typing"), []);
});

Deno.test("Chat leave() ends the typing of who leaves", async () => {
  await using opened = await ChatWith.open();
  const [alice, bob] = [await opened.visit("alice"), await opened.visit("bob")];
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  opened.leave(alice.visit);
  assertEquals(bob.seat.of("user_stopped_typing"), [{ user_id: "alice" }]);
});

Deno.test("Chat sweep() ends typing after 10 s", async () => {
  await using opened = await ChatWith.open();
  const [alice, bob] = [await opened.visit("alice"), await opened.visit("bob")];
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  opened.clock.nowMs += 9_999;
  opened.chat.sweep();
  assertEquals(bob.seat.of("user_stopped_typing"), []);
  opened.clock.nowMs += 1;
  opened.chat.sweep();
  assertEquals(bob.seat.of("user_stopped_typing"), [{ user_id: "alice" }]);
});

Deno.test("Chat typing reaches the members of its channel alone", async () => {
  await using opened = await ChatWith.open();
  const alice = await opened.visit("alice");
  const other = await opened.visit("bob", { channelId: "b" });
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  assertEquals(other.seat.of("user_typing"), []);
});

Deno.test("Chat typing reaches someone whose history is still being read", async () => {
  await using opened = await ChatWith.open();
  const alice = await opened.visit("alice");
  const seat = new FakeSeat("bob");
  const visiting = opened.chat.visit(seat, "a", { limit: 50 });
  alice.visit.typing.start(alice.seat.identity.userId, alice.seat);
  const visit = await visiting;
  assertEquals(seat.of("user_typing"), [{ user_id: "alice" }]);
  visit.leave();
});

Deno.test("Chat deleteChannel() has the store swept until nothing is left", async () => {
  let sweeps = 0;
  await using opened = await ChatWith.open({ store: () => ({ sweep: () => Promise.resolve(++sweeps < 4) }) });
  await opened.chat.deleteChannel("a");
  await eventually(() => sweeps === 4);
});

Deno.test("Chat sweepStore() tells of a store that fails, once, and gives up", async () => {
  const failing = () => Promise.reject(new ChatError("unavailable", "The disk is full."));
  await using opened = await ChatWith.open({ store: () => ({ sweep: failing }) });
  await opened.chat.sweepStore();
  assertEquals(opened.faults.length, 1);
});
