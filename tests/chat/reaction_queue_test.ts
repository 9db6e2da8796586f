import { assert, assertEquals, assertRejects } from "@std/assert";
import { type React, ReactionQueue } from "../../src/chat/reaction_queue.ts";
import { ChatError } from "../../src/errors.ts";
import type { Message, ReactionRequest } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { eventually } from "../support/eventually.ts";

const GATHER_MS = 200;

/** Keeps what it was asked to store; each answer has a `version` of its own. */
class Stored {
  readonly batches: { readonly key: string; readonly requests: readonly ReactionRequest[] }[] = [];
  readonly clock = { nowMs: 1_000_000 };
  readonly queue: ReactionQueue;

  constructor(react?: React) {
    const store: React = (channelId, id, requests) => {
      this.batches.push({ key: `${channelId}/${id}`, requests });
      return react ? react(channelId, id, requests) : Promise.resolve(this.#answer(requests));
    };
    this.queue = new ReactionQueue(store, () => this.clock.nowMs);
  }

  /** Reacts to a message; resolves with its version. */
  async add(userId: string, id = "m"): Promise<number> {
    return (await this.queue.add("a", id, { userId, emoji: "👍", on: true })).version;
  }

  get users(): string[][] {
    return this.batches.map(({ requests }) => requests.map(({ userId }) => userId));
  }

  #answer(requests: readonly ReactionRequest[]) {
    const message: Message = {
      id: "m",
      channelId: "a",
      userId: "alice",
      content: "hi",
      createdAt: 0,
      seq: 1,
      version: this.batches.length,
    };
    return { message, changed: true, refused: requests.map(({ userId }) => userId.startsWith("refused")) };
  }
}

Deno.test("ReactionQueue add() stores the first reaction at once", async () => {
  const stored = new Stored();
  const adding = stored.add("alice");
  assertEquals(stored.users, [["alice"]]);
  assertEquals(await adding, 1);
});

Deno.test("ReactionQueue add() gives what is wished as it is", async () => {
  const stored = new Stored();
  const requests = [{ userId: "alice", emoji: "👍", on: true }, { userId: "alice", emoji: "👎", on: false }];
  for (const request of requests) {
    await stored.queue.add("a", "m", request);
    stored.clock.nowMs += GATHER_MS;
  }
  assertEquals(stored.batches, requests.map((request) => ({ key: "a/m", requests: [request] })));
});

Deno.test("ReactionQueue add() gathers those that follow closely, in order, and answers each with the message they left", async () => {
  const stored = new Stored();
  await stored.add("first");
  const versions = await Promise.all(["a", "b", "c"].map((userId) => stored.add(userId)));
  assertEquals(stored.users, [["first"], ["a", "b", "c"]]);
  assertEquals(versions, [2, 2, 2]);
});

Deno.test("ReactionQueue add() stores those that follow 200 ms after the first, not before", async () => {
  const stored = new Stored();
  await stored.add("first");
  const begin = performance.now();
  stored.clock.nowMs += 100;
  await stored.add("second");
  const waited = performance.now() - begin;
  assert(waited >= 95, `${waited}`);
});

Deno.test("ReactionQueue add() stores a reaction at once when 200 ms have gone by", async () => {
  const stored = new Stored();
  await stored.add("first");
  stored.clock.nowMs += GATHER_MS;
  const adding = stored.add("second");
  assertEquals(stored.users, [["first"], ["second"]]);
  await adding;
});

Deno.test("ReactionQueue add() gathers again after those that were gathered", async () => {
  const stored = new Stored();
  await stored.add("first");
  await stored.add("second");
  const third = stored.add("third");
  assertEquals(stored.users.length, 2);
  await third;
  assertEquals(stored.users, [["first"], ["second"], ["third"]]);
});

