import { assert, assertEquals } from "@std/assert";
import { type Change, Feed, type FeedOptions, type Subscription } from "../../src/chat/feed.ts";
import { Broadcast } from "../../src/phoenix/frame.ts";
import { generator, newSeed, type Random } from "../store/support/random.ts";
import { eventually } from "../support/eventually.ts";
import { FakeSeat } from "./support/fake_seat.ts";

/** Nothing is read from the store within a test that does not say so. */
const NEVER_MS = 3_600_000;

function change(seq: number): Change {
  return { seq, broadcast: new Broadcast("text_channel:a", "new_message", { seq }) };
}

/** The store of a channel in which `headSeq` changes were committed. */
class Truth {
  headSeq: number;
  /** After which `seq` the store was read, each time. */
  readonly reads: number[] = [];
  readonly faults: unknown[] = [];
  /** Reads under way. */
  reading = 0;
  /** How many of the next reads fail. */
  failing = 0;

  readonly #page: number;

  /** Reads `page` changes at a time. */
  constructor(headSeq = 0, page = 3) {
    this.headSeq = headSeq;
    this.#page = page;
  }

  async read(after: number): ReturnType<FeedOptions["read"]> {
    this.reads.push(after);
    this.reading++;
    await turns(1);
    this.reading--;
    if (this.failing > 0) {
      this.failing--;
      throw new Error("the store is away");
    }
    const changes = numbers(after + 1, Math.min(after + this.#page, this.headSeq)).map(change);
    return { changes, headSeq: this.headSeq, more: after + this.#page < this.headSeq };
  }
}

function open(
  truth: Truth,
  options: { patienceMs?: number; retryMs?: number } = {},
): Feed & Disposable {
  const feed = new Feed({
    read: (after) => truth.read(after),
    onFault: (error) => truth.faults.push(error),
    patienceMs: options.patienceMs ?? NEVER_MS,
    retryMs: options.retryMs ?? NEVER_MS,
  });
  return Object.assign(feed, { [Symbol.dispose]: () => feed.close({}) });
}

/** Subscribes a seat that leaves when its membership is ended, as a connection sees to. */
function subscribe(feed: Feed, seat: FakeSeat): Subscription {
  const subscription = feed.subscribe(seat);
  seat.onClose = () => feed.unsubscribe(subscription);
  return subscription;
}

/** A member whose history ended at `headSeq`. */
function join(feed: Feed, headSeq: number, userId = "alice"): { seat: FakeSeat; subscription: Subscription } {
  const seat = new FakeSeat(userId);
  const subscription = subscribe(feed, seat);
  feed.release(subscription, headSeq);
  return { seat, subscription };
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setTimeout(resolve, 0));
}

// Order

Deno.test("Feed offer() delivers a change that is in turn at once", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  feed.offer(change(1));
  assertEquals(seat.seqs, [1]);
});

Deno.test("Feed offer() delivers to every member", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob", "carol"].map((userId) => join(feed, 0, userId));
  feed.offer(change(1));
  assertEquals(members.map(({ seat }) => seat.seqs), [[1], [1], [1]]);
});

Deno.test("Feed offer() keeps a change that is early until those before it have come", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  for (const seq of [4, 2, 3]) feed.offer(change(seq));
  assertEquals(seat.seqs, []);
  feed.offer(change(1));
  assertEquals(seat.seqs, [1, 2, 3, 4]);
});

Deno.test("Feed offer() delivers a change that is offered again only once", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  for (const seq of [1, 1, 3, 3, 2, 2, 1, 3]) feed.offer(change(seq));
  assertEquals(seat.seqs, [1, 2, 3]);
});

Deno.test("Feed delivered is the last seq delivered", () => {
  using feed = open(new Truth());
  assertEquals(feed.delivered, undefined);
  join(feed, 4);
  assertEquals(feed.delivered, 4);
  for (const seq of [5, 7]) feed.offer(change(seq));
  assertEquals(feed.delivered, 5);
});

