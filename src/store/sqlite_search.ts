/**
 * Full-text search in SQLite (FTS5).
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { attempt, type SqliteConnection } from "./sqlite_connection.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./sqlite_history.ts";
import type { Message, SearchQuery } from "./store.ts";
import { toMessage } from "./stored_message.ts";

/** Rows that one step puts into the index: some ten milliseconds. */
const INDEX_ROWS = 2_000;
/** Rows that one step of a search looks through. */
const SEARCH_ROWS = 100_000;

/** A part of the messages that was searched, from the newest on. */
export interface SearchStep {
  readonly found: readonly { readonly row: number; readonly message: Message }[];
  /** Where the next step begins; absent where everything was looked through. */
  readonly next?: number;
}

/**
 * The index of words. A message goes in some time after it was sent, with many others: alone it would cost more than storing it does. What
 * changes a message that is in goes in at once.
 */
export class SqliteSearch {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** Puts the next messages in, within a transaction; returns whether there are more. */
  index(): boolean {
    const last = this.#last();
    const rows = this.#connection.sql(
      "SELECT rowid, channel, content, deleted_at AS deletedAt FROM messages WHERE rowid > ? ORDER BY rowid LIMIT ?",
    ).all(last, INDEX_ROWS);
    for (const { rowid, channel, content, deletedAt } of rows) {
      if (deletedAt === null) this.#put(Number(rowid), Number(channel), String(content));
    }
    const reached = rows.at(-1)?.rowid;
    if (reached !== undefined) this.#connection.sql("UPDATE searched SET last = ?").run(reached);
    return rows.length === INDEX_ROWS;
  }

  /** Whether {@linkcode index} has something to do. */
  get isBehind(): boolean {
    return attempt(() => this.#connection.sql("SELECT 1 FROM messages WHERE rowid > ?").get(this.#last())) !==
      undefined;
  }

  /** Takes in that a message has another text, within a transaction. */
  replace(rowid: number, channel: number, content: string): void {
    if (rowid <= this.#last()) this.#put(rowid, channel, content);
  }

  /** Forgets a message, within a transaction. */
  remove(rowid: number): void {
    if (rowid <= this.#last()) this.#connection.sql("DELETE FROM found WHERE rowid = ?").run(rowid);
  }

  /** Makes sure, after rows were removed for good, that rows which get their numbers again are indexed; within a transaction. */
  rewind(): void {
    this.#connection.sql("UPDATE searched SET last = min(last, (SELECT ifnull(max(rowid), 0) FROM messages))").run();
  }

  /** Searches the newest part of what is older than row `before`. */
  step({ terms, channelId, limit }: Omit<SearchQuery, "before">, before: number): SearchStep {
    return attempt(() => {
      const newest = Math.min(
        before - 1,
        Number(this.#connection.sql("SELECT max(rowid) AS row FROM messages").get()?.row ?? 0),
      );
      const oldest = Math.max(0, newest - SEARCH_ROWS);
      const match = this.#match({ terms, ...(channelId === undefined ? {} : { channelId }) });
      const rows = this.#connection.sql(
        `SELECT ${MESSAGE}, c.id AS channelId FROM found f JOIN messages m ON m.rowid = f.rowid JOIN channels c ON c.key = m.channel ` +
          `${QUOTED} WHERE found MATCH ? AND f.rowid > ? AND f.rowid <= ? ORDER BY f.rowid DESC LIMIT ?`,
      ).all(match, oldest, newest, limit) as unknown as (MessageRow & { channelId: string })[];
      const found = rows.map((row) => ({ row: row.rowid, message: toMessage(row.channelId, row) }));
      const next = rows.length === limit ? rows.at(-1)?.rowid : oldest + 1;
      return next === undefined || next <= 1 ? { found } : { found, next };
    });
  }

  #match({ terms, channelId }: Pick<SearchQuery, "terms" | "channelId">): string {
    const words = terms.map(({ text, prefix }) => `"${text.replaceAll('"', " ")}"${prefix ? "*" : ""}`).join(" AND ");
    const content = `content : (${words})`;
    if (channelId === undefined) return content;
    const key = this.#connection.sql("SELECT key FROM channels WHERE id = ?").get(channelId)?.key;
    if (key === undefined) throw new ChatError("not_found", "There is no such channel.");
    return `channel : "c${key}" AND ${content}`;
  }

  #put(rowid: number, channel: number, content: string): void {
    this.#connection.sql("INSERT OR REPLACE INTO found (rowid, channel, content) VALUES (?, ?, ?)")
      .run(rowid, `c${channel}`, content);
  }

  #last(): number {
    return Number(this.#connection.sql("SELECT last FROM searched").get()?.last);
  }
}
