import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertNotEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteDatabase } from "../../src/store/sqlite_database.ts";
import { MIGRATIONS } from "../../src/store/sqlite_migrations.ts";
import { SqliteStore } from "../../src/store/sqlite_store.ts";
import { testStore } from "../conformance/store.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { TempFolder } from "./support/temp_folder.ts";

testStore("SqliteStore", {
  clock: "own",
  async open() {
    const folder = new TempFolder();
    const store = await openFile(folder.database);
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    };
  },
});

testStore("SqliteStore.inMemory()", {
  clock: "given",
  open({ now }) {
    const store = SqliteStore.inMemory(now);
    return Promise.resolve({ store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() });
  },
});

function openFile(path: string): Promise<SqliteStore> {
  return SqliteStore.open({ path, synchronous: "full" });
}

const channel = { id: "a", name: "The A", description: "All about A" };

function draft(content: string, nonce?: string) {
  return { channelId: "a", userId: "u", content, ...(nonce === undefined ? {} : { nonce }) };
}

// Across runs

Deno.test("SqliteStore finds everything again when its file is reopened", async () => {
  using folder = new TempFolder();
  const before = await openFile(folder.database);
  await before.createChannel(channel);
  await Promise.all(Array.from({ length: 20 }, (_, n) => before.append(draft(`message ${n}`, `nonce ${n}`))));
  const [kept, history] = [await before.getChannel("a"), await before.history("a", { limit: 100 })];
  await before[Symbol.asyncDispose]();

  await using after = await openFile(folder.database);
  assertEquals(await after.getChannel("a"), kept);
  assertEquals(await after.history("a", { limit: 100 }), history);
});

Deno.test("SqliteStore append() goes on counting when its file is reopened", async () => {
  using folder = new TempFolder();
  const before = await openFile(folder.database);
  await before.createChannel(channel);
  const first = await before.append(draft("first"));
  await before[Symbol.asyncDispose]();

  await using after = await openFile(folder.database);
  const second = await after.append(draft("second"));
  assertEquals(second.message.seq, 2);
  assert(second.message.id > first.message.id);
});

Deno.test("SqliteStore append() knows a nonce again when its file is reopened", async () => {
  using folder = new TempFolder();
  const before = await openFile(folder.database);
  await before.createChannel(channel);
  const { message } = await before.append(draft("hi", "n"));
  await before[Symbol.asyncDispose]();

  await using after = await openFile(folder.database);
  assertEquals(await after.append(draft("hi", "n")), { message, created: false });
  await assertRefused("conflict", () => after.append(draft("ho", "n")));
});

Deno.test("SqliteStore sweep() goes on with what was left when its file is reopened", async () => {
  using folder = new TempFolder();
  const before = await openFile(folder.database);
  await before.createChannel(channel);
  await Promise.all(Array.from({ length: 1_500 }, (_, n) => before.append(draft(String(n)))));
  await before.deleteChannel("a");
  await before.sweep();
  await before[Symbol.asyncDispose]();
  assertNotEquals(count(folder.database, "messages"), 0);

  await using after = await openFile(folder.database);
  while (await after.sweep());
  assertEquals(count(folder.database, "messages"), 0);
});

Deno.test("SqliteStore sweep() removes the messages of deleted channels in steps of 1,000 at the most", async () => {
  using folder = new TempFolder();
  await using store = await openFile(folder.database);
  await store.createChannel(channel);
  await Promise.all(Array.from({ length: 2_500 }, (_, n) => store.append(draft(String(n)))));
  await store.deleteChannel("a");
  const left: number[] = [];
  for (let more = true; more;) {
    more = await store.sweep();
    left.push(count(folder.database, "messages"));
  }
  assertEquals(left, [1_500, 500, 0]);
  assertEquals(count(folder.database, "deleted_channels"), 0);
});

function count(path: string, table: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count);
}

// The file

Deno.test("SqliteStore.open() marks the file as its own, with the version of its schema", async () => {
  using folder = new TempFolder();
  await (await openFile(folder.database))[Symbol.asyncDispose]();
  assertEquals(pragma(folder.database, "application_id"), 0x63686174);
  assertEquals(pragma(folder.database, "user_version"), MIGRATIONS.length);
});

Deno.test("SqliteStore.open() keeps the file in WAL mode", async () => {
  using folder = new TempFolder();
  await (await openFile(folder.database))[Symbol.asyncDispose]();
  assertEquals(pragma(folder.database, "journal_mode"), "wal");
});

Deno.test("SqliteStore.open() twice at once on a new file makes one schema", async () => {
  using folder = new TempFolder();
  await using one = await openFile(folder.database);
  await using two = await openFile(folder.database);
  await one.createChannel(channel);
  assertEquals((await two.append(draft("hi"))).message.seq, 1);
  assertEquals((await one.append(draft("ho"))).message.seq, 2);
});

