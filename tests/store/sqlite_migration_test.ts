import { assert, assertEquals, assertFalse } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteDatabase } from "../../src/store/sqlite_database.ts";
import { MIGRATIONS } from "../../src/store/sqlite_migrations.ts";
import { SqliteStore } from "../../src/store/sqlite_store.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { TempFolder } from "./support/temp_folder.ts";

/** What the first release made of a new file, word by word. */
const SCHEMA_1 = `
  CREATE TABLE channels (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    head_seq INTEGER NOT NULL DEFAULT 0,
    last_message_id TEXT
  ) STRICT;
  CREATE TABLE messages (
    rowid INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    nonce TEXT
  ) STRICT;
  CREATE UNIQUE INDEX messages_by_seq ON messages (channel, seq);
  CREATE UNIQUE INDEX messages_by_nonce ON messages (channel, user_id, nonce) WHERE nonce IS NOT NULL;
  CREATE TABLE deleted_channels (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE pings (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
`;
const MARKS = "PRAGMA user_version = 1; PRAGMA application_id = 0x63686174;";
const EPOCH = "11111111-2222-4333-8444-555555555555";
const NOON = Date.UTC(2026, 0, 1, 12);
/** Messages of channel `a`; each is `message <seq>`, the third with a nonce. */
const COUNT = 2_500;

function idOf(seq: number): string {
  return `01KDVSW400${String(seq).padStart(16, "0")}`;
}

