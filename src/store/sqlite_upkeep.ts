/**
 * Upkeep of the SQLite store, in steps of a few milliseconds.
 *
 * @module
 */

import type { SqliteConnection } from "./sqlite_connection.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./sqlite_history.ts";
import type { SqliteMessages } from "./sqlite_messages.ts";
import type { SqliteSearch } from "./sqlite_search.ts";
import type { Message } from "./store.ts";

/** Rows that one step removes at the most. */
const SWEEP_ROWS = 1_000;
/** Rows that one step of an erasure looks through, and deletes, at the most. */
const ERASE_ROWS = 10_000;
const ERASE_STUBS = 100;
const DAY_MS = 86_400_000;

/** What {@linkcode SqliteUpkeep} is made of. */
export interface SqliteUpkeepOptions {
  readonly connection: SqliteConnection;
  readonly messages: SqliteMessages;
  readonly search: SqliteSearch;
  readonly now: () => number;
}

/** Removes what has had its time; each step is called within a transaction. */
export class SqliteUpkeep {
  readonly #connection: SqliteConnection;
  readonly #messages: SqliteMessages;
  readonly #search: SqliteSearch;
  readonly #now: () => number;

  constructor({ connection, messages, search, now }: SqliteUpkeepOptions) {
    this.#connection = connection;
    this.#messages = messages;
    this.#search = search;
    this.#now = now;
  }

  /** One step of everything there is to do; returns whether there is more. */
  sweep(): boolean {
    const steps = [this.#sweepDeleted(), this.#sweepExpired(), this.#search.index()];
    return steps.includes(true);
  }

  /** Deletes messages of a user among the next rows after `after`. */
  erase(userId: string, after = "0"): { stubs: Message[]; next?: string } {
    const last = this.#connection.sql(
      "SELECT max(rowid) AS row FROM (SELECT rowid FROM messages WHERE rowid > ? ORDER BY rowid LIMIT ?)",
    )
      .get(Number(after), ERASE_ROWS)?.row;
    if (last === undefined || last === null) return { stubs: [] };
    const rows = this.#connection.sql(
      `SELECT ${MESSAGE}, c.id AS channelId FROM messages m JOIN channels c ON c.key = m.channel ${QUOTED} ` +
        "WHERE m.rowid > ? AND m.rowid <= ? AND m.user_id = ? AND m.deleted_at IS NULL ORDER BY m.rowid LIMIT ?",
    ).all(Number(after), Number(last), userId, ERASE_STUBS) as unknown as (MessageRow & { channelId: string })[];
    const stubs = rows.flatMap(({ channelId, id }) =>
      this.#messages.delete(channelId, [id]).map(({ message }) => message)
    );
    return { stubs, next: String(rows.length === ERASE_STUBS ? rows.at(-1)?.rowid : last) };
  }

  #sweepDeleted(): boolean {
    const doomed = this.#connection.sql("SELECT key FROM deleted_channels LIMIT 1").get();
    if (!doomed) return false;
    const key = Number(doomed.key);
    if (this.#removeOldest(key, Number.MAX_SAFE_INTEGER) === SWEEP_ROWS) return true;
    const { changes } = this.#connection.sql(
      "DELETE FROM read_states WHERE channel = ?1 AND user_id IN (SELECT user_id FROM read_states WHERE channel = ?1 LIMIT ?2)",
    ).run(key, SWEEP_ROWS);
    if (changes === SWEEP_ROWS) return true;
    this.#connection.sql("DELETE FROM deleted_channels WHERE key = ?").run(key);
    return this.#connection.sql("SELECT 1 FROM deleted_channels").get() !== undefined;
  }

  #sweepExpired(): boolean {
    const channels = this.#connection.sql(
      "SELECT key, retention_days AS days, retention_count AS count FROM channels " +
        "WHERE retention_days IS NOT NULL OR retention_count IS NOT NULL",
    ).all();
    return channels.map(({ key, days, count }) => {
      const before = Math.max(
        days === null ? 0 : this.#firstSince(Number(key), this.#now() - Number(days) * DAY_MS),
        count === null ? 0 : this.#firstOfNewest(Number(key), Number(count)),
      );
      return before > 0 && this.#removeOldest(Number(key), before) === SWEEP_ROWS;
    }).includes(true);
  }

  /** The `seq` before which messages are older than `time`, as far as one step goes; 0 where none is. */
  #firstSince(key: number, time: number): number {
    const row = this.#connection.sql(
      "SELECT max(seq) + 1 AS seq FROM (SELECT seq, created_at FROM messages WHERE channel = ? ORDER BY seq LIMIT ?) WHERE created_at < ?",
    ).get(key, SWEEP_ROWS, time);
    return Number(row?.seq ?? 0);
  }

  /** The `seq` of the oldest among the newest `count` messages; 0 where there are fewer. */
  #firstOfNewest(key: number, count: number): number {
    const row = this.#connection.sql("SELECT seq FROM messages WHERE channel = ? ORDER BY seq DESC LIMIT 1 OFFSET ?")
      .get(key, count - 1);
    return Number(row?.seq ?? 0);
  }

  /** Removes the oldest messages before `seq` for good; returns how many. */
  #removeOldest(key: number, seq: number): number {
    const rows = this.#connection.sql(
      "SELECT rowid, seq, version FROM messages WHERE channel = ? AND seq < ? ORDER BY seq LIMIT ?",
    )
      .all(key, seq, SWEEP_ROWS);
    if (rows.length === 0) return 0;
    for (const { rowid } of rows) {
      this.#search.remove(Number(rowid));
      this.#connection.sql("DELETE FROM messages WHERE rowid = ?").run(Number(rowid));
    }
    this.#connection.sql("DELETE FROM reactions WHERE channel = ? AND seq <= ?").run(key, Number(rows.at(-1)?.seq));
    this.#connection.sql("UPDATE channels SET purged_seq = max(purged_seq, ?) WHERE key = ?")
      .run(Math.max(...rows.map(({ version }) => Number(version))), key);
    this.#search.rewind();
    return rows.length;
  }
}
