/**
 * What users have read, in SQLite.
 *
 * @module
 */

import type { ChannelRow, SqliteChannels } from "./sqlite_channels.ts";
import { attempt, type SqliteConnection } from "./sqlite_connection.ts";
import { MAX_UNREAD, type ReadState } from "./store.ts";

/** Read states; how much is unread is counted when it is asked for, so that no counter can be wrong. */
export class SqliteReads {
  readonly #connection: SqliteConnection;
  readonly #channels: SqliteChannels;

  constructor(connection: SqliteConnection, channels: SqliteChannels) {
    this.#connection = connection;
    this.#channels = channels;
  }

  /** Within a transaction. */
  mark(channelId: string, userId: string, seq: number): ReadState {
    const channel = this.#channels.row(channelId);
    this.#connection.sql(
      "INSERT INTO read_states (channel, user_id, last_read_seq) VALUES (?, ?, ?) " +
        "ON CONFLICT (channel, user_id) DO UPDATE SET last_read_seq = max(last_read_seq, excluded.last_read_seq)",
    ).run(channel.key, userId, Math.min(seq, channel.headSeq));
    return this.#state(channel, userId);
  }

  list(userId: string, query: { limit: number; after?: string }): { states: ReadState[]; hasMore: boolean } {
    attempt(() => this.#connection.run("BEGIN"));
    try {
      const { rows, hasMore } = this.#channels.list(query);
      return { states: rows.map((channel) => this.#state(channel, userId)), hasMore };
    } finally {
      this.#connection.rollback();
    }
  }

  #state({ key, id, headSeq }: ChannelRow, userId: string): ReadState {
    return attempt(() => {
      const row = this.#connection.sql("SELECT last_read_seq AS seq FROM read_states WHERE channel = ? AND user_id = ?")
        .get(key, userId);
      const lastReadSeq = Number(row?.seq ?? 0);
      const { unread, mentions } = lastReadSeq < headSeq ? this.#count(key, userId, lastReadSeq) : NOTHING;
      return { channelId: id, headSeq, lastReadSeq, unread, mentions };
    });
  }

  #count(key: number, userId: string, after: number): { unread: number; mentions: number } {
    const row = this.#connection.sql(
      "SELECT count(*) AS unread, count(*) FILTER (WHERE instr(mentions, ?1) > 0 AND " +
        // The JSON of one name can stand in that of others too: between two of them, or behind an escaped quote.
        "EXISTS (SELECT 1 FROM json_each(mentions) WHERE value = ?2)) AS mentions FROM (" +
        "SELECT user_id, deleted_at, mentions FROM messages WHERE channel = ?3 AND seq > ?4 ORDER BY seq LIMIT ?5" +
        ") WHERE user_id <> ?2 AND deleted_at IS NULL",
    ).get(JSON.stringify(userId), userId, key, after, MAX_UNREAD);
    return { unread: Number(row?.unread), mentions: Number(row?.mentions) };
  }
}

const NOTHING = { unread: 0, mentions: 0 };
