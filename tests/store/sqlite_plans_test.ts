import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteDatabase, type SqliteWrites } from "../../src/store/sqlite_database.ts";
import type { Message } from "../../src/store/store.ts";
import { TempFolder } from "./support/temp_folder.ts";

/** A database of which every statement is known, by the method that needed it. */
class Tour implements Disposable {
  readonly #folder = new TempFolder();
  readonly #texts = new Map<string, Set<string>>();
  readonly #raw: DatabaseSync;

  constructor() {
    const { prepare } = DatabaseSync.prototype;
    const prepared = new Set<string>();
    DatabaseSync.prototype.prepare = function (sql) {
      prepared.add(sql);
      return prepare.call(this, sql);
    };
    try {
      // A statement is prepared once by a connection: each step has one of its own.
      const step = <T>(name: string, run: (database: SqliteDatabase) => T): T => {
        prepared.clear();
        using database = new SqliteDatabase({ path: this.#folder.database, synchronous: "normal" });
        const value = run(database);
        this.#texts.set(name, new Set([...prepared, ...this.#texts.get(name) ?? []]));
        return value;
      };
      visit(step);
    } finally {
      DatabaseSync.prototype.prepare = prepare;
    }
    this.#raw = new DatabaseSync(this.#folder.database);
  }

  get steps(): string[] {
    return [...this.#texts.keys()];
  }

  /** How SQLite goes about what a step asks for, each statement a line for each thing it does. */
  plans(step: string): string[][] {
    const texts = [...this.#texts.get(step) ?? []].filter((text) => /^(SELECT|INSERT|UPDATE|DELETE)/.test(text));
    return texts.map((text) =>
      this.#raw.prepare(`EXPLAIN QUERY PLAN ${text}`).all().map(({ detail }) => String(detail))
    );
  }

  /** Everything that a step does to the tables of messages, reactions and read states. */
  lines(step: string): string[] {
    return this.plans(step).flat().filter((line) => / (m|q|messages|reactions|read_states)\b/.test(line));
  }

  drop(index: string): void {
    this.#raw.exec(`DROP INDEX ${index}`);
  }

  [Symbol.dispose](): void {
    this.#raw.close();
    this.#folder[Symbol.dispose]();
  }
}

/** Calls everything that a store can do. */
function visit(step: <T>(name: string, run: (database: SqliteDatabase) => T) => T): void {
  function write<Name extends keyof SqliteWrites>(name: Name, ...args: Parameters<SqliteWrites[Name]>) {
    return step(name, (database) => {
      const [result] = database.write([{ name, args } as never]);
      assert(result && "value" in result, `${name}: ${JSON.stringify(result)}`);
      return result.value as ReturnType<SqliteWrites[Name]>;
    });
  }
  const say = (more: object = {}): Message =>
    write("append", { channelId: "a", userId: "u", content: "word", ...more }).message;
  const channel = (id: string) => write("createChannel", { id, name: id, description: "" });

  ["a", "b"].forEach(channel);
  const { id } = say({ nonce: "n" });
  say({ replyTo: id });
  write("editMessage", "a", id, { content: "new" });
  write("react", "a", id, [{ userId: "u", emoji: "👍", on: true }]);
  write("react", "a", id, [{ userId: "u", emoji: "👍", on: false }]);
  write("pin", "a", id, true);
  write("markRead", "a", "v", 1);
  write("index");
  step("getMessage", (database) => database.getMessage("a", id));
  step("history", (database) => database.history("a", { limit: 5 }));
  step("history before", (database) => database.history("a", { limit: 5, before: id }));
  step("history after", (database) => database.history("a", { limit: 5, after: id }));
  step("history around", (database) => database.history("a", { limit: 5, around: id }));
  step("changes", (database) => database.changes("a", { after: 0, limit: 5 }));
  step("pins", (database) => database.pins("a", { limit: 5 }));
  step("reactors", (database) => database.reactors("a", id, { emoji: "👍", limit: 5 }));
  step("unread", (database) => database.unread("w", { limit: 5 }));
  step("search", (database) => {
    assertEquals(database.isSearchBehind, false);
    database.searchStep({ terms: [{ text: "word", prefix: false }], channelId: "a", limit: 5 }, 1_000);
  });
  say({ channelId: "b" });
  write("deleteMessages", "a", [id]);
  write("eraseUser", "u");
  write("updateChannel", "a", { retentionDays: 1, retentionCount: 1 });
  write("deleteChannel", "b");
  write("sweep");
}

const READ_WHOLE = /^SCAN (?:m|q|messages|reactions|read_states)\b|TEMP B-TREE|AUTOMATIC/;

Deno.test("SqliteDatabase reads no table of messages whole and sorts nothing, whatever it is asked", () => {
  using tour = new Tour();
  assert(tour.steps.length > 20);
  for (const step of tour.steps) {
    for (const line of tour.plans(step).flat()) assertNotMatch(line, READ_WHOLE, step);
  }
});

/** What each step goes by; a step whose index is gone goes by another, which reads more. */
const INDEXES: Record<string, { step: string; line: RegExp; index: string }> = {
  "a page": {
    step: "history",
    line: /^SEARCH m USING INDEX messages_by_seq \(channel=\? AND seq<\?\)/,
    index: "messages_by_seq",
  },
  "what a page quotes": {
    step: "history",
    line: /^SEARCH q USING INDEX messages_by_seq \(channel=\? AND seq=\?\)/,
    index: "messages_by_seq",
  },
  "a page before": {
    step: "history before",
    line: /^SEARCH messages USING INDEX messages_by_seq \(channel=\? AND seq>\?\)/,
    index: "messages_by_seq",
  },
  "a page after": {
    step: "history after",
    line: /^SEARCH m USING INDEX messages_by_seq \(channel=\? AND seq>\?\)/,
    index: "messages_by_seq",
  },
  "a single message": {
    step: "getMessage",
    line: /^SEARCH m USING INDEX messages_by_seq \(channel=\? AND seq>\?\)/,
    index: "messages_by_seq",
  },
  "changes": {
    step: "changes",
    line: /^SEARCH m USING INDEX messages_by_version \(channel=\? AND version>\?\)/,
    index: "messages_by_version",
  },
  "pins": {
    step: "pins",
    line: /^SEARCH m USING INDEX messages_by_pin \(channel=\? AND pinned_at>\? AND \(pinned_at,seq\)<\(\?,\?\)\)/,
    index: "messages_by_pin",
  },
  "the count of pins": {
    step: "pin",
    line: /^SEARCH messages USING COVERING INDEX messages_by_pin \(channel=\? AND pinned_at>\?\)/,
    index: "messages_by_pin",
  },
  "a nonce": {
    step: "append",
    line: /^SEARCH m USING INDEX messages_by_nonce \(channel=\? AND user_id=\? AND nonce=\?\)/,
    index: "messages_by_nonce",
  },
  "what is unread": {
    step: "unread",
    line: /^SEARCH messages USING INDEX messages_by_seq \(channel=\? AND seq>\?\)/,
    index: "messages_by_seq",
  },
  "what retention removes": {
    step: "sweep",
    line: /^SEARCH messages USING INDEX messages_by_seq \(channel=\? AND seq<\?\)/,
    index: "messages_by_seq",
  },
};
for (const [kind, { step, line, index }] of Object.entries(INDEXES)) {
  Deno.test(`SqliteDatabase finds ${kind} by ${index}`, () => {
    using tour = new Tour();
    assert(tour.lines(step).some((found) => line.test(found)), tour.lines(step).join("\n"));
    tour.drop(index);
    assert(!tour.lines(step).some((found) => line.test(found)), tour.lines(step).join("\n"));
  });
}

const KEYS: Record<string, [step: string, line: RegExp]> = {
  "messages that were found": ["search", /^SEARCH m USING INTEGER PRIMARY KEY \(rowid=\?\)/],
  "messages that search does not know": ["search", /^SEARCH messages USING INTEGER PRIMARY KEY \(rowid>\?\)/],
  "a part of all messages for an erasure": [
    "eraseUser",
    /^SEARCH m USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)/,
  ],
  "a message that changes": ["editMessage", /^SEARCH messages USING INTEGER PRIMARY KEY \(rowid=\?\)/],
  "who reacted": [
    "reactors",
    /^SEARCH reactions USING PRIMARY KEY \(channel=\? AND seq=\? AND emoji=\? AND user_id>\?\)/,
  ],
  "a read state": ["markRead", /^SEARCH read_states USING PRIMARY KEY \(channel=\? AND user_id=\?\)/],
};
for (const [kind, [step, line]] of Object.entries(KEYS)) {
  Deno.test(`SqliteDatabase finds ${kind} by a primary key`, () => {
    using tour = new Tour();
    assertMatch(tour.lines(step).filter((found) => line.test(found)).join("\n"), line, tour.lines(step).join("\n"));
  });
}
