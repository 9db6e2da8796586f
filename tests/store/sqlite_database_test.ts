import { assertEquals } from "@std/assert";
import { DatabaseSync, StatementSync } from "node:sqlite";
import type { SqliteOptions } from "../../src/store/sqlite_connection.ts";
import { SqliteDatabase } from "../../src/store/sqlite_database.ts";
import type { History } from "../../src/store/store.ts";
import { TempFolder } from "./support/temp_folder.ts";

for (const [synchronous, level] of [["full", 2], ["normal", 1]] as const) {
  Deno.test(`SqliteDatabase opens its connection with PRAGMA synchronous = ${synchronous}`, () => {
    using folder = new TempFolder();
    assertEquals(synchronousOf({ path: folder.database, synchronous }), level);
  });
}

/** What SQLite says on the very connection that a {@linkcode SqliteDatabase} opens, caught as it prepares its statements. */
function synchronousOf(options: SqliteOptions): unknown {
  const { prepare } = DatabaseSync.prototype;
  const connections = new Set<DatabaseSync>();
  DatabaseSync.prototype.prepare = function (sql) {
    connections.add(this);
    return prepare.call(this, sql);
  };
  try {
    using _database = new SqliteDatabase(options);
    const [connection] = connections;
    assertEquals(connections.size, 1);
    return connection?.prepare("PRAGMA synchronous").get()?.synchronous;
  } finally {
    DatabaseSync.prototype.prepare = prepare;
  }
}

const READINGS: Record<string, (database: SqliteDatabase) => History> = {
  history: (database) => database.history("a", { limit: 10 }),
  changes: (database) => database.changes("a", { after: 0, limit: 10 }),
};
for (const [method, read] of Object.entries(READINGS)) {
  Deno.test(`SqliteDatabase ${method}() sees nothing that is committed while it reads`, () => {
    using folder = new TempFolder();
    const options = { path: folder.database, synchronous: "full" } as const;
    using writer = new SqliteDatabase(options);
    using reader = new SqliteDatabase({ ...options, readOnly: true });
    const append = () => writer.write([{ name: "append", args: [{ channelId: "a", userId: "u", content: "hi" }] }]);
    writer.write([{ name: "createChannel", args: [{ id: "a", name: "a", description: "" }] }]);
    append();
    const { messages, headSeq } = duringReading(append, () => read(reader));
    assertEquals([messages.length, headSeq], [1, 1]);
    assertEquals(reader.getChannel("a").headSeq, 2);
  });
}

/** Runs `read`, and `happens` once in the middle of it: after it has read the channel, before it reads messages. */
function duringReading<T>(happens: () => void, read: () => T): T {
  const { all } = StatementSync.prototype;
  StatementSync.prototype.all = function (...values) {
    StatementSync.prototype.all = all;
    happens();
    return Reflect.apply(all, this, values);
  };
  try {
    return read();
  } finally {
    StatementSync.prototype.all = all;
  }
}