// Joining

Deno.test("Feed release() lets nothing before it through", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const seat = new FakeSeat("bob");
  subscribe(feed, seat);
  feed.offer(change(1));
  assertEquals(seat.seqs, []);
});

Deno.test("Feed release() gives a member what came while its history was read, but for what is in it", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const seat = new FakeSeat("bob");
  const subscription = subscribe(feed, seat);
  for (const seq of [1, 2, 3, 4]) feed.offer(change(seq));
  feed.release(subscription, 2);
  feed.offer(change(5));
  assertEquals(seat.seqs, [3, 4, 5]);
});

Deno.test("Feed release() gives the first member what came while its history was read, but for what is in it", () => {
  using feed = open(new Truth());
  const seat = new FakeSeat("alice");
  const subscription = subscribe(feed, seat);
  for (const seq of [1, 2, 3, 4]) feed.offer(change(seq));
  feed.release(subscription, 2);
  feed.offer(change(5));
  assertEquals(seat.seqs, [3, 4, 5]);
});

Deno.test("Feed release() of a history that is ahead of the live stream repeats nothing of it", () => {
  using feed = open(new Truth());
  const alice = join(feed, 0);
  const bob = join(feed, 3, "bob");
  for (const seq of [1, 2, 3, 4]) feed.offer(change(seq));
  assertEquals(alice.seat.seqs, [1, 2, 3, 4]);
  assertEquals(bob.seat.seqs, [4]);
});

Deno.test("Feed release() misses nothing where of two first members the one with the older history is let in last", async () => {
  const truth = new Truth(5);
  using feed = open(truth, { patienceMs: 0 });
  const [alice, bob] = [new FakeSeat("alice"), new FakeSeat("bob")];
  const [first, second] = [subscribe(feed, alice), subscribe(feed, bob)];
  feed.release(second, 5);
  if (!feed.release(first, 4)) return; // It reads again.
  feed.repair();
  await eventually(() => alice.seqs.length === 1);
  assertEquals(alice.seqs, [5]);
});

Deno.test("Feed release() is false where more than 1,000 changes came while the history was read", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const subscription = subscribe(feed, new FakeSeat("bob"));
  for (const seq of numbers(1, 1_001)) feed.offer(change(seq));
  assertEquals(feed.release(subscription, 0), false);
});

Deno.test("Feed release() gives 1,000 changes that came while the history was read", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const seat = new FakeSeat("bob");
  const subscription = subscribe(feed, seat);
  for (const seq of numbers(1, 1_000)) feed.offer(change(seq));
  feed.release(subscription, 0);
  assertEquals(seat.seqs, numbers(1, 1_000));
});

// Leaving

Deno.test("Feed unsubscribe() ends a member's stream at once", () => {
  using feed = open(new Truth());
  const { seat, subscription } = join(feed, 0);
  const other = join(feed, 0, "bob");
  feed.offer(change(1));
  feed.unsubscribe(subscription);
  feed.offer(change(2));
  assertEquals([seat.seqs, other.seat.seqs], [[1], [1, 2]]);
});

Deno.test("Feed unsubscribe() may be called while a change is delivered", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob", "carol"].map((userId) => join(feed, 0, userId));
  const [alice, bob] = members;
  assert(alice && bob);
  alice.seat.onRelay = () => {
    feed.unsubscribe(alice.subscription);
    feed.unsubscribe(bob.subscription);
  };
  for (const seq of [1, 2]) feed.offer(change(seq));
  assertEquals(members.map(({ seat }) => seat.seqs), [[1], [], [1, 2]]);
});

Deno.test("Feed size counts the members and those whose history is being read", () => {
  using feed = open(new Truth());
  const { subscription } = join(feed, 0);
  subscribe(feed, new FakeSeat("bob"));
  assertEquals(feed.size, 2);
  feed.unsubscribe(subscription);
  assertEquals(feed.size, 1);
});