Deno.test("ReactionQueue add() keeps messages apart, and channels", async () => {
  const stored = new Stored();
  const adding = [stored.add("alice", "m"), stored.add("alice", "n")];
  adding.push(stored.queue.add("b", "m", { userId: "alice", emoji: "👍", on: true }).then(({ version }) => version));
  assertEquals(stored.batches.map(({ key }) => key), ["a/m", "a/n", "b/m"]);
  await Promise.all(adding);
});

Deno.test("ReactionQueue add() does not wait for a clock that was set back", async () => {
  const stored = new Stored();
  await stored.add("first");
  stored.clock.nowMs -= 3_600_000;
  const adding = stored.add("second");
  await eventually(() => stored.users.length === 2, 2_000);
  await adding;
});

Deno.test("ReactionQueue add() refuses with conflict those that are refused, and no other", async () => {
  const stored = new Stored();
  await stored.add("first");
  const outcomes = await Promise.allSettled(["a", "refused b", "c"].map((userId) => stored.add(userId)));
  assertEquals(outcomes.map((outcome) => outcome.status === "fulfilled" ? outcome.value : outcome.reason.code), [
    2,
    "conflict",
    2,
  ]);
});

Deno.test("ReactionQueue add() rejects all that were stored together as the store does, and goes on", async () => {
  let failing = true;
  const stored = new Stored((channelId, id, requests) => {
    if (failing) return Promise.reject(new ChatError("not_found", "gone"));
    return Promise.resolve({
      message: { id, channelId, userId: "a", content: "", createdAt: 0, seq: 1, version: 9 },
      changed: true,
      refused: requests.map(() => false),
    });
  });
  await assertRefused("not_found", () => stored.add("first"));
  const outcomes = await Promise.allSettled(["a", "b"].map((userId) => stored.add(userId)));
  assertEquals(
    outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code),
    Array(2).fill("not_found"),
  );
  failing = false;
  assertEquals(await stored.add("c"), 9);
});

Deno.test("ReactionQueue add() rejects with what was thrown where something breaks", async () => {
  const stored = new Stored(() => Promise.reject(new TypeError("a bug")));
  await assertRejects(() => stored.add("alice"), TypeError, "a bug");
});

Deno.test("ReactionQueue add() takes 1,000 that wait, then refuses with unavailable until they are stored", async () => {
  const stored = new Stored();
  await stored.add("first");
  const waiting = Promise.all(Array.from({ length: 1_000 }, (_, n) => stored.add(`user ${n}`)));
  const { retryAfterMs } = await assertRefused("unavailable", () => stored.add("late"));
  assertEquals(retryAfterMs, GATHER_MS);
  assertEquals(new Set(await waiting), new Set([2]));
  assertEquals(stored.users[1]?.length, 1_000);
  assertEquals(await stored.add("again"), 3);
});

Deno.test("ReactionQueue sweep() forgets nothing that waits", async () => {
  const stored = new Stored();
  await stored.add("first");
  const waiting = stored.add("second");
  stored.clock.nowMs += 10 * GATHER_MS;
  stored.queue.sweep();
  const joining = stored.add("third");
  assertEquals(stored.users, [["first"]]);
  await Promise.all([waiting, joining]);
  assertEquals(stored.users, [["first"], ["second", "third"]]);
});

Deno.test("ReactionQueue sweep() does not end gathering early", async () => {
  const stored = new Stored();
  await stored.add("first");
  stored.clock.nowMs += GATHER_MS - 1;
  stored.queue.sweep();
  const adding = stored.add("second");
  assertEquals(stored.users.length, 1);
  await adding;
});

Deno.test("ReactionQueue sweep() forgets messages that nobody reacts to any more", async () => {
  const stored = new Stored();
  await stored.add("first");
  stored.clock.nowMs += GATHER_MS + 1;
  stored.queue.sweep();
  stored.clock.nowMs -= GATHER_MS; // only what is forgotten is taken at once now
  const adding = stored.add("second");
  assertEquals(stored.users, [["first"], ["second"]]);
  await adding;
});
