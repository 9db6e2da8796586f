import { assert, assertEquals, assertLess } from "@std/assert";
import { PostgresStore } from "../../src/store/postgres_store.ts";
import type { Message, Store } from "../../src/store/store.ts";
import { ChatError } from "../../src/errors.ts";
import { eventually } from "../support/eventually.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { ownPostgres } from "./support/own_postgres.ts";

const { test } = ownPostgres();

const channel = { id: "a", name: "a", description: "" };
/** Six seconds, and what two busy cores take. */
const AT_MOST_MS = 7_000;

const CALLS: Record<string, (store: Store) => Promise<unknown>> = {
  append: (store) => store.append({ channelId: "a", userId: "u", content: "hi" }),
  markRead: (store) => store.markRead("a", "u", 1),
  createChannel: (store) => store.createChannel({ ...channel, id: crypto.randomUUID() }),
  sweep: (store) => store.sweep(),
  ping: (store) => store.ping(),
  history: (store) => store.history("a", { limit: 10 }),
  getChannel: (store) => store.getChannel("a"),
  unread: (store) => store.unread("u", { limit: 10 }),
  search: (store) => store.search({ terms: [{ text: "hi", prefix: false }], limit: 10 }),
};

/** Makes every call at once; resolves with how long the slowest took to be refused. */
async function refusedAfter(store: Store): Promise<number> {
  const since = Date.now();
  await Promise.all(Object.values(CALLS).map((call) => assertRefused("unavailable", () => call(store))));
  return Date.now() - since;
}

/** Calls until all succeed again, as they must without help. */
async function recovers(store: Store): Promise<void> {
  await eventually(async () => {
    for (const call of Object.values(CALLS)) await call(store);
    return true;
  }, 20_000);
}

async function allOf(store: Store): Promise<Message[]> {
  const all: Message[] = [];
  for (let more = true; more;) {
    const { messages, hasMore } = await store.changes("a", { after: all.at(-1)?.version ?? 0, limit: 500 });
    all.push(...messages);
    more = hasMore;
  }
  return all;
}

test("PostgresStore keeps what it acknowledged when the server is killed under writes, and nonces double nothing", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  const acknowledged = new Map<string, Message>();
  let running = true;
  const writers = Array.from({ length: 20 }, async (_, writer) => {
    for (let n = 0; running; n++) {
      const nonce = `${writer} ${n}`;
      for (let stored = false; !stored;) {
        try {
          const { message } = await store.append({ channelId: "a", userId: "u", content: nonce, nonce });
          acknowledged.set(nonce, message);
          stored = true;
        } catch (error) {
          assert(error instanceof ChatError && error.code === "unavailable", Deno.inspect(error));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
  });
  try {
    for (let kills = 0; kills < 3; kills++) {
      const before = acknowledged.size;
      await eventually(() => acknowledged.size > before + 200, 20_000);
      await server.kill();
      await server.restart();
    }
  } finally {
    await server.ensureRunning();
    running = false;
    await Promise.all(writers);
  }
  const stored = await allOf(store);
  assertEquals(stored.map(({ seq }) => seq), stored.map((_, n) => n + 1));
  assertEquals(new Set(stored.map(({ nonce }) => nonce)).size, stored.length);
  assertEquals(
    new Map(stored.map((message) => [message.nonce ?? "", message])),
    new Map([...acknowledged].sort(bySeq)),
  );
});

function bySeq([, a]: [string, Message], [, b]: [string, Message]): number {
  return a.seq - b.seq;
}

test("PostgresStore refuses every call in time while the server is frozen, again and again, and recovers", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  await recovers(store);
  {
    await using _frozen = await server.freeze();
    const [first, second] = [await refusedAfter(store), await refusedAfter(store)];
    assertLess(first, AT_MOST_MS);
    assertLess(second, AT_MOST_MS);
  }
  await recovers(store);
  const stored = await allOf(store);
  assertEquals(stored.map(({ seq }) => seq), stored.map((_, n) => n + 1));
});

test("PostgresStore makes other connections where those that it has answer no more", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase(), timeoutMs: 1_000 });
  await store.createChannel(channel);
  await recovers(store);
  await using _frozen = await server.freezeConnections();
  for (const name of ["append", "history", "search"]) await assertRefused("unavailable", () => CALLS[name]?.(store));
  await recovers(store);
});

