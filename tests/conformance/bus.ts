/**
 * What every {@linkcode Bus} keeps to, whatever carries it.
 *
 * @module
 */

import { assert, assertEquals, assertFalse, assertGreaterOrEqual } from "@std/assert";
import type { Bus, GapTopics } from "../../src/pubsub/bus.ts";
import type { Envelope } from "../../src/pubsub/envelope.ts";
import { Inbox } from "../pubsub/support/inbox.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { eventually } from "../support/eventually.ts";

/** Instances that hear each other; disposing closes what was joined and whatever carries it. */
export interface BusNetwork extends AsyncDisposable {
  /** Opens the bus of another instance. */
  readonly join: (instance: string, onFault?: (error: unknown) => void) => Promise<Bus>;
  /** Posts as an instance would; the messages are on `topic`. */
  readonly inject: (topic: string, envelope: Envelope) => Promise<void>;
  /** Posts anything. */
  readonly injectRaw: (topic: string, data: unknown) => Promise<void>;
}

/** How the suite gets at an adapter. */
export interface BusSuite {
  readonly open: () => Promise<BusNetwork>;
  /** What a hole on one topic is told as; `alone` where there is nobody else to hear: what needs one is listed as ignored. */
  readonly gaps: "by topic" | "all" | "alone";
  /** Registers a test. */
  readonly register?: (name: string, fn: () => Promise<void>) => void;
}

