import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { ResumePoint } from "../../src/chat/input.ts";
import { messagePayload } from "../../src/chat/payload.ts";
import { ChatError } from "../../src/errors.ts";
import type { Message, Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { chance, seed } from "../support/chance.ts";
import { eventually } from "../support/eventually.ts";
import { ChatWith, read, type Welcome } from "./support/chat_with.ts";
import { FakeSeat } from "./support/fake_seat.ts";

const away = new ChatError("unavailable", "The storage failed.");

/** What a join that resumes is answered with. */
interface Reply extends Welcome {
  readonly recovered?: boolean;
  readonly reason?: string;
}

/** A client that is back; `using` lets it leave. */
class Returned implements Disposable {
  private constructor(readonly seat: FakeSeat, readonly reply: Reply, readonly leave: () => void) {}

  static async to(
    { chat }: ChatWith,
    resume: ResumePoint,
    { channelId = "a", limit = 50 }: { channelId?: string; limit?: number } = {},
  ): Promise<Returned> {
    const seat = new FakeSeat("back", channelId);
    const visit = await chat.visit(seat, channelId, { limit, resume });
    seat.onClose = () => visit.leave();
    return new Returned(seat, read(visit.welcome), () => visit.leave());
  }

  /** Everything it was given, the reply first. */
  get seqs(): unknown[] {
    return [...seqs(this.reply), ...this.seat.seqs];
  }

  [Symbol.dispose](): void {
    this.leave();
  }
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
}

function seqs({ messages }: Reply): unknown[] {
  return messages.map(({ seq }) => seq);
}

function outcome({ recovered, reason }: Reply): unknown[] {
  return [recovered, reason];
}

/** Stores so many messages; resolves with them, oldest first. */
async function fill(store: Store, count: number, channelId = "a"): Promise<Message[]> {
  const appended = await Promise.all(
    numbers(1, count).map((n) => store.append({ channelId, userId: "alice", content: String(n) })),
  );
  return appended.map(({ message }) => message);
}

async function epochOf(store: Store, channelId = "a"): Promise<string> {
  return (await store.getChannel(channelId)).epoch;
}

/** Both ways to say that everything up to the message in this place was seen. */
async function pointsAt(store: Store, messages: readonly Message[], place: number): Promise<ResumePoint[]> {
  const message = messages[place - 1];
  assert(message);
  return [{ lastSeq: message.seq, epoch: await epochOf(store) }, { lastSeenId: message.id }];
}

// What was missed

Deno.test("a client that comes back gets exactly what it missed, in version order, as history has it", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 10);
  for (const point of await pointsAt(opened.store, messages, 6)) {
    using back = await Returned.to(opened, point);
    assertEquals<unknown>(back.reply.messages, messages.slice(6).map(messagePayload));
    assertEquals(outcome(back.reply), [true, undefined]);
    assertEquals([back.reply.head_seq, back.reply.channel.head_seq], [10, 10]);
    assertEquals(back.reply.epoch, await epochOf(opened.store));
  }
});

Deno.test("a client that missed nothing gets no message and is told that this is all", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 3);
  for (const point of await pointsAt(opened.store, messages, 3)) {
    using back = await Returned.to(opened, point);
    assertEquals(back.reply.messages, []);
    assertEquals([...outcome(back.reply), back.reply.head_seq], [true, undefined, 3]);
  }
});

Deno.test("a client that saw an empty channel gets all that was said since", async () => {
  await using opened = await ChatWith.open();
  const epoch = await epochOf(opened.store);
  await fill(opened.store, 60);
  using back = await Returned.to(opened, { lastSeq: 0, epoch });
  assertEquals<unknown>(seqs(back.reply), numbers(1, 60));
  assertEquals(outcome(back.reply), [true, undefined]);
});

Deno.test("a client comes back to a channel in which nothing was ever said", async () => {
  await using opened = await ChatWith.open();
  using back = await Returned.to(opened, { lastSeq: 0, epoch: await epochOf(opened.store) });
  assertEquals([...back.reply.messages, ...outcome(back.reply)], [true, undefined]);
});

Deno.test("limit does not shorten what was missed", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 10);
  for (const point of await pointsAt(opened.store, messages, 2)) {
    for (const limit of [0, 1]) {
      using back = await Returned.to(opened, point, { limit });
      assertEquals<unknown>(seqs(back.reply), numbers(3, 10));
    }
  }
});

