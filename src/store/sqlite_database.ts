/**
 * The rules of the SQLite store as SQL statements, on one connection, synchronous.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { decodeTime } from "@std/ulid";
import { ChatError } from "../errors.ts";
import { nextUlid } from "./next_ulid.ts";
import { attempt, SqliteConnection, type SqliteOptions } from "./sqlite_connection.ts";
import type {
  Appended,
  Channel,
  ChannelDraft,
  ChannelPatch,
  History,
  HistoryQuery,
  Message,
  MessageDraft,
} from "./store.ts";

/** The writes, each an operation that {@linkcode SqliteDatabase.write} runs in a transaction. */
export interface SqliteWrites {
  createChannel(draft: ChannelDraft): Channel;
  updateChannel(id: string, patch: ChannelPatch): Channel;
  deleteChannel(id: string): Channel;
  append(draft: MessageDraft): Appended;
  sweep(): boolean;
  ping(): void;
}

/** A write as data, so that it can cross to another thread. */
export type WriteOperation = {
  [Name in keyof SqliteWrites]: { readonly name: Name; readonly args: Parameters<SqliteWrites[Name]> };
}[keyof SqliteWrites];

/** What became of one operation: its value, or the error its caller gets. */
export type WriteResult = { readonly value: unknown } | { readonly error: ChatError };

/** Rows that one sweep removes at the most: a few milliseconds of work. */
const SWEEP_ROWS = 1_000;

const CHANNEL = "id, name, description, created_at AS createdAt, updated_at AS updatedAt, head_seq AS headSeq, epoch";
const MESSAGE = "id, user_id AS userId, content, created_at AS createdAt, seq, version, nonce";

type ChannelRow = { key: number; lastMessageId: string | null } & Channel;
type MessageRow = Omit<Message, "channelId" | "nonce"> & { nonce: string | null };

/** Channels and messages in a database. Everything it throws is a {@linkcode ChatError}; what SQLite said is the `cause`. */
export class SqliteDatabase implements SqliteWrites, Disposable {
  readonly #connection: SqliteConnection;
  readonly #now: () => number;

  /** Opens or creates the file; see {@linkcode SqliteConnection}. */
  constructor(options: SqliteOptions, now: () => number = Date.now) {
    this.#connection = new SqliteConnection(options);
    this.#now = now;
  }

  /**
   * Runs operations in order in one transaction.
   *
   * An operation that is refused (`not_found`, `conflict`, …) leaves the others as they are; where the storage fails all of them get that error
   * and none has happened.
   */
  write(operations: readonly WriteOperation[]): WriteResult[] {
    try {
      return attempt(() => {
        this.#connection.run("BEGIN IMMEDIATE");
        const results = operations.map((operation) => this.#perform(operation));
        this.#connection.run("COMMIT");
        return results;
      });
    } catch (error) {
      this.#connection.rollback();
      return operations.map(() => ({ error: error as ChatError }));
    }
  }

  #perform({ name, args }: WriteOperation): WriteResult {
    try {
      return { value: (this[name] as (...args: unknown[]) => unknown)(...args) };
    } catch (error) {
      if (error instanceof ChatError) return { error };
      throw error;
    }
  }