Deno.test("SqliteStore.open() takes an empty file for a new database", async () => {
  using folder = new TempFolder();
  Deno.writeFileSync(folder.database, new Uint8Array());
  await using store = await openFile(folder.database);
  await store.createChannel(channel);
});

const STRANGE_FILES: Record<string, { write: (path: string) => void; words: string }> = {
  "a database of a newer program": {
    write: (path) => {
      new SqliteDatabase({ path, synchronous: "full" })[Symbol.dispose]();
      execute(path, `PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    },
    words: "written by a newer version",
  },
  "a SQLite database of another program": {
    write: (path) => execute(path, "CREATE TABLE notes (text)"),
    words: "of another program",
  },
  "a SQLite database of another program that numbers its schema": {
    write: (path) => execute(path, "CREATE TABLE notes (text); PRAGMA user_version = 1"),
    words: "of another program",
  },
  "a SQLite database that another program has marked as its own": {
    write: (path) => execute(path, "CREATE TABLE notes (text); PRAGMA application_id = 1; PRAGMA user_version = 1"),
    words: "of another program",
  },
  "a short text": {
    write: (path) => Deno.writeTextFileSync(path, "hello"),
    words: "not a SQLite database",
  },
  "a long text": {
    write: (path) => Deno.writeTextFileSync(path, "hello ".repeat(10_000)),
    words: "not a SQLite database",
  },
  "bytes that begin as a SQLite database does": {
    write: (path) => Deno.writeTextFileSync(path, "SQLite format 3\0".padEnd(8_192, "x")),
    words: "not a SQLite database",
  },
};

for (const [kind, { write, words }] of Object.entries(STRANGE_FILES)) {
  Deno.test(`SqliteStore.open() refuses ${kind} and leaves it as it is`, async () => {
    using folder = new TempFolder();
    write(folder.database);
    const bytes = Deno.readFileSync(folder.database);
    await assertRefused("unavailable", () => openFile(folder.database), words);
    assertEquals(Deno.readFileSync(folder.database), bytes);
  });
}

Deno.test("SqliteStore.open() refuses a file in a folder that is not there", async () => {
  using folder = new TempFolder();
  await assertRefused("unavailable", () => openFile(`${folder.path}/none/chat.db`), "cannot be opened");
});

Deno.test("SqliteStore.open() refuses a folder", async () => {
  using folder = new TempFolder();
  await assertRefused("unavailable", () => openFile(folder.path), "cannot be opened");
});

Deno.test("SqliteStore.open() keeps what it is refused for out of its message", async () => {
  using folder = new TempFolder();
  const { message } = await assertRefused("unavailable", () => openFile(folder.path));
  assertEquals(message.includes(folder.path), false);
});

function execute(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

function pragma(path: string, name: string): unknown {
  using database = new DatabaseSync(path, { readOnly: true });
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

// Waiting for the disk

Deno.test("SqliteStore refuses the 5,001st write that waits with unavailable and takes the others", async () => {
  await using store = SqliteStore.inMemory();
  const writes = Array.from({ length: 5_000 }, () => store.ping());
  const { retryAfterMs } = await assertRefused("unavailable", () => store.ping(), "Too many writes");
  assertEquals(retryAfterMs, 1_000);
  await Promise.all(writes);
  await store.ping();
});

Deno.test("SqliteStore waits 5 s for another connection's lock, then rejects with unavailable, and goes on after it", async () => {
  using folder = new TempFolder();
  await using store = await openFile(folder.database);
  await store.createChannel(channel);
  using other = new DatabaseSync(folder.database);
  other.exec("BEGIN IMMEDIATE");
  const since = Date.now();
  await assertRefused("unavailable", () => store.append(draft("during")), "locked");
  const waitedMs = Date.now() - since;
  assertGreaterOrEqual(waitedMs, 4_500);
  assertLess(waitedMs, 8_000);
  other.exec("ROLLBACK");
  assertEquals((await store.append(draft("after"))).message.seq, 1);
});

Deno.test("SqliteStore reads while another connection holds the lock", async () => {
  using folder = new TempFolder();
  await using store = await openFile(folder.database);
  await store.createChannel(channel);
  await store.append(draft("hi"));
  using other = new DatabaseSync(folder.database);
  other.exec("BEGIN IMMEDIATE");
  const since = Date.now();
  assertEquals((await store.history("a", { limit: 10 })).messages.length, 1);
  assertLess(Date.now() - since, 1_000);
});

Deno.test("SqliteStore append() waits out a lock that is given back in time", async () => {
  using folder = new TempFolder();
  await using store = await openFile(folder.database);
  await store.createChannel(channel);
  using other = new DatabaseSync(folder.database);
  other.exec("BEGIN IMMEDIATE");
  const appending = store.append(draft("hi"));
  setTimeout(() => other.exec("ROLLBACK"), 300);
  assertEquals((await appending).message.seq, 1);
});