Deno.test("a client that missed 1,000 messages gets all of them", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 1_003);
  for (const point of await pointsAt(opened.store, messages, 3)) {
    using back = await Returned.to(opened, point);
    assertEquals<unknown>(seqs(back.reply), numbers(4, 1_003));
    assertEquals(outcome(back.reply), [true, undefined]);
  }
});

Deno.test("a client that comes back gets what was edited and deleted meanwhile, in version order, each once", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 4);
  const [one, two, three] = messages;
  assert(one && two && three);
  await opened.store.editMessage("a", two.id, { content: "x" });
  const alice = { userId: "alice" };
  await opened.chat.messages.deleteMany(alice, "a", [three.id, one.id]);
  await opened.store.editMessage("a", two.id, { content: "y" });
  for (const point of await pointsAt(opened.store, messages, 4)) {
    using back = await Returned.to(opened, point);
    const told = back.reply.messages.map(({ id, version, deleted }) => [id, version, deleted]);
    assertEquals<unknown>(told, [[three.id, 6, true], [one.id, 7, true], [two.id, 8, undefined]]);
    assertEquals([...outcome(back.reply), back.reply.head_seq], [true, undefined, 8]);
  }
});

Deno.test("a client that missed what retention has removed is told so", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 5);
  await opened.store.updateChannel("a", { retentionCount: 2 });
  await opened.chat.sweepStore();
  using back = await Returned.to(opened, { lastSeq: 2, epoch: await epochOf(opened.store) });
  assertEquals([...outcome(back.reply), ...seqs(back.reply)], [false, "gap_too_large", 4, 5]);
  for (const point of await pointsAt(opened.store, messages, 4)) {
    using later = await Returned.to(opened, point);
    assertEquals([...outcome(later.reply), ...seqs(later.reply)], [true, undefined, 5]);
  }
});

Deno.test("a client that missed more than 512 KiB is told so, whatever it is made of", async () => {
  for (const kind of ["content", "metadata", "mentions"] as const) {
    await using opened = await ChatWith.open();
    const text = "x".repeat(3_900);
    const draft = kind === "content"
      ? { content: text }
      : kind === "metadata"
      ? { content: "x", metadata: { text } }
      : { content: "x", mentions: [text] };
    const epoch = await epochOf(opened.store);
    await Promise.all(numbers(1, 140).map(() => opened.store.append({ channelId: "a", userId: "alice", ...draft })));
    using back = await Returned.to(opened, { lastSeq: 0, epoch }, { limit: 1 });
    assertEquals([...outcome(back.reply), ...seqs(back.reply)], [false, "gap_too_large", 140]);
    using near = await Returned.to(opened, { lastSeq: 20, epoch });
    assertEquals(outcome(near.reply), [true, undefined]);
  }
});

// A clear no

Deno.test("a client that missed 1,001 messages is told so and gets the newest page, never a part", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 1_004);
  for (const point of await pointsAt(opened.store, messages, 3)) {
    for (const limit of [0, 50, 100]) {
      using back = await Returned.to(opened, point, { limit });
      assertEquals(outcome(back.reply), [false, "gap_too_large"]);
      assertEquals<unknown>(seqs(back.reply), numbers(1_005 - limit, 1_004));
      assertEquals(back.reply.head_seq, 1_004);
    }
  }
});

for (
  const [what, point] of [["a last_seq above the head", { lastSeq: 4 }], ["another epoch", { epoch: "other" }]] as const
) {
  Deno.test(`${what} is of a channel that is gone: epoch_changed and the newest page`, async () => {
    await using opened = await ChatWith.open();
    await fill(opened.store, 3);
    using back = await Returned.to(opened, { lastSeq: 2, epoch: await epochOf(opened.store), ...point }, { limit: 2 });
    assertEquals(outcome(back.reply), [false, "epoch_changed"]);
    assertEquals([...seqs(back.reply), back.reply.head_seq], [2, 3, 3]);
    assertEquals(back.reply.epoch, await epochOf(opened.store));
  });
}

Deno.test("an unknown last_seen_id gets unknown_id and the newest page", async () => {
  await using opened = await ChatWith.open();
  const ids = (await fill(opened.store, 3)).map(({ id }) => id);
  // Before, between and after those there are.
  for (const lastSeenId of [`0${"0".repeat(25)}`, `${ids[1]?.slice(0, -1)}!`, `7${"Z".repeat(25)}`]) {
    using back = await Returned.to(opened, { lastSeenId }, { limit: 2 });
    assertEquals(outcome(back.reply), [false, "unknown_id"]);
    assertEquals(seqs(back.reply), [2, 3]);
  }
});

