/**
 * Messages in SQLite, read: pages, changes, pins, and single ones.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { ChannelRow, SqliteChannels } from "./sqlite_channels.ts";
import { attempt, type SqliteConnection } from "./sqlite_connection.ts";
import type { History, HistoryQuery, Message } from "./store.ts";
import { QUOTE_LENGTH, type StoredMessage, toMessage } from "./stored_message.ts";

/** A row of `messages` with the one that it answers. */
export interface MessageRow extends StoredMessage {
  readonly rowid: number;
}

/** What {@linkcode toMessage} needs of a message `m`, and the message that it answers. */
export const MESSAGE =
  "m.rowid, m.id, m.user_id AS userId, m.content, m.created_at AS createdAt, m.seq, m.version, m.nonce, " +
  "m.reply_to AS replyTo, m.metadata, m.mentions, m.reactions, m.edited_at AS editedAt, m.pinned_at AS pinnedAt, " +
  `m.deleted_at AS deletedAt, m.sent, q.user_id AS quotedUser, substr(q.content, 1, ${QUOTE_LENGTH}) AS quoted`;
/** Joins what a message `m` answers: as it is now, so that a deleted one is quoted nowhere. */
export const QUOTED = "LEFT JOIN messages q ON q.channel = m.channel AND q.seq = m.reply_seq AND q.deleted_at IS NULL";

interface Rows {
  readonly rows: MessageRow[];
  readonly hasMore: boolean;
}

/** The reads of one channel's messages; each is one snapshot, whatever is committed meanwhile. */
export class SqliteHistory {
  readonly #connection: SqliteConnection;
  readonly #channels: SqliteChannels;

  constructor(connection: SqliteConnection, channels: SqliteChannels) {
    this.#connection = connection;
    this.#channels = channels;
  }

  get(channelId: string, id: string): Message {
    const row = this.row(this.#channels.row(channelId), id);
    if (!row) throw new ChatError("not_found", "There is no such message in this channel.");
    return toMessage(channelId, row);
  }

  page(channelId: string, query: HistoryQuery): History {
    return this.#snapshot(channelId, (channel) => this.#page(channel, query));
  }

  changes(channelId: string, { after, limit }: { after: number; limit: number }): History {
    return this.#snapshot(channelId, ({ key }) => {
      return pageOf(this.#messages("m.version > ? ORDER BY m.version LIMIT ?", key, after, limit + 1), limit);
    });
  }

  pins(channelId: string, { limit, before }: { limit: number; before?: string }): History {
    return this.#snapshot(channelId, (channel) => {
      const from = before === undefined ? undefined : this.row(channel, before);
      if (before !== undefined && (from?.pinnedAt ?? null) === null) {
        throw new ChatError("invalid", "before is no pinned message of this channel.");
      }
      const rows = this.#messages(
        "m.pinned_at IS NOT NULL AND (m.pinned_at, m.seq) < (?, ?) ORDER BY m.pinned_at DESC, m.seq DESC LIMIT ?",
        channel.key,
        from?.pinnedAt ?? Number.MAX_SAFE_INTEGER,
        from?.seq ?? 0,
        limit + 1,
      );
      return pageOf(rows, limit);
    });
  }

  /** The message of an id, where there is one. */
  row({ key, headSeq }: ChannelRow, id: string): MessageRow | undefined {
    const [row] = this.#newer(key, this.#position(key, headSeq, id), 1); // at or after: the place is not always that of a message
    return row?.id === id ? row : undefined;
  }

  /** The message that took a `seq` when it was sent. */
  at(key: number, seq: number): MessageRow | undefined {
    return this.#messages("m.seq = ?", key, seq)[0];
  }

  byNonce(key: number, userId: string, nonce: string): MessageRow | undefined {
    return this.#messages("m.user_id = ? AND m.nonce = ?", key, userId, nonce)[0];
  }

  #snapshot(channelId: string, read: (channel: ChannelRow) => Rows): History {
    attempt(() => this.#connection.run("BEGIN"));
    try {
      const channel = this.#channels.row(channelId);
      const { rows, hasMore } = read(channel);
      const { headSeq, epoch, purgedSeq } = channel;
      return { messages: rows.map((row) => toMessage(channelId, row)), hasMore, headSeq, epoch, purgedSeq };
    } finally {
      this.#connection.rollback();
    }
  }

  #page({ key, headSeq }: ChannelRow, { limit, before, after, around }: HistoryQuery): Rows {
    if (around !== undefined) return this.#pageAround(key, this.#position(key, headSeq, around), limit);
    if (after !== undefined) {
      const from = this.#position(key, headSeq, after);
      return pageOf(this.#newer(key, from, limit + 2).filter(({ id }) => id !== after), limit);
    }
    const to = before === undefined ? headSeq + 1 : this.#position(key, headSeq, before);
    const { rows, hasMore } = pageOf(this.#older(key, to, limit + 1), limit);
    return { rows: rows.reverse(), hasMore };
  }

  #pageAround(key: number, seq: number, limit: number): Rows {
    const older = this.#older(key, seq, limit + 1);
    const newer = this.#newer(key, seq, limit + 1);
    const half = Math.floor(limit / 2);
    const take = Math.min(older.length, Math.max(half, limit - newer.length));
    const rows = [...older.slice(0, take).reverse(), ...newer.slice(0, limit - take)];
    return { rows, hasMore: rows.length < older.length + newer.length };
  }

  /** The messages before `seq`, newest first. */
  #older(key: number, seq: number, limit: number): MessageRow[] {
    return this.#messages("m.seq < ? ORDER BY m.seq DESC LIMIT ?", key, seq, limit);
  }

  /** The messages from `seq` on, oldest first. */
  #newer(key: number, seq: number, limit: number): MessageRow[] {
    return this.#messages("m.seq >= ? ORDER BY m.seq LIMIT ?", key, seq, limit);
  }

  /** The lowest `seq` from which on all messages have this id or a later one: a binary search, because ids rise with `seq`. */
  #position(key: number, headSeq: number, id: string): number {
    const next = this.#connection.sql(
      "SELECT seq, id FROM messages WHERE channel = ? AND seq >= ? ORDER BY seq LIMIT 1",
    );
    let low = 1;
    let high = headSeq + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = attempt(() => next.get(key, middle));
      if (row === undefined || String(row.id) >= id) high = middle;
      else low = Number(row.seq) + 1;
    }
    return low;
  }

  #messages(condition: string, key: number, ...values: (string | number)[]): MessageRow[] {
    const sql = `SELECT ${MESSAGE} FROM messages m ${QUOTED} WHERE m.channel = ? AND ${condition}`;
    return attempt(() => this.#connection.sql(sql).all(key, ...values)) as unknown as MessageRow[];
  }
}

function pageOf(rows: MessageRow[], limit: number): Rows {
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
}
