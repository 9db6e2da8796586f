import { assert, assertEquals, assertFalse, assertLess } from "@std/assert";
import { MIGRATIONS } from "../../src/store/postgres_migrations.ts";
import { PostgresStore } from "../../src/store/postgres_store.ts";
import type { Message, Store } from "../../src/store/store.ts";
import { testStore } from "../conformance/store.ts";
import { noPostgres } from "../support/postgres_server.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { Instances, ownPostgres } from "./support/own_postgres.ts";

const { test, server } = ownPostgres();

if (noPostgres === undefined) {
  testStore("PostgresStore", {
    clock: "given",
    async open({ now }) {
      const url = await (await server()).newDatabase();
      const store = await PostgresStore.open({ url, ...(now === undefined ? {} : { now }) });
      return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
    },
  });
}

const channel = { id: "a", name: "The A", description: "All about A" };

function draft(content: string, nonce?: string) {
  return { channelId: "a", userId: "u", content, ...(nonce === undefined ? {} : { nonce }) };
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** Every message of channel `a`, oldest first. */
async function allOf(store: Store): Promise<Message[]> {
  const all: Message[] = [];
  for (let more = true; more;) {
    const { messages, hasMore } = await store.changes("a", { after: all.at(-1)?.version ?? 0, limit: 500 });
    all.push(...messages);
    more = hasMore;
  }
  return all;
}

function assertDense(messages: readonly Message[], count: number): void {
  assertEquals(messages.map(({ seq }) => seq), Array.from({ length: count }, (_, n) => n + 1));
  const ids = messages.map(({ id }) => id);
  assertEquals(ids.toSorted(), ids);
  assertEquals(new Set(ids).size, count);
  const times = messages.map(({ createdAt }) => createdAt);
  assertEquals(times.toSorted((a, b) => a - b), times);
}

// Several instances

test("PostgresStore append() of ten writers on each of three instances counts without a hole", async (server) => {
  await using instances = await Instances.open(await server.newDatabase(), 3);
  const [first] = instances.stores;
  assert(first);
  await first.createChannel(channel);
  const writers = instances.stores.flatMap((store) => Array.from({ length: 10 }, () => store));
  const sent = await Promise.all(writers.map(async (store, writer) => {
    const seqs: number[] = [];
    for (let n = 0; n < 30; n++) seqs.push((await store.append(draft(`${writer} ${n}`))).message.seq);
    assertEquals(seqs.toSorted((a, b) => a - b), seqs);
    return seqs;
  }));
  assertEquals(new Set(sent.flat()).size, 900);
  const all = await allOf(first);
  assertDense(all, 900);
  assertEquals(new Set(all.map(({ content }) => content)).size, 900);
});

test("PostgresStore append() of instances with clocks an hour apart gives ids that rise", async (server) => {
  const url = await server.newDatabase();
  await using ahead = await PostgresStore.open({ url, now: () => Date.now() + 3_600_000 });
  await using behind = await PostgresStore.open({ url });
  await ahead.createChannel(channel);
  for (let n = 0; n < 20; n++) await (n % 2 === 0 ? ahead : behind).append(draft(String(n)));
  assertDense(await allOf(behind), 20);
});

test("PostgresStore append() of one nonce by two instances at once stores one message", async (server) => {
  await using instances = await Instances.open(await server.newDatabase(), 2);
  const [one, two] = instances.stores;
  assert(one && two);
  await one.createChannel(channel);
  for (let n = 0; n < 50; n++) {
    const calls = [one, two, one, two].map((store) => store.append(draft("hi", `nonce ${n}`)));
    const outcomes = await Promise.all(calls);
    assertEquals(outcomes.filter(({ created }) => created).length, 1);
    assertEquals(new Set(outcomes.map(({ message }) => message.id)).size, 1);
  }
  assertDense(await allOf(one), 50);
});

test("PostgresStore writes of two instances over the same channels in other orders never wait for each other", async (server) => {
  await using instances = await Instances.open(await server.newDatabase(), 2);
  const [one, two] = instances.stores;
  assert(one && two);
  const ids = Array.from({ length: 20 }, (_, n) => `c${n}`);
  await Promise.all(ids.map((id) => one.createChannel({ ...channel, id })));
  for (let round = 0; round < 40; round++) {
    const write = (store: Store, channelId: string) => [
      store.append({ ...draft("hi"), channelId }),
      store.markRead(channelId, "u", round),
    ];
    await Promise.all([
      ...ids.flatMap((id) => write(one, id)),
      ...ids.toReversed().flatMap((id) => write(two, id)),
    ]);
    await Promise.all([one.ping(), two.ping()]);
  }
  assertEquals((await two.listChannels({ limit: 20 })).channels.map(({ headSeq }) => headSeq), ids.map(() => 80));
});

test("PostgresStore reads on one instance what another one has acknowledged", async (server) => {
  await using instances = await Instances.open(await server.newDatabase(), 2);
  const [one, two] = instances.stores;
  assert(one && two);
  await one.createChannel(channel);
  for (let n = 1; n <= 50; n++) {
    const { message } = await one.append(draft(`word${n}`));
    assertEquals((await two.history("a", { limit: 1 })).messages, [message]);
    const { messages } = await two.search({ terms: [{ text: `word${n}`, prefix: false }], limit: 5 });
    assertEquals(messages, [message]);
  }
});

test("PostgresStore react() and pin() of two instances at once take each its own seq", async (server) => {
  await using instances = await Instances.open(await server.newDatabase(), 2);
  const [one, two] = instances.stores;
  assert(one && two);
  await one.createChannel(channel);
  const { message: { id } } = await one.append(draft("hi"));
  await Promise.all(Array.from({ length: 40 }, (_, n) => {
    const store = n % 2 === 0 ? one : two;
    return store.react("a", id, [{ userId: `user ${n}`, emoji: "👍", on: true }]);
  }));
  const { reactions, version } = await two.getMessage("a", id);
  assertEquals([reactions?.[0]?.count, version], [40, 41]);
});

// Opening

test("PostgresStore.open() of ten instances at once makes one schema", async (server) => {
  const url = await server.newDatabase();
  await using instances = await Instances.open(url, 10);
  for (const store of instances.stores) await store.ping();
  assertEquals(await server.psql(databaseOf(url), "SELECT version FROM chat_schema"), `${MIGRATIONS.length}\n`);
});

test("PostgresStore.open() finds everything again", async (server) => {
  const url = await server.newDatabase();
  const before = await PostgresStore.open({ url });
  await before.createChannel(channel);
  await Promise.all(Array.from({ length: 20 }, (_, n) => before.append(draft(`message ${n}`, `nonce ${n}`))));
  const history = await before.history("a", { limit: 100 });
  await before[Symbol.asyncDispose]();
  await using after = await PostgresStore.open({ url });
  assertEquals(await after.history("a", { limit: 100 }), history);
  assertFalse((await after.append(draft("message 3", "nonce 3"))).created);
});

test("PostgresStore.open() refuses a database of a newer program and leaves it as it is", async (server) => {
  const url = await server.newDatabase();
  await (await PostgresStore.open({ url }))[Symbol.asyncDispose]();
  await server.psql(databaseOf(url), "UPDATE chat_schema SET version = version + 1");
  await assertRefused("unavailable", () => PostgresStore.open({ url }), "written by a newer version");
  assertEquals(await server.psql(databaseOf(url), "SELECT version FROM chat_schema"), `${MIGRATIONS.length + 1}\n`);
});

test("PostgresStore.open() refuses a database with such tables of another program and leaves it as it is", async (server) => {
  const url = await server.newDatabase();
  await server.psql(databaseOf(url), "CREATE TABLE messages (text text)");
  await assertRefused("unavailable", () => PostgresStore.open({ url }), "tables of another program");
  const tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'";
  assertEquals(await server.psql(databaseOf(url), tables), "messages\n");
});

test("PostgresStore.open() keeps its tables in the schema that the URL names", async (server) => {
  const url = await server.newDatabase();
  await server.psql(databaseOf(url), "CREATE TABLE messages (text text)");
  await using one = await PostgresStore.open({ url: `${url}?schema=chat` });
  await using two = await PostgresStore.open({ url: `${url}?schema=chat&application_name=two` });
  await one.createChannel(channel);
  await two.append(draft("hi"));
  assertEquals(await server.psql(databaseOf(url), "SELECT content FROM chat.messages"), "hi\n");
});

test("PostgresStore.open() refuses a database that is not UTF8", async (server) => {
  const url = await server.newDatabase("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
  await assertRefused("unavailable", () => PostgresStore.open({ url }), "must be UTF8");
});

test("PostgresStore compares by code point in a database with another collation", async (server) => {
  const url = await server.newDatabase("ENCODING UTF8 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C.UTF-8'");
  await using store = await PostgresStore.open({ url });
  for (const id of ["b", "a_", "B", "a-", "9", "a", "_"]) await store.createChannel({ ...channel, id });
  const { channels } = await store.listChannels({ limit: 10 });
  assertEquals(channels.map(({ id }) => id), ["9", "B", "_", "a", "a-", "a_", "b"]);
});

const UNUSABLE: Record<string, { change: (url: string) => string; words: string }> = {
  "another password": {
    change: (url) => url.replace(/:[^:@]*@/, ":hunter2@"),
    words: "refuses this user or password",
  },
  "a user that does not exist": {
    change: (url) => url.replace(/chat:[^@]*@/, "nobody:hunter2@"),
    words: "refuses this user",
  },
  "a database that does not exist": {
    change: (url) => url.replace(/test_\d+/, "nothing"),
    words: "no database of this name",
  },
  "a port where nobody listens": { change: (url) => url.replace(/:\d+\//, ":1/"), words: "cannot be reached" },
  "a host that is not known": {
    change: (url) => url.replace("127.0.0.1", "nowhere.invalid"),
    words: "host is not known",
  },
  "no user": { change: () => "postgres://127.0.0.1/chat", words: "names no user" },
  "no database": { change: () => "postgres://chat:hunter2@127.0.0.1", words: "names no database" },
  "no host": { change: () => "postgres://", words: "must be like" },
  "a password that is not encoded": {
    change: () => "postgres://chat:hunter2/%@127.0.0.1/chat",
    words: "cannot be used",
  },
  "a lone percent sign": { change: () => "postgres://chat:hunter2%@127.0.0.1/chat", words: "%25" },
  "a schema that is no name": { change: (url) => `${url}?schema=a"b`, words: "schema must be" },
};

for (const [kind, { change, words }] of Object.entries(UNUSABLE)) {
  test(`PostgresStore.open() says what is wrong with a URL with ${kind}, at once and without the password`, async (server) => {
    const url = change(await server.newDatabase());
    const since = Date.now();
    const error = await assertRefused("unavailable", () => PostgresStore.open({ url }), words);
    assertLess(Date.now() - since, 3_000);
    const password = new RegExp(`hunter2|${/:([^:@/]+)@/.exec(url)?.[1] ?? "hunter2"}`);
    assertFalse(password.test(Deno.inspect(error)), Deno.inspect(error));
  });
}

// What users write

test("PostgresStore refuses a text with NUL alone, not the writes that share its transaction", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  const calls = ["one", "two\0", "three"].map((content) => store.append(draft(content)));
  const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
  assertEquals(outcomes, ["fulfilled", "rejected", "fulfilled"]);
  await assertRefused("invalid", () => store.append(draft("\0")));
  assertEquals((await allOf(store)).map(({ content, seq }) => [content, seq]), [["one", 1], ["three", 2]]);
});

test("PostgresStore refuses a user id that is too long for an index alone", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  const random = Array.from({ length: 8_000 }, () => String.fromCharCode(33 + Math.random() * 90)).join("");
  const calls = ["u", random, "v"].map((userId) => store.append({ ...draft("hi", "n"), userId }));
  const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
  assertEquals(outcomes, ["fulfilled", "rejected", "fulfilled"]);
});

test("PostgresStore search() breaks at nothing that a user can write", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  await store.append(draft("It's a 'quoted' \\ back:slash & (bracket) <-> !not | or* 100% $1"));
  for (const text of ["it's", "'quoted' \\", "back:slash", "& (bracket", "<-> !not |", "or*", "100% $1", "a:*", "::"]) {
    for (const prefix of [true, false]) {
      const { messages } = await store.search({ terms: [{ text, prefix }], limit: 5, channelId: "a" });
      assertEquals(messages.length, text === "::" ? 0 : 1, text);
    }
  }
  for (const text of ["\0", "\uD800", "'", "\\", "😀", "", "x".repeat(100_000), "#1", "' & '"]) {
    assertEquals(
      (await store.search({ terms: [{ text, prefix: true }], limit: 5 })).messages.length,
      text === "#1" ? 1 : 0,
    );
  }
});

test("PostgresStore append() takes a message of 4,000 words of their own and one word of 4,000 letters", async (server) => {
  await using store = await PostgresStore.open({ url: await server.newDatabase() });
  await store.createChannel(channel);
  const long = "ǆ".repeat(4_000);
  await store.append(draft(Array.from({ length: 2_000 }, (_, n) => n.toString(36)).join(" ")));
  await store.append(draft(long));
  await store.append(draft("a ".repeat(2_000)));
  assertEquals((await store.search({ terms: [{ text: long, prefix: false }], limit: 5 })).messages.length, 1);
  assertEquals((await store.search({ terms: [{ text: "1jj", prefix: false }], limit: 5 })).messages.length, 1);
});