/** A file as the first release left it: a channel, one that was deleted and made again, and one whose messages wait to be removed. */
function writeFirstRelease(path: string): void {
  using database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(`BEGIN; ${SCHEMA_1} ${MARKS} COMMIT`);
  database.exec("BEGIN");
  const channel = database.prepare("INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  channel.run(1, "a", "The A", "All about A", NOON, NOON + 1, EPOCH, COUNT, idOf(COUNT));
  channel.run(3, "b", "b", "", NOON, NOON, "another", 0, null);
  database.exec("INSERT INTO deleted_channels VALUES (2)");
  const message = database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (let seq = 1; seq <= COUNT; seq++) {
    const nonce = seq === 3 ? "n" : null;
    message.run(null, 1, idOf(seq), seq, seq, "u", `message ${seq}`, NOON, nonce);
  }
  message.run(null, 2, idOf(1), 1, 1, "u", "message of a deleted channel", NOON, "n");
  database.exec("COMMIT");
}

function openFile(path: string): Promise<SqliteStore> {
  return SqliteStore.open({ path, synchronous: "full" });
}

function ask(path: string, sql: string): Record<string, unknown>[] {
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare(sql).all();
}

/** Registers a test with a store on a file of the first release. */
function test(behaviour: string, run: (store: SqliteStore, path: string) => Promise<void>): void {
  Deno.test(`SqliteStore on a file of the first release ${behaviour}`, async () => {
    using folder = new TempFolder();
    writeFirstRelease(folder.database);
    await using store = await openFile(folder.database);
    await run(store, folder.database);
  });
}

Deno.test("SqliteStore has never changed the first step of its schema", () => {
  const plain = (sql = "") => sql.replace(/\s+/g, " ").trim();
  assertEquals(plain(MIGRATIONS[0]), plain(SCHEMA_1));
});

test("has the schema of a new file", (_, path) => {
  using folder = new TempFolder();
  new SqliteDatabase({ path: folder.database, synchronous: "full" })[Symbol.dispose]();
  const schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
  assertEquals(ask(path, schema), ask(folder.database, schema));
  assertEquals(ask(path, "PRAGMA user_version"), ask(folder.database, "PRAGMA user_version"));
  return Promise.resolve();
});

test("keeps each channel with its head and its epoch", async (store) => {
  assertEquals(await store.getChannel("a"), {
    id: "a",
    name: "The A",
    description: "All about A",
    createdAt: NOON,
    updatedAt: NOON + 1,
    headSeq: COUNT,
    epoch: EPOCH,
  });
  assertEquals((await store.listChannels({ limit: 9 })).channels.map(({ id }) => id), ["a", "b"]);
});

test("keeps each message", async (store) => {
  const { messages, purgedSeq } = await store.history("a", { limit: COUNT + 1 });
  assertEquals(
    messages,
    Array.from({ length: COUNT }, (_, index) => ({
      id: idOf(index + 1),
      channelId: "a",
      userId: "u",
      content: `message ${index + 1}`,
      createdAt: NOON,
      seq: index + 1,
      version: index + 1,
      ...(index === 2 ? { nonce: "n" } : {}),
    })),
  );
  assertEquals(purgedSeq, 0);
  assertEquals((await store.changes("a", { after: 0, limit: COUNT })).messages, messages);
});

test("knows a nonce again", async (store) => {
  const draft = { channelId: "a", userId: "u", content: "message 3", nonce: "n" };
  assertEquals(await store.append(draft), { message: await store.getMessage("a", idOf(3)), created: false });
  await assertRefused("conflict", () => store.append({ ...draft, content: "other" }));
  await store.editMessage("a", idOf(3), { content: "other" });
  assertFalse((await store.append(draft)).created);
});

test("goes on counting", async (store) => {
  const { message } = await store.append({ channelId: "a", userId: "u", content: "new", replyTo: idOf(1) });
  assertEquals([message.seq, message.replyTo?.content], [COUNT + 1, "message 1"]);
  assert(message.id > idOf(COUNT));
  assertEquals((await store.append({ channelId: "b", userId: "u", content: "new" })).message.seq, 1);
});

test("edits, pins, marks and deletes old messages", async (store) => {
  await store.editMessage("a", idOf(1), { content: "edited", mentions: ["v"] });
  await store.pin("a", idOf(2), true);
  await store.react("a", idOf(3), [{ userId: "v", emoji: "👍", on: true }]);
  await store.deleteMessages("a", [idOf(4)]);
  const { messages, headSeq } = await store.changes("a", { after: COUNT, limit: 9 });
  assertEquals(messages.map(({ seq }) => seq), [1, 2, 3, 4]);
  assertEquals(headSeq, COUNT + 4);
  assertEquals((await store.pins("a", { limit: 9 })).messages, messages.slice(1, 2));
  const state = { channelId: "a", headSeq: COUNT + 4, lastReadSeq: 0, unread: 999, mentions: 1 };
  assertEquals((await store.unread("v", { limit: 1 })).states, [state]);
});

test("finds old messages by their words, those of a deleted channel not", async (store) => {
  const find = async (text: string) =>
    (await store.search({ terms: [{ text, prefix: false }], limit: 5 })).messages.map(({ content }) => content);
  assertEquals(await find("2345"), ["message 2345"]);
  assertEquals(await find("1"), ["message 1"]);
  assertEquals(await find("deleted"), []);
  await store.editMessage("a", idOf(1), { content: "edited" });
  assertEquals([await find("1"), await find("edited")], [[], ["edited"]]);
});

test("removes what waited to be removed, and what a limit ends from now on", async (store, path) => {
  await store.updateChannel("a", { retentionCount: 10 });
  while (await store.sweep());
  assertEquals(
    ask(path, "SELECT min(seq) AS seq, count(*) AS count FROM messages"),
    [{ seq: COUNT - 9, count: 10 }]
      .map((row) => Object.assign(Object.create(null), row)),
  );
  assertEquals((await store.history("a", { limit: 1 })).purgedSeq, COUNT - 10);
});

test("is the same when it is opened again", async (store, path) => {
  const before = await store.history("a", { limit: COUNT });
  await store[Symbol.asyncDispose]();
  await using again = await openFile(path);
  assertEquals(await again.history("a", { limit: COUNT }), before);
});

Deno.test("SqliteStore leaves a file of the first release as it is where its migration fails in the middle", async () => {
  using folder = new TempFolder();
  writeFirstRelease(folder.database);
  const all = ["sqlite_schema", "channels", "messages", "deleted_channels"].map((table) => `SELECT * FROM ${table}`);
  {
    // A table of the name of one of the last that the migration makes: it fails when most is done.
    using database = new DatabaseSync(folder.database);
    database.exec("CREATE TABLE searched (mine TEXT)");
  }
  const before = all.map((sql) => ask(folder.database, sql));
  await assertRefused("unavailable", () => openFile(folder.database));
  assertEquals(all.map((sql) => ask(folder.database, sql)), before);
  assertEquals(ask(folder.database, "PRAGMA user_version")[0]?.user_version, 1);
  {
    using database = new DatabaseSync(folder.database);
    database.exec("DROP TABLE searched");
  }
  await using store = await openFile(folder.database);
  assertEquals((await store.history("a", { limit: COUNT })).messages.length, COUNT);
});

Deno.test("SqliteStore migrates anew a file whose migration was torn off by a crash", async () => {
  using folder = new TempFolder();
  writeFirstRelease(folder.database);
  const copy = `${folder.path}/copy.db`;
  {
    // The file and its log as they lie on the disk in the middle of the migration: nothing is committed.
    using database = new DatabaseSync(folder.database);
    database.exec("PRAGMA cache_size = 1; BEGIN IMMEDIATE");
    database.exec(`${MIGRATIONS[1]}; PRAGMA user_version = 2`);
    for (const end of ["", "-wal"]) Deno.copyFileSync(`${folder.database}${end}`, `${copy}${end}`);
    database.exec("ROLLBACK");
  }
  await using store = await openFile(copy);
  const { messages, headSeq, epoch } = await store.history("a", { limit: COUNT });
  assertEquals([messages.length, headSeq, epoch], [COUNT, COUNT, EPOCH]);
  assertEquals((await store.pin("a", idOf(7), true)).message.version, COUNT + 1);
  assertEquals(ask(copy, "PRAGMA integrity_check")[0]?.integrity_check, "ok");
});

Deno.test("SqliteStore.open() twice at once migrates a file of the first release once", async () => {
  using folder = new TempFolder();
  writeFirstRelease(folder.database);
  const [one, two] = await Promise.all([openFile(folder.database), openFile(folder.database)]);
  await using _one = one;
  await using _two = two;
  assertEquals((await one.pin("a", idOf(1), true)).message.version, COUNT + 1);
  assertEquals((await two.pin("a", idOf(2), true)).message.version, COUNT + 2);
});
