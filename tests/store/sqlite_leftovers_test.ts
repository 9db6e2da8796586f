import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteDatabase, type SqliteWrites } from "../../src/store/sqlite_database.ts";
import { TempFolder } from "./support/temp_folder.ts";

/** A database, and a look into its file. */
class Opened implements Disposable {
  readonly #folder = new TempFolder();
  readonly #database = new SqliteDatabase({ path: this.#folder.database, synchronous: "normal" });
  readonly #raw = new DatabaseSync(this.#folder.database);

  write<Name extends keyof SqliteWrites>(name: Name, ...args: Parameters<SqliteWrites[Name]>) {
    const [result] = this.#database.write([{ name, args } as never]);
    assert(result && "value" in result, `${name}: ${JSON.stringify(result)}`);
    return result.value as ReturnType<SqliteWrites[Name]>;
  }

  /** A message with all that a message can have, and somebody who read it. */
  say(channelId: string, more: object = {}): string {
    const draft = { channelId, userId: "u", content: "secret", metadata: { secret: 1 }, mentions: ["secret"], ...more };
    const { id } = this.write("append", draft).message;
    this.write("react", channelId, id, [{ userId: "secret", emoji: "secret", on: true }]);
    this.write("pin", channelId, id, true);
    this.write("markRead", channelId, "v", 1);
    return id;
  }

  ask(sql: string): unknown {
    return Object.values(this.#raw.prepare(sql).get() ?? {})[0];
  }

  /** Rows of each table that hangs on messages; those of the search index among them. */
  get counts(): Record<string, unknown> {
    const tables = ["messages", "reactions", "read_states", "found_docsize", "deleted_channels"];
    return Object.fromEntries(tables.map((table) => [table, this.ask(`SELECT count(*) FROM ${table}`)]));
  }

  /** Throws where the search index contradicts itself. */
  checkIndex(): void {
    this.#raw.exec("INSERT INTO found (found) VALUES ('integrity-check')");
  }

  [Symbol.dispose](): void {
    this.#raw.close();
    this.#database[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

const channel = (id: string) => ({ id, name: id, description: "" });

Deno.test("SqliteDatabase sweep() leaves nothing of a deleted channel behind", () => {
  using opened = new Opened();
  opened.write("createChannel", channel("a"));
  opened.write("createChannel", channel("b"));
  opened.say("a");
  opened.write("deleteMessages", "a", [opened.say("a", { replyTo: opened.say("a") })]);
  opened.say("b");
  opened.write("index");
  opened.write("deleteChannel", "a");
  while (opened.write("sweep"));
  assertEquals(opened.counts, { messages: 1, reactions: 1, read_states: 1, found_docsize: 1, deleted_channels: 0 });
  opened.checkIndex();
});

Deno.test("SqliteDatabase sweep() leaves nothing behind of messages that retention removes", () => {
  using opened = new Opened();
  opened.write("createChannel", { ...channel("a"), retentionCount: 1 });
  for (let n = 0; n < 5; n++) opened.say("a");
  opened.write("index");
  while (opened.write("sweep"));
  assertEquals(opened.counts, { messages: 1, reactions: 1, read_states: 1, found_docsize: 1, deleted_channels: 0 });
  opened.checkIndex();
});

const DELETIONS: Record<string, (opened: Opened, id: string) => void> = {
  deleteMessages: (opened, id) => opened.write("deleteMessages", "a", [id]),
  eraseUser: (opened) => opened.write("eraseUser", "u"),
};
for (const [method, deletion] of Object.entries(DELETIONS)) {
  Deno.test(`SqliteDatabase ${method}() leaves in its row nothing of what a message was, edited or not`, () => {
    using opened = new Opened();
    opened.write("createChannel", channel("a"));
    const { id: target } = opened.write("append", { channelId: "a", userId: "w", content: "hi" }).message;
    const id = opened.say("a", { replyTo: target, nonce: "n" });
    opened.write("editMessage", "a", id, { content: "secret too" });
    opened.write("index");
    deletion(opened, id);
    const columns = "content, reply_to, reply_seq, metadata, mentions, reactions, edited_at, pinned_at, sent";
    const row = opened.ask(`SELECT json_array(${columns}) FROM messages WHERE seq = 2`);
    assertEquals(row, JSON.stringify(["", null, null, null, null, null, null, null, ""]));
    assertEquals([opened.counts.reactions, opened.counts.found_docsize], [0, 1]);
    opened.checkIndex();
  });
}

Deno.test("SqliteDatabase index() puts messages in in steps, and says whether there are more", () => {
  using opened = new Opened();
  opened.write("createChannel", channel("a"));
  for (let n = 0; n < 4_500; n++) opened.write("append", { channelId: "a", userId: "u", content: `word ${n}` });
  const steps: unknown[] = [];
  for (let more = true; more;) {
    more = opened.write("index");
    steps.push([more, opened.counts.found_docsize]);
  }
  assertEquals(steps, [[true, 2_000], [true, 4_000], [false, 4_500]]);
});