  createChannel({ id, name, description }: ChannelDraft): Channel {
    const now = this.#now();
    const epoch = crypto.randomUUID();
    const { changes } = this.#sql(
      "INSERT OR IGNORE INTO channels (id, name, description, created_at, updated_at, epoch) VALUES (?, ?, ?, ?, ?, ?)",
    ).run(id, name, description, now, now, epoch);
    if (changes === 0) throw new ChatError("conflict", "There is a channel with this id.");
    return { id, name, description, createdAt: now, updatedAt: now, headSeq: 0, epoch };
  }

  updateChannel(id: string, patch: ChannelPatch): Channel {
    this.#sql(
      "UPDATE channels SET name = ifnull(?, name), description = ifnull(?, description), " +
        "updated_at = max(updated_at, ?) WHERE id = ?",
    )
      .run(patch.name ?? null, patch.description ?? null, this.#now(), id);
    return this.getChannel(id);
  }

  deleteChannel(id: string): Channel {
    const { key, lastMessageId: _, ...channel } = this.#channel(id);
    this.#sql("DELETE FROM channels WHERE key = ?").run(key);
    this.#sql("INSERT INTO deleted_channels (key) VALUES (?)").run(key);
    return channel;
  }

  append({ channelId, userId, content, nonce }: MessageDraft): Appended {
    const { key, headSeq, lastMessageId } = this.#channel(channelId);
    const earlier = nonce === undefined ? undefined : this.#byNonce(key, userId, nonce);
    if (earlier) {
      if (earlier.content !== content) throw new ChatError("conflict", "This nonce was used for another message.");
      return { message: toMessage(channelId, earlier), created: false };
    }
    const id = nextUlid(lastMessageId ?? undefined, this.#now());
    const createdAt = decodeTime(id);
    const seq = headSeq + 1;
    this.#sql(
      "INSERT INTO messages (channel, id, seq, version, user_id, content, created_at, nonce) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ).run(key, id, seq, seq, userId, content, createdAt, nonce ?? null);
    this.#sql("UPDATE channels SET head_seq = ?, last_message_id = ? WHERE key = ?").run(seq, id, key);
    const message = {
      id,
      channelId,
      userId,
      content,
      createdAt,
      seq,
      version: seq,
      ...(nonce === undefined ? {} : { nonce }),
    };
    return { message, created: true };
  }

  sweep(): boolean {
    const doomed = this.#sql("SELECT key FROM deleted_channels LIMIT 1").get();
    if (!doomed) return false;
    const key = Number(doomed.key);
    const { changes } = this.#sql(
      "DELETE FROM messages WHERE rowid IN (SELECT rowid FROM messages WHERE channel = ? LIMIT ?)",
    ).run(key, SWEEP_ROWS);
    if (changes === SWEEP_ROWS) return true;
    this.#sql("DELETE FROM deleted_channels WHERE key = ?").run(key);
    return this.#sql("SELECT 1 FROM deleted_channels").get() !== undefined;
  }

  ping(): void {
    this.#sql("INSERT OR REPLACE INTO pings (id, at) VALUES (1, ?)").run(this.#now());
  }

  listChannels({ limit, after = "" }: { limit: number; after?: string }): { channels: Channel[]; hasMore: boolean } {
    const rows = attempt(() =>
      this.#sql(`SELECT ${CHANNEL} FROM channels WHERE id > ? ORDER BY id LIMIT ?`).all(after, limit + 1)
    );
    return {
      channels: rows.slice(0, limit).map((row) => ({ ...row }) as unknown as Channel),
      hasMore: rows.length > limit,
    };
  }

  getChannel(id: string): Channel {
    const { key: _, lastMessageId: __, ...channel } = this.#channel(id);
    return channel;
  }

  getMessage(channelId: string, id: string): Message {
    const { key, headSeq } = this.#channel(channelId);
    const [row] = this.#messages("seq = ?", key, this.#position(key, headSeq, id));
    if (row?.id !== id) throw new ChatError("not_found", "There is no such message in this channel.");
    return toMessage(channelId, row);
  }

  history(channelId: string, query: HistoryQuery): History {
    return this.#snapshot(channelId, (key, headSeq) => this.#page(key, headSeq, query));
  }

  changes(channelId: string, { after, limit }: { after: number; limit: number }): History {
    return this.#snapshot(channelId, (key) => {
      const rows = this.#messages("seq > ? ORDER BY seq LIMIT ?", key, after, limit + 1);
      return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
    });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  /** Reads rows of a channel and its head at one moment, whatever is committed meanwhile. */
  #snapshot(
    channelId: string,
    read: (key: number, headSeq: number) => { rows: MessageRow[]; hasMore: boolean },
  ): History {
    attempt(() => this.#connection.run("BEGIN"));
    try {
      const { key, headSeq, epoch } = this.#channel(channelId);
      const { rows, hasMore } = read(key, headSeq);
      return { messages: rows.map((row) => toMessage(channelId, row)), hasMore, headSeq, epoch };
    } finally {
      this.#connection.rollback();
    }
  }

  #page(key: number, headSeq: number, query: HistoryQuery): { rows: MessageRow[]; hasMore: boolean } {
    const { limit, before, after, around } = query;
    if (around !== undefined) return this.#pageAround(key, this.#position(key, headSeq, around), limit);
    if (after !== undefined) {
      const from = this.#position(key, headSeq, after);
      const rows = this.#newer(key, from, limit + 2).filter(({ id }) => id !== after);
      return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
    }
    const to = before === undefined ? headSeq + 1 : this.#position(key, headSeq, before);
    const rows = this.#older(key, to, limit + 1);
    return { rows: rows.slice(0, limit).reverse(), hasMore: rows.length > limit };
  }

  #pageAround(key: number, seq: number, limit: number): { rows: MessageRow[]; hasMore: boolean } {
    const older = this.#older(key, seq, limit + 1);
    const newer = this.#newer(key, seq, limit + 1);
    const half = Math.floor(limit / 2);
    const take = Math.min(older.length, Math.max(half, limit - newer.length));
    const rows = [...older.slice(0, take).reverse(), ...newer.slice(0, limit - take)];
    return { rows, hasMore: rows.length < older.length + newer.length };
  }

  /** The messages before `seq`, newest first. */
  #older(key: number, seq: number, limit: number): MessageRow[] {
    return this.#messages("seq < ? ORDER BY seq DESC LIMIT ?", key, seq, limit);
  }

  /** The messages from `seq` on, oldest first. */
  #newer(key: number, seq: number, limit: number): MessageRow[] {
    return this.#messages("seq >= ? ORDER BY seq LIMIT ?", key, seq, limit);
  }

  /** The lowest `seq` from which on all messages have this id or a later one: a binary search, because ids rise with `seq`. */
  #position(key: number, headSeq: number, id: string): number {
    let low = 1;
    let high = headSeq + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [row] = this.#newer(key, middle, 1);
      if (row === undefined || row.id >= id) high = middle;
      else low = row.seq + 1;
    }
    return low;
  }

  #channel(id: string): ChannelRow {
    const row = attempt(() =>
      this.#sql(`SELECT key, last_message_id AS lastMessageId, ${CHANNEL} FROM channels WHERE id = ?`).get(id)
    );
    if (!row) throw new ChatError("not_found", "There is no such channel.");
    return row as unknown as ChannelRow;
  }

  #messages(condition: string, key: number, ...values: (string | number)[]): MessageRow[] {
    const sql = `SELECT ${MESSAGE} FROM messages WHERE channel = ? AND ${condition}`;
    return attempt(() => this.#sql(sql).all(key, ...values)) as unknown as MessageRow[];
  }

  #byNonce(key: number, userId: string, nonce: string): MessageRow | undefined {
    return this.#messages("user_id = ? AND nonce = ?", key, userId, nonce)[0];
  }

  #sql(text: string): StatementSync {
    return this.#connection.sql(text);
  }
}

function toMessage(channelId: string, { nonce, ...row }: MessageRow): Message {
  return { ...row, channelId, ...(nonce === null ? {} : { nonce }) };
}