Deno.test("a last_seen_id of another channel gets unknown_id and the newest page", async () => {
  await using opened = await ChatWith.open();
  await fill(opened.store, 3);
  const [, elsewhere] = await fill(opened.store, 3, "b");
  using back = await Returned.to(opened, { lastSeenId: elsewhere?.id ?? "" });
  assertEquals(outcome(back.reply), [false, "unknown_id"]);
  assertEquals<unknown>(seqs(back.reply), [1, 2, 3]);
});

Deno.test("a channel deleted and made again is another: epoch_changed, unknown_id, and live events from its head", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 3);
  const points = await pointsAt(opened.store, messages, 2);
  const before = await epochOf(opened.store);
  await opened.chat.deleteChannel("a");
  await opened.chat.createChannel({ id: "a", name: "a", description: "" });
  await fill(opened.store, 5);
  for (const [index, reason] of ["epoch_changed", "unknown_id"].entries()) {
    const point = points[index];
    assert(point);
    using back = await Returned.to(opened, point);
    assertEquals(outcome(back.reply), [false, reason]);
    assertNotEquals(back.reply.epoch, before);
    const head = Number(back.reply.head_seq);
    assertEquals<unknown>(seqs(back.reply), numbers(1, head));
    await opened.say("alice", "more");
    assertEquals(back.seat.seqs, [head + 1]);
  }
});

Deno.test("a channel deleted and made again while a client comes back is never taken for the old one", async () => {
  for (const by of [0, 1]) {
    let replaced = false;
    await using opened = await ChatWith.open({
      store: (store) => ({
        changes: async (id, query) => {
          if (!replaced) {
            replaced = true;
            await store.deleteChannel(id);
            await store.createChannel({ id, name: id, description: "" });
            await fill(store, 5);
          }
          return await store.changes(id, query);
        },
      }),
    });
    const messages = await fill(opened.store, 3);
    const point = (await pointsAt(opened.store, messages, 2))[by];
    assert(point);
    using back = await Returned.to(opened, point);
    assertEquals([back.reply.recovered, ...seqs(back.reply)], [false, 1, 2, 3, 4, 5]);
  }
});

Deno.test("a client comes back to a channel that is gone: not_found, and nothing is left behind", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 3);
  const points = await pointsAt(opened.store, messages, 2);
  await opened.chat.deleteChannel("a");
  for (const point of points) await assertRefused("not_found", () => Returned.to(opened, point));
  assertEquals(opened.chat.activeChannels, 0);
});

// Live events

Deno.test(`live events go on where the reply ends, in 50 random interleavings (seed ${seed})`, async () => {
  for (let run = 0; run < 50; run++) {
    const random = chance(seed + run);
    await using opened = await ChatWith.open({ store: (store) => slowly(store, random) });
    const seen = await fill(opened.store, random(1, 20));
    const points = await pointsAt(opened.store, seen, seen.length);
    const last = seen.length + 40;
    const sending = numbers(1, 40).map(async (n) => {
      await turns(random(0, 60));
      await opened.say(`user ${n % 3}`, String(n));
    });
    const visiting = numbers(1, 6).map(async (n) => {
      await turns(random(0, 60));
      if (n > 2) return await comeBack(opened, points[n % 2]);
      const { visit } = await opened.visit(`guest ${n}`).catch(refusedForNow);
      await turns(random(0, 30));
      if (visit) opened.leave(visit);
      return undefined;
    });
    const [visits] = await Promise.all([Promise.all(visiting), Promise.all(sending)]);
    for (const back of visits) {
      if (!back) continue;
      await eventually(() => back.seqs.length >= last - seen.length);
      assertEquals<unknown>(back.seqs, numbers(seen.length + 1, last), `TEST_SEED=${seed}, run ${run}`);
      assertEquals(outcome(back.reply), [true, undefined]);
      back.leave();
    }
  }
});

/** Comes back, again where the channel moved too fast. */
async function comeBack(opened: ChatWith, point: ResumePoint | undefined): Promise<Returned> {
  assert(point);
  for (;;) {
    try {
      return await Returned.to(opened, point);
    } catch (error) {
      refusedForNow(error);
    }
  }
}