test("PostgresStore refuses 2,000 calls in time while the server is frozen", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase(), timeoutMs: 1_500 });
  await store.createChannel(channel);
  {
    await using _frozen = await server.freeze();
    const since = Date.now();
    const calls = Array.from({ length: 1_000 }, (_, n) => [
      store.append({ channelId: "a", userId: "u", content: String(n) }),
      store.history("a", { limit: 10 }),
    ]).flat();
    const outcomes = await Promise.allSettled(calls);
    assertLess(Date.now() - since, 4_000);
    assertEquals(new Set(outcomes.map(({ status }) => status)), new Set(["rejected"]));
  }
  await recovers(store);
});

test("PostgresStore refuses every call at once while the server is stopped, and recovers when it is back", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  await recovers(store);
  for (const mode of ["immediate", "fast"] as const) {
    await server.stop(mode);
    for (let n = 0; n < 5; n++) assertLess(await refusedAfter(store), 1_500);
    await server.restart();
    const since = Date.now();
    await recovers(store);
    assertLess(Date.now() - since, 3_000);
  }
});

test("PostgresStore refuses what is under way when the server is stopped, and takes what comes after its start", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  for (let round = 0; round < 3; round++) {
    const writes = Array.from({ length: 2_000 }, (_, n) => CALLS[n % 3 === 0 ? "history" : "append"]?.(store));
    const settled = Promise.allSettled(writes);
    await server.stop();
    const outcomes = await settled;
    const codes = outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.code : "ok");
    assertEquals(codes.filter((code) => code !== "ok" && code !== "unavailable"), []);
    await server.restart();
    await recovers(store);
  }
  const stored = await allOf(store);
  assertEquals(stored.map(({ seq }) => seq), stored.map((_, n) => n + 1));
});

test("PostgresStore goes on when a connection of it is ended", async (server) => {
  const url = await server.newDatabase();
  await using store = await PostgresStore.open({ url });
  await store.createChannel(channel);
  for (let round = 0; round < 5; round++) {
    const calls = Promise.allSettled(Array.from({ length: 200 }, () => CALLS.append?.(store)));
    await server.psql(
      new URL(url).pathname.slice(1),
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat'",
    );
    await calls;
    await recovers(store);
  }
});

test("PostgresStore gives up a statement that takes longer than its time, and goes on", async (server) => {
  const url = await server.newDatabase();
  await using store = await PostgresStore.open({ url, timeoutMs: 1_000 });
  await store.createChannel(channel);
  const lock = server.psql(new URL(url).pathname.slice(1), "LOCK TABLE messages; SELECT pg_sleep(4)");
  const locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'messages'::regclass";
  await eventually(async () => (await server.psql(new URL(url).pathname.slice(1), locks)).trim() === "1");
  const since = Date.now();
  for (const name of ["append", "history"]) {
    await assertRefused("unavailable", () => CALLS[name]?.(store), "did not answer in time");
  }
  const found = await store.search({ terms: [{ text: "hi", prefix: false }], limit: 10 });
  assertEquals([found.partial, found.messages], [true, []]);
  assertEquals((await store.getChannel("a")).headSeq, 0);
  assertLess(Date.now() - since, 3_900);
  await lock;
  await recovers(store);
  assertEquals(
    (await store.search({ terms: [{ text: "hi", prefix: false }], limit: 10, before: found.next ?? "" })).partial,
    false,
  );
});

test("PostgresStore closes while the server is frozen", async (server) => {
  const store = await PostgresStore.open({ url: await server.newDatabase(), timeoutMs: 1_000 });
  await store.createChannel(channel);
  {
    await using _frozen = await server.freeze();
    const refused = refusedAfter(store);
    const since = Date.now();
    await store[Symbol.asyncDispose]();
    assertLess(Date.now() - since, 3_000);
    await refused;
  }
  await server.hasNoClients();
});

test("PostgresStore closes while the server is stopped", async (server) => {
  const store = await PostgresStore.open({ url: await server.newDatabase() });
  await server.stop();
  const refused = refusedAfter(store);
  await store[Symbol.asyncDispose]();
  await refused;
  await server.restart();
});

test("PostgresStore leaves no connection behind when it is closed", async (server) => {
  const store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  await Promise.all(Array.from({ length: 100 }, () => store.history("a", { limit: 1 })));
  await store[Symbol.asyncDispose]();
  await server.hasNoClients();
});