Deno.test("Feed goes on from the history of its next member when it was empty", () => {
  using feed = open(new Truth());
  const { subscription } = join(feed, 0);
  feed.offer(change(1));
  feed.unsubscribe(subscription);
  const { seat } = join(feed, 7, "bob");
  feed.offer(change(8));
  assertEquals(seat.seqs, [8]);
});

// Repair

Deno.test("Feed reads a hole from the store when it was not filled in time", async () => {
  const truth = new Truth(5);
  using feed = open(truth, { patienceMs: 0 });
  const { seat } = join(feed, 0);
  feed.offer(change(5));
  await eventually(() => seat.seqs.length === 5);
  assertEquals(seat.seqs, [1, 2, 3, 4, 5]);
});

Deno.test("Feed reads a hole that there was before the first member's history was read", async () => {
  const truth = new Truth(5);
  using feed = open(truth, { patienceMs: 0 });
  const seat = new FakeSeat("alice");
  const subscription = subscribe(feed, seat);
  feed.offer(change(5));
  feed.release(subscription, 2);
  await eventually(() => seat.seqs.length === 3);
  assertEquals(seat.seqs, [3, 4, 5]);
});

Deno.test("Feed waits for a hole to be filled before it reads it", async () => {
  const truth = new Truth(2);
  using feed = open(truth, { patienceMs: NEVER_MS });
  join(feed, 0);
  feed.offer(change(2));
  await turns(5);
  assertEquals(truth.reads, []);
});

Deno.test("Feed repair() reads what was never offered", async () => {
  const truth = new Truth(2);
  using feed = open(truth);
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => seat.seqs.length === 2);
  assertEquals(seat.seqs, [1, 2]);
});

Deno.test("Feed repair() reads page after page until there is no more", async () => {
  const truth = new Truth(10);
  using feed = open(truth);
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => seat.seqs.length === 10);
  assertEquals(truth.reads, [0, 3, 6, 9]);
});

Deno.test("Feed repair() repeats nothing that is offered while it reads", async () => {
  const truth = new Truth(6);
  using feed = open(truth);
  const { seat } = join(feed, 0);
  feed.repair();
  for (const seq of [1, 2, 4, 3, 6]) feed.offer(change(seq));
  await eventually(() => seat.seqs.length === 6);
  await turns(5);
  assertEquals(seat.seqs, [1, 2, 3, 4, 5, 6]);
});

Deno.test("Feed repair() during a repair reads once more after it", async () => {
  const truth = new Truth(1);
  using feed = open(truth, { patienceMs: 0 });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => truth.reads.length === 1);
  feed.repair();
  truth.headSeq = 2;
  await eventually(() => seat.seqs.length === 2);
  assertEquals(seat.seqs, [1, 2]);
});

Deno.test("Feed repair() before the first member's history was read reads after it", async () => {
  const truth = new Truth(1);
  using feed = open(truth, { patienceMs: 0 });
  const seat = new FakeSeat("alice");
  const subscription = subscribe(feed, seat);
  feed.repair();
  feed.release(subscription, 0);
  await eventually(() => seat.seqs.length === 1);
  assertEquals(seat.seqs, [1]);
});

Deno.test("Feed repair() reads nothing where there is no member", async () => {
  const truth = new Truth(2);
  using feed = open(truth, { patienceMs: 0 });
  const { subscription } = join(feed, 0);
  feed.unsubscribe(subscription);
  feed.repair();
  await turns(5);
  assertEquals(truth.reads, []);
});

Deno.test("Feed repair() passes over changes that later ones replaced", async () => {
  const feed = new Feed({
    read: () => Promise.resolve({ changes: [change(2), change(4)], headSeq: 5, more: false }),
    onFault: () => {},
  });
  const { seat, subscription } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 5);
  feed.offer(change(6));
  assertEquals(seat.seqs, [2, 4, 6]);
  feed.unsubscribe(subscription);
});