/** Registers the suite for one adapter; `name` begins the name of each test. */
export function testBus(name: string, { open, gaps, register = Deno.test }: BusSuite): void {
  function test(behaviour: string, run: (network: BusNetwork) => Promise<void>): void {
    register(`${name} ${behaviour}`, async () => {
      await using network = await open();
      await run(network);
    });
  }

  /** A test of two or more. */
  function testPair(behaviour: string, run: (network: BusNetwork, a: Bus, b: Bus) => Promise<void>): void {
    if (gaps === "alone") {
      return Deno.test({ name: `${name} ${behaviour} (not tried: it is alone)`, ignore: true, fn: () => {} });
    }
    test(behaviour, async (network) => await run(network, await network.join("a"), await network.join("b")));
  }

  const gapOf = (topic: string): GapTopics => gaps === "by topic" ? [topic] : "all";

  // Delivery

  test("publish() does not come back to its instance", async (network) => {
    const a = await network.join("a");
    const own = await Inbox.of(a, "t");
    a.publish("t", "mine");
    if (gaps !== "alone") {
      const b = await network.join("b");
      const other = await Inbox.of(b, "t", "fence");
      await own.subscribe("back");
      a.publish("t", "again");
      await other.until("t a again");
      b.publish("back", "fence");
      await own.until("back b fence");
    }
    assertEquals(own.lines.filter((line) => line.startsWith("t ")), []);
  });

  testPair("publish() reaches every other instance that has subscribed", async (network, a, b) => {
    const c = await network.join("c");
    const inboxes = await Promise.all([Inbox.of(b, "t"), Inbox.of(c, "t")]);
    a.publish("t", "hi");
    for (const inbox of inboxes) await inbox.until("t a hi");
  });

  testPair("publish() reaches no one who has not subscribed to the topic", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t");
    a.publish("T", "no");
    a.publish("t2", "no");
    a.publish("t", "fence");
    await inbox.until("t a fence");
    assertEquals(inbox.lines, ["t a fence"]);
  });

  testPair("publish() keeps the order of each topic", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t", "u");
    for (let n = 1; n <= 600; n++) {
      a.publish("t", String(n));
      a.publish("u", String(n));
      if (n % 50 === 0) await nextTurn();
    }
    await inbox.until("t a 600");
    await inbox.until("u a 600");
    for (const topic of ["t", "u"]) {
      const lines = inbox.lines.filter((line) => line.startsWith(topic));
      assertEquals(lines, Array.from({ length: 600 }, (_, n) => `${topic} a ${n + 1}`));
    }
    assertEquals(inbox.gaps, []);
  });

  testPair("publish() puts what one turn says into one post", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t");
    for (let n = 1; n <= 3_000; n++) a.publish("t", String(n));
    await inbox.until("t a 3000");
    assertEquals([inbox.lines.length, a.stats.posts, inbox.gaps], [3_000, 1, []]);
  });

  testPair("publish() carries any text as it is", async (_, a, b) => {
    const texts = ["", " ", '\0\n\r"\\', "é 漢字 👩‍👩‍👧 \u2028", "x".repeat(300_000), "[1,{}]"];
    const inbox = await Inbox.of(b, "t", "tópic: {x}*[a]? 👍");
    for (const topic of ["t", "tópic: {x}*[a]? 👍"]) for (const text of texts) a.publish(topic, text);
    const lines = (topic: string) => inbox.lines.filter((line) => line.startsWith(`${topic} a`));
    for (const topic of ["t", "tópic: {x}*[a]? 👍"]) {
      await eventually(() => lines(topic).length === texts.length, 15_000);
      assertEquals(lines(topic), texts.map((text) => `${topic} a ${text}`));
    }
  });

  testPair("publish() works both ways at once", async (_, a, b) => {
    const [ofA, ofB] = [await Inbox.of(a, "t"), await Inbox.of(b, "t")];
    for (let n = 1; n <= 100; n++) {
      a.publish("t", String(n));
      b.publish("t", String(n));
      if (n % 10 === 0) await nextTurn();
    }
    await ofA.until("t b 100");
    await ofB.until("t a 100");
    assertEquals([ofA.lines.length, ofB.lines.length], [100, 100]);
  });

  testPair("publish() tells two instances of the same name apart", async (network) => {
    const [one, two] = [await network.join("same"), await network.join("same")];
    const inbox = await Inbox.of(two, "t");
    one.publish("t", "hi");
    await inbox.until("t same hi");
  });

  // Subscriptions

  testPair("subscribe() replaces the receiver", async (_, a, b) => {
    const first = await Inbox.of(b, "t");
    const second = await Inbox.of(b, "t");
    a.publish("t", "hi");
    await second.until("t a hi");
    assertEquals([first.lines, second.lines], [[], ["t a hi"]]);
  });

  testPair("unsubscribe() ends delivery at once and leaves other topics alone", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t", "u");
    const unsubscribing = b.unsubscribe("t");
    a.publish("t", "no");
    await unsubscribing;
    a.publish("t", "no");
    a.publish("u", "fence");
    await inbox.until("u a fence");
    assertEquals(inbox.lines, ["u a fence"]);
  });

  test("unsubscribe() does nothing where there is no subscription", async (network) => {
    const a = await network.join("a");
    await a.unsubscribe("t");
    await a.subscribe("t", () => {});
    await a.unsubscribe("t");
    await a.unsubscribe("t");
  });

  testPair("subscribe() and unsubscribe() called without waiting end as the last one says", async (_, a, b) => {
    const inbox = await Inbox.of(b, "fence");
    for (let n = 0; n < 20; n++) {
      void inbox.subscribe("on");
      void b.unsubscribe("on");
      void inbox.subscribe("off");
      if (n === 10) await nextTurn();
    }
    await Promise.all([inbox.subscribe("on"), b.unsubscribe("off")]);
    for (const topic of ["on", "off", "fence"]) a.publish(topic, "hi");
    await inbox.until("fence a hi");
    await inbox.until("on a hi");
    assertEquals(inbox.lines.toSorted(), ["fence a hi", "on a hi"]);
    assertEquals(inbox.gaps, []);
  });

  testPair("subscribe() takes many topics at once", async (_, a, b) => {
    const topics = Array.from({ length: 300 }, (_, n) => `t${n}`);
    const inbox = await Inbox.of(b, ...topics);
    for (const topic of topics) a.publish(topic, "hi");
    await eventually(() => inbox.lines.length === 300, 15_000);
    assertEquals(new Set(inbox.lines).size, 300);
  });

  testPair("goes on where a receiver throws", async (network, a) => {
    const faults: unknown[] = [];
    const b = await network.join("c", (error) => faults.push(error));
    const fault = new Error("receiver");
    await b.subscribe("bad", () => {
      throw fault;
    });
    const inbox = await Inbox.of(b, "t");
    a.publish("bad", "1");
    a.publish("bad", "2");
    a.publish("t", "hi");
    await inbox.until("t a hi");
    await eventually(() => faults.length === 2);
    assertEquals(faults, [fault, fault]);
  });

  // Gaps

  testPair("onGap() hears of a post that is missing, before what is behind it", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    const order: unknown[] = [];
    a.onGap((topics) => order.push(topics, inbox.lines.length));
    await inject("t", post(1, ["one"]));
    await inject("t", post(2, ["two"]));
    await inject("t", post(4, ["four"]));
    await inject("t", post(5, ["five"]));
    await inbox.until("t x five");
    assertEquals(order, [gapOf("t"), 2]);
    assertEquals(inbox.lines, ["t x one", "t x two", "t x four", "t x five"]);
    assertEquals(a.stats.gaps, 1);
  });

  testPair("onGap() hears of a hole from a post without messages", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    await inject("t", post(1, ["one"]));
    await inject("t", post(3, []));
    await eventually(() => inbox.gaps.length === 1);
    assertEquals([inbox.lines, inbox.gaps], [["t x one"], [gapOf("t")]]);
  });

  testPair("onGap() is not called for a sender that started again", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    await inject("t", post(1, ["one"]));
    await inject("t", post(2, ["two"]));
    await inject("t", { ...post(1, ["three"]), boot: "second" });
    await inject("t", { ...post(2, ["four"]), boot: "second" });
    await inbox.until("t x four");
    assertEquals(inbox.gaps, []);
  });

  testPair("onGap() is not called for what was posted before the subscription", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    await inject("t", { ...post(7, ["seven"]), age: 3_600_000 });
    await inject("t", post(8, ["eight"]));
    await inbox.until("t x eight");
    assertEquals(inbox.gaps, []);
  });

  testPair("onGap() hears of a first post whose forerunner should have come", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    await eventually(async () => {
      await inject("t", { ...post(7, ["seven"]), boot: crypto.randomUUID(), age: 1 });
      return inbox.gaps.length > 0;
    });
    assertEquals(inbox.gaps[0], gapOf("t"));
  });

  testPair("onGap() may throw", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    a.onGap(() => {
      throw new Error("handler");
    });
    await inject("t", post(1, ["one"]));
    await inject("t", post(3, ["three"]));
    await inbox.until("t x three");
  });

  testPair("ignores a post that comes again or too late", async ({ inject }, a) => {
    const inbox = await Inbox.of(a, "t");
    for (const n of [1, 2, 2, 1, 3]) await inject("t", post(n, [String(n)]));
    await inbox.until("t x 3");
    assertEquals([inbox.lines, inbox.gaps, a.stats.ignored], [["t x 1", "t x 2", "t x 3"], [], 2]);
  });

  testPair("ignores and counts what is no post of this version", async ({ inject, injectRaw }, a) => {
    const inbox = await Inbox.of(a, "t");
    const good = post(1, []);
    const garbage = [
      null,
      0,
      "",
      "hi",
      [],
      {},
      { ...good, v: 2 },
      { ...good, v: "1" },
      { ...good, from: 1 },
      { ...good, from: "" },
      { ...good, boot: undefined },
      { ...good, boot: "b".repeat(10_000) },
      { ...good, n: 0 },
      { ...good, n: 1.5 },
      { ...good, n: "1" },
      { ...good, n: 1e300 },
      { ...good, age: -1 },
      { ...good, age: undefined },
      { ...good, m: "hi" },
      { ...good, m: ["t", 1] },
      { ...good, m: { length: 1 } },
    ];
    for (const data of garbage) await injectRaw("t", data);
    await inject("t", post(1, ["fence"]));
    await inbox.until("t x fence");
    assertEquals([inbox.lines, inbox.gaps, a.stats.ignored], [["t x fence"], [], garbage.length]);
  });

  // The whole

  testPair("stats counts posts and messages", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t");
    a.publish("t", "1");
    a.publish("t", "2");
    await inbox.until("t a 2");
    assertEquals(a.stats, { posts: 1, received: 0, gaps: 0, dropped: 0, ignored: 0 });
    assertEquals(b.stats, { posts: 0, received: 2, gaps: 0, dropped: 0, ignored: 0 });
  });

  test("instance is the name it was opened with", async (network) => {
    assertEquals((await network.join("me")).instance, "me");
  });

  test("ping() resolves and healthy is true while it is open", async (network) => {
    const a = await network.join("a");
    await a.ping();
    assert(a.healthy);
  });

  test("ping() rejects with unavailable and healthy is false once it is disposed", async (network) => {
    const a = await network.join("a");
    await a[Symbol.asyncDispose]();
    await assertRefused("unavailable", () => a.ping());
    assertFalse(a.healthy);
  });

  test("may be disposed twice, and used after that without harm", async (network) => {
    const a = await network.join("a");
    await Promise.all([a[Symbol.asyncDispose](), a[Symbol.asyncDispose]()]);
    await a[Symbol.asyncDispose]();
    a.publish("t", "late");
    await a.subscribe("t", () => {});
    await a.unsubscribe("t");
  });

  testPair("sends what is waiting when it is disposed", async (_, a, b) => {
    const inbox = await Inbox.of(b, "t");
    for (let n = 1; n <= 100; n++) a.publish("t", String(n));
    await a[Symbol.asyncDispose]();
    await inbox.until("t a 100");
  });

  testPair("delivers nothing more once it is disposed", async (network, a, b) => {
    const [inbox, fence] = [await Inbox.of(b, "t"), await Inbox.of(await network.join("c"), "t")];
    await b[Symbol.asyncDispose]();
    a.publish("t", "late");
    await fence.until("t a late");
    assertEquals(inbox.lines, []);
    assertGreaterOrEqual(a.stats.posts, 1);
  });
}

function post(n: number, m: readonly string[]): Envelope {
  return { v: 1, from: "x", boot: "first", n, age: 0, m };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