function refusedForNow(error: unknown): { visit?: undefined } {
  if (!(error instanceof ChatError) || error.code !== "unavailable") throw error;
  return {};
}

async function turns(count: number): Promise<void> {
  while (count-- > 0) await undefined;
}

/** A store whose answers take a few turns each and so may overtake one another. */
function slowly(store: Store, random: (min: number, max: number) => number): Partial<Store> {
  const late = async <T>(ask: () => Promise<T>): Promise<T> => {
    await turns(random(0, 12));
    const value = await ask();
    await turns(random(0, 12));
    return value;
  };
  return {
    append: async (draft) => {
      const appended = await store.append(draft);
      await turns(random(0, 12));
      return appended;
    },
    getMessage: (channelId, id) => late(() => store.getMessage(channelId, id)),
    history: (channelId, query) => late(() => store.history(channelId, query)),
    changes: (channelId, query) => late(() => store.changes(channelId, query)),
    getChannel: (id) => late(() => store.getChannel(id)),
  };
}

Deno.test("what is said while the missed messages are read comes once", async () => {
  let said = false;
  await using opened = await ChatWith.open({
    store: (store) => ({
      changes: async (id, query) => {
        if (!said) {
          said = true;
          await opened.say("alice", "before it is read");
          const missed = await store.changes(id, query);
          await opened.say("alice", "after it was read");
          return missed;
        }
        return await store.changes(id, query);
      },
    }),
  });
  const messages = await fill(opened.store, 3);
  const [point] = await pointsAt(opened.store, messages, 2);
  assert(point);
  using back = await Returned.to(opened, point);
  assertEquals([seqs(back.reply), back.seat.seqs], [[3, 4], [5]]);
});

// The answer that joins share

for (const others of [0, 1]) {
  Deno.test(`a resumed join is not what the next plain join gets, nor the other way round (${others} others)`, async () => {
    await using opened = await ChatWith.open();
    const messages = await fill(opened.store, 5);
    for (const n of numbers(1, others)) await opened.visit(`other ${n}`);
    const unknown = [{ lastSeq: 3, epoch: "other" }, { lastSeenId: `7${"Z".repeat(25)}` }];
    for (const point of [...await pointsAt(opened.store, messages, 3), ...unknown]) {
      using back = await Returned.to(opened, point);
      const { visit, welcome } = await opened.visit("newcomer");
      assertEquals<unknown>(seqs(welcome), numbers(1, 5));
      assertEquals(Object.keys(welcome).sort(), ["channel", "epoch", "head_seq", "messages"]);
      using again = await Returned.to(opened, point);
      assertEquals(again.reply, back.reply);
      assertEquals<unknown>(seqs(again.reply), again.reply.recovered ? [4, 5] : numbers(1, 5));
      opened.leave(visit);
    }
  });
}

Deno.test("a resumed join with the limit of the shared answer does not get that one", async () => {
  await using opened = await ChatWith.open();
  const messages = await fill(opened.store, 5);
  const { welcome } = await opened.visit("first", { limit: 2 });
  assertEquals(seqs(welcome), [4, 5]);
  for (const point of await pointsAt(opened.store, messages, 1)) {
    using back = await Returned.to(opened, point, { limit: 2 });
    assertEquals([back.reply.recovered, ...seqs(back.reply)], [true, 2, 3, 4, 5]);
  }
});

// A store that fails

for (const method of ["getChannel", "getMessage", "changes", "history"] as const) {
  Deno.test(`a client that comes back while ${method} fails is refused with unavailable, and resumes afterwards`, async () => {
    let failing = false;
    await using opened = await ChatWith.open({
      store: (store) => ({
        [method]: (id: string, query: never) => failing ? Promise.reject(away) : store[method](id, query),
      }),
    });
    const messages = await fill(opened.store, 3);
    const [byNumber, byId] = await pointsAt(opened.store, messages, 2);
    const point = method === "history" ? { lastSeq: 2, epoch: "other" } : method === "getMessage" ? byId : byNumber;
    assert(point);
    failing = true;
    await assertRefused("unavailable", () => Returned.to(opened, point));
    assertEquals(opened.chat.activeChannels, 0);
    failing = false;
    using back = await Returned.to(opened, point);
    assertEquals(seqs(back.reply), method === "history" ? [1, 2, 3] : [3]);
  });
}