Deno.test("Feed tries a repair again that failed, and says why it failed", async () => {
  const truth = new Truth(3);
  truth.failing = 2;
  using feed = open(truth, { retryMs: 0 });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => seat.seqs.length === 3);
  assertEquals(seat.seqs, [1, 2, 3]);
  assertEquals(truth.faults.map(String), Array(2).fill("Error: the store is away"));
});

Deno.test("Feed delivers what is in turn while its repairs fail", async () => {
  const truth = new Truth(0);
  truth.failing = Infinity;
  {
    using feed = open(truth, { retryMs: 0 });
    const { seat } = join(feed, 0);
    feed.repair();
    await eventually(() => truth.faults.length > 1);
    feed.offer(change(1));
    assertEquals(seat.seqs, [1]);
  }
  await eventually(() => truth.reading === 0);
});

Deno.test("Feed delivers all of more changes than it keeps while one is missing", async () => {
  const truth = new Truth(1_500, 200);
  using feed = open(truth, { patienceMs: 0 });
  const { seat } = join(feed, 0);
  for (const seq of numbers(2, 1_500).reverse()) feed.offer(change(seq));
  await eventually(() => seat.seqs.length >= 1_500);
  assertEquals(seat.seqs, numbers(1, 1_500));
});

Deno.test("Feed delivers all of more changes than it keeps when the missing one comes", async () => {
  const truth = new Truth(1_500, 200);
  using feed = open(truth, { patienceMs: 20 });
  const { seat } = join(feed, 0);
  for (const seq of numbers(2, 1_500)) feed.offer(change(seq));
  feed.offer(change(1));
  assertEquals(seat.seqs, numbers(1, 1_001));
  await eventually(() => seat.seqs.length >= 1_500);
  assertEquals(seat.seqs, numbers(1, 1_500));
});

Deno.test("Feed delivers all of more changes than it keeps while the first member's history is read", async () => {
  const truth = new Truth(1_500, 200);
  using feed = open(truth, { patienceMs: 0 });
  const seat = new FakeSeat("alice");
  const subscription = subscribe(feed, seat);
  for (const seq of numbers(1, 1_500)) feed.offer(change(seq));
  feed.release(subscription, 0);
  assertEquals(seat.seqs, numbers(1, 1_000));
  await eventually(() => seat.seqs.length >= 1_500);
  assertEquals(seat.seqs, numbers(1, 1_500));
});

// Several changes in one

/** Deletions made at once. */
function bulk(first: number, seq: number): Change {
  return { first, seq, broadcast: new Broadcast("text_channel:a", "messages_deleted", { version: seq }) };
}

/** What a member was told, in order: `1` for a message, `x3` for deletions up to 3, `u3` for an update. */
function told({ heard }: FakeSeat): string[] {
  return heard.map(({ event, payload }) => {
    if (event === "messages_deleted") return `x${payload.version}`;
    return event === "message_updated" ? `u${payload.seq}` : String(payload.seq);
  });
}

Deno.test("Feed offer() delivers several changes in one, and what follows without a repair", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 3);
  for (const next of [bulk(4, 6), change(7)]) feed.offer(next);
  assertEquals([told(seat), feed.delivered], [["x6", "7"], 7]);
});

Deno.test("Feed offer() keeps several changes in one that are early until those before the first have come", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  for (const next of [change(5), bulk(2, 4)]) feed.offer(next);
  assertEquals(told(seat), []);
  feed.offer(change(1));
  assertEquals(told(seat), ["1", "x4", "5"]);
});

Deno.test("Feed offer() delivers several changes in one that are offered again only once", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  for (const next of [bulk(1, 3), bulk(1, 3), change(4), bulk(1, 3)]) feed.offer(next);
  assertEquals(told(seat), ["x3", "4"]);
});

Deno.test("Feed offer() delivers several changes in one of which a part came before", () => {
  using feed = open(new Truth());
  const { seat } = join(feed, 0);
  for (const next of [change(1), change(2), bulk(1, 4), change(5)]) feed.offer(next);
  assertEquals(told(seat), ["1", "2", "x4", "5"]);
});

