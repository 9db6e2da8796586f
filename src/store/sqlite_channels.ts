/**
 * Channels in SQLite, and the counter of each.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { attempt, type SqliteConnection } from "./sqlite_connection.ts";
import type { Channel, ChannelDraft, ChannelPatch } from "./store.ts";

/** A row of `channels`. */
export interface ChannelRow extends Omit<Channel, "retentionDays" | "retentionCount"> {
  /** What its messages hang on. */
  readonly key: number;
  readonly lastMessageId: string | null;
  readonly retentionDays: number | null;
  readonly retentionCount: number | null;
  readonly purgedSeq: number;
}

const COLUMNS =
  "key, id, name, description, created_at AS createdAt, updated_at AS updatedAt, head_seq AS headSeq, epoch, " +
  "last_message_id AS lastMessageId, retention_days AS retentionDays, retention_count AS retentionCount, purged_seq AS purgedSeq";

/** The statements about channels; those that write are called within a transaction. */
export class SqliteChannels {
  readonly #connection: SqliteConnection;
  readonly #now: () => number;

  constructor(connection: SqliteConnection, now: () => number) {
    this.#connection = connection;
    this.#now = now;
  }

  create(draft: ChannelDraft): Channel {
    const { id, name, description, retentionDays = null, retentionCount = null } = draft;
    const now = this.#now();
    const { changes } = this.#connection.sql(
      "INSERT OR IGNORE INTO channels (id, name, description, created_at, updated_at, epoch, retention_days, retention_count) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ).run(id, name, description, now, now, crypto.randomUUID(), retentionDays, retentionCount);
    if (changes === 0) throw new ChatError("conflict", "There is a channel with this id.");
    return this.get(id);
  }

  update(id: string, patch: ChannelPatch): Channel {
    const row = this.row(id);
    const { name, description, retentionDays, retentionCount } = { ...row, ...patch };
    this.#connection.sql(
      "UPDATE channels SET name = ?, description = ?, retention_days = ?, retention_count = ?, updated_at = max(updated_at, ?) " +
        "WHERE key = ?",
    ).run(name, description, retentionDays, retentionCount, this.#now(), row.key);
    return this.get(id);
  }

  delete(id: string): Channel {
    const row = this.row(id);
    this.#connection.sql("DELETE FROM channels WHERE key = ?").run(row.key);
    this.#connection.sql("INSERT INTO deleted_channels (key) VALUES (?)").run(row.key);
    return toChannel(row);
  }

  list({ limit, after = "" }: { limit: number; after?: string }): { rows: ChannelRow[]; hasMore: boolean } {
    const sql = `SELECT ${COLUMNS} FROM channels WHERE id > ? ORDER BY id LIMIT ?`;
    const rows = attempt(() => this.#connection.sql(sql).all(after, limit + 1)) as unknown as ChannelRow[];
    return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  get(id: string): Channel {
    return toChannel(this.row(id));
  }

  row(id: string): ChannelRow {
    const row = attempt(() => this.#connection.sql(`SELECT ${COLUMNS} FROM channels WHERE id = ?`).get(id));
    if (!row) throw new ChatError("not_found", "There is no such channel.");
    return row as unknown as ChannelRow;
  }

  /** Moves the counter to `seq`, for a change that has taken it. */
  advance(key: number, seq: number): void {
    this.#connection.sql("UPDATE channels SET head_seq = ? WHERE key = ?").run(seq, key);
  }
}

/** What is told of a channel. */
export function toChannel(row: ChannelRow): Channel {
  const { key: _, lastMessageId: __, purgedSeq: ___, retentionDays, retentionCount, ...channel } = row;
  return {
    ...channel,
    ...(retentionDays === null ? {} : { retentionDays }),
    ...(retentionCount === null ? {} : { retentionCount }),
  };
}