Deno.test("Feed offer() gives several changes in one to a member whose history ends among them", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const { seat } = join(feed, 2, "bob");
  for (const next of [bulk(1, 4), change(5)]) feed.offer(next);
  assertEquals(told(seat), ["x4", "5"]);
});

Deno.test("Feed offer() spares a member several changes in one that its history has", () => {
  using feed = open(new Truth());
  join(feed, 0);
  const { seat } = join(feed, 4, "bob");
  for (const next of [bulk(1, 4), change(5)]) feed.offer(next);
  assertEquals(told(seat), ["5"]);
});

Deno.test("Feed repair() forgets several changes in one that were early when it has read them all", async () => {
  const truth = new Truth(5);
  using feed = open(truth, { patienceMs: 0 });
  const { seat } = join(feed, 0);
  feed.offer(bulk(3, 5));
  await eventually(() => feed.delivered === 5);
  await turns(5);
  const { length } = truth.reads;
  feed.offer(change(6));
  await turns(5);
  assertEquals([told(seat), truth.reads.length], [["1", "2", "3", "4", "5", "6"], length]);
});

Deno.test("Feed repair() goes on where it has read a part of several changes in one that are early", async () => {
  let headSeq = 3;
  using feed = Object.assign(
    new Feed({
      read: (after) => Promise.resolve({ changes: numbers(after + 1, headSeq).map(change), headSeq, more: false }),
      onFault: () => {},
      patienceMs: 0,
    }),
    { [Symbol.dispose]: () => feed.close({}) },
  );
  const { seat } = join(feed, 0);
  feed.offer(bulk(3, 5));
  await eventually(() => feed.delivered === 3);
  headSeq = 5;
  await eventually(() => feed.delivered === 5);
  assertEquals(told(seat), ["1", "2", "3", "4", "5"]);
});

// Messages that were changed before they were told of

/** What the store has of a message that has changed since. */
function changed(born: number, seq: number): Change {
  const payload = { seq };
  return {
    seq,
    broadcast: new Broadcast("text_channel:a", "message_updated", payload),
    unseen: { born, broadcast: new Broadcast("text_channel:a", "new_message", payload) },
  };
}

/** A feed whose store gives these pages, one read after the other. */
function reading(...pages: { changes: Change[]; more?: boolean; before?: () => void }[]): Feed & Disposable {
  const feed = new Feed({
    read: async () => {
      await undefined;
      const page = pages.shift() ?? { changes: [] };
      page.before?.();
      return { changes: page.changes, headSeq: page.changes.at(-1)?.seq ?? 0, more: page.more ?? false };
    },
    onFault: () => {},
    patienceMs: NEVER_MS,
    retryMs: 0,
  });
  return Object.assign(feed, { [Symbol.dispose]: () => feed.close({}) });
}

Deno.test("Feed repair() tells of a message that was changed as of a new one where nobody has seen it", async () => {
  using feed = reading({ changes: [changed(1, 2)] });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 2);
  assertEquals(told(seat), ["2"]);
});

Deno.test("Feed repair() tells of a message that was changed as of a change where it was seen", async () => {
  using feed = reading({ changes: [changed(1, 2)] });
  const { seat } = join(feed, 1);
  feed.repair();
  await eventually(() => feed.delivered === 2);
  assertEquals(told(seat), ["u2"]);
});

Deno.test("Feed repair() tells each member of a changed message by whether its own history had it", async () => {
  using feed = reading({ changes: [changed(2, 4)] });
  const [alice, bob, carol] = [join(feed, 1), join(feed, 2, "bob"), join(feed, 4, "carol")];
  feed.repair();
  await eventually(() => feed.delivered === 4);
  assertEquals([alice, bob, carol].map(({ seat }) => told(seat)), [["4"], ["u4"], []]);
});

Deno.test("Feed release() tells a member of a message that was changed while its history was read as of a new one", async () => {
  using feed = reading({ changes: [changed(2, 3)] });
  join(feed, 1);
  const bob = new FakeSeat("bob");
  const subscription = subscribe(feed, bob);
  feed.repair();
  await eventually(() => feed.delivered === 3);
  feed.release(subscription, 1);
  assertEquals(told(bob), ["3"]);
});

Deno.test("Feed release() tells a member of a changed message that its history has as of a change", async () => {
  using feed = reading({ changes: [changed(2, 3)] });
  join(feed, 1);
  const bob = new FakeSeat("bob");
  const subscription = subscribe(feed, bob);
  feed.repair();
  await eventually(() => feed.delivered === 3);
  feed.release(subscription, 2);
  assertEquals(told(bob), ["u3"]);
});

Deno.test("Feed release() tells a member of a message as of a new one only once, whatever was read of it since", async () => {
  using feed = reading({ changes: [changed(1, 2)] });
  join(feed, 0);
  const bob = new FakeSeat("bob");
  const subscription = subscribe(feed, bob);
  feed.offer(change(1));
  feed.repair();
  await eventually(() => feed.delivered === 2);
  feed.release(subscription, 0);
  assertEquals(told(bob), ["1", "u2"]);
});

Deno.test("Feed repair() does not tell again as of a new one of a message that came while it read", async () => {
  using feed = reading({ changes: [changed(1, 2)], before: () => feed.offer(change(1)) });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 2);
  assertEquals(told(seat), ["1", "u2"]);
});

Deno.test("Feed repair() does not tell again as of a new one of a message that an earlier page had", async () => {
  using feed = reading({ changes: [change(1), changed(2, 3)], more: true }, {
    changes: [changed(1, 4), changed(2, 5)],
  });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 5);
  assertEquals(told(seat), ["1", "3", "u4", "u5"]);
});

Deno.test("Feed repair() tells as of a new one of a message whose first page came before a failure", async () => {
  const away = () => {
    throw new Error("the store is away");
  };
  using feed = reading(
    { changes: [changed(1, 3)], more: true },
    { changes: [], before: away },
    { changes: [changed(2, 4), changed(1, 5)] },
  );
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 5);
  assertEquals(told(seat), ["3", "4", "u5"]);
});

Deno.test("Feed repair() knows of no message of an earlier gap any more", async () => {
  using feed = reading({ changes: [change(1), change(2)] }, { changes: [changed(2, 3), changed(4, 5)] });
  const { seat } = join(feed, 0);
  feed.repair();
  await eventually(() => feed.delivered === 2);
  await turns(1);
  feed.repair();
  await eventually(() => feed.delivered === 5);
  assertEquals(told(seat), ["1", "2", "u3", "5"]);
});

// Besides the stream

Deno.test("Feed tell() reaches that user's seats but one, and nobody else", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob", "alice", "alice"].map((userId) => join(feed, 0, userId));
  feed.tell("alice", new Broadcast("text_channel:a", "read_state", {}), members[0]?.seat);
  assertEquals(members.map(({ seat }) => seat.of("read_state").length), [0, 0, 1, 1]);
});

Deno.test("Feed tell() without an exception reaches all of that user's seats", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob", "alice"].map((userId) => join(feed, 0, userId));
  feed.tell("alice", new Broadcast("text_channel:a", "read_state", {}));
  assertEquals(members.map(({ seat }) => seat.of("read_state").length), [1, 0, 1]);
});

Deno.test("Feed broadcast() reaches everyone but one", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob", "carol"].map((userId) => join(feed, 0, userId));
  feed.broadcast(new Broadcast("text_channel:a", "user_typing", { user_id: "bob" }), members[1]?.seat);
  assertEquals(members.map(({ seat }) => seat.of("user_typing")), [[{ user_id: "bob" }], [], [{ user_id: "bob" }]]);
});

Deno.test("Feed broadcast() without an exception reaches everyone", () => {
  using feed = open(new Truth());
  const members = ["alice", "bob"].map((userId) => join(feed, 0, userId));
  feed.broadcast(new Broadcast("text_channel:a", "channel_updated", {}));
  assertEquals(members.map(({ seat }) => seat.heard.length), [1, 1]);
});

Deno.test("Feed close() ends the membership of everyone, joining or joined", () => {
  using feed = open(new Truth());
  const seats = ["alice", "bob", "carol"].map((userId) => new FakeSeat(userId));
  for (const seat of seats) subscribe(feed, seat);
  feed.close({ reason: "channel_deleted" });
  assertEquals(seats.map(({ closes }) => closes), Array(3).fill([{ reason: "channel_deleted" }]));
  assertEquals(feed.size, 0);
});

// All of it together

Deno.test("Feed gives each member each change after its history once, in order, whatever is lost, repeated or late", async () => {
  for (let run = 0; run < 100; run++) {
    const seed = newSeed();
    await live(generator(seed), `seed ${seed}`);
  }
});

interface Life {
  readonly seat: FakeSeat;
  readonly subscription: Subscription;
  /** The head of its history, once that was read. */
  headSeq?: number;
  state: "joining" | "member" | "gone";
}

/** A random life of a channel: commits whose offers get lost, repeated, delayed; members who come and go; a store that sometimes fails. */
async function live(random: Random, told: string): Promise<void> {
  const truth = new Truth(random(5));
  using feed = open(truth, { patienceMs: random(3), retryMs: random(3) });
  const offers: number[] = [];
  const lives: Life[] = [];
  const anyone = (state: Life["state"]) => {
    const all = lives.filter((life) => life.state === state);
    return all[random(Math.max(1, all.length))];
  };
  const leave = (life: Life) => {
    feed.unsubscribe(life.subscription);
    life.state = "gone";
  };
  const acts: (() => unknown)[] = [
    () => {
      const seq = ++truth.headSeq;
      for (let times = random(4); times > 0; times--) offers.push(seq);
    },
    () => {
      const [seq] = offers.splice(random(Math.max(1, offers.length)), 1);
      if (seq !== undefined) feed.offer(change(seq));
    },
    () => {
      const seat = new FakeSeat("alice");
      lives.push({ seat, subscription: subscribe(feed, seat), state: "joining" });
    },
    () => {
      const life = anyone("joining");
      if (life) life.headSeq ??= truth.headSeq;
    },
    () => {
      const life = anyone("joining");
      if (life?.headSeq === undefined) return;
      if (feed.release(life.subscription, life.headSeq)) life.state = "member";
      else leave(life);
    },
    () => {
      const life = random(4) === 0 ? anyone("member") ?? anyone("joining") : undefined;
      if (life) leave(life);
    },
    () => truth.failing = random(8) === 0 ? 1 : truth.failing,
    () => random(6) === 0 && feed.repair(),
    () => random(4) === 0 && turns(1 + random(3)),
  ];
  for (let step = 0; step < 120; step++) {
    const act = acts[random(acts.length)];
    await act?.();
    for (const life of lives) assertOrder(life, truth, `${told}, step ${step}`);
  }
  truth.failing = 0;
  feed.repair();
  await eventually(() => {
    feed.repair();
    for (const life of lives) {
      if (life.state === "member") assertEquals(life.seat.seqs, numbers((life.headSeq ?? 0) + 1, truth.headSeq), told);
    }
    return true;
  });
  lives.forEach(leave);
  await eventually(() => truth.reading === 0);
}

/** What a member has seen so far goes on from its history without a gap. */
function assertOrder({ seat, headSeq = NaN }: Life, truth: Truth, told: string): void {
  if (seat.seqs.length === 0) return;
  assertEquals(seat.seqs, numbers(headSeq + 1, headSeq + seat.seqs.length), told);
  assert(headSeq + seat.seqs.length <= truth.headSeq, told);
}
