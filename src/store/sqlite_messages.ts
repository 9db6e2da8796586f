/**
 * Messages in SQLite: how one comes to be and changes, each change with its number.
 *
 * @module
 */

import { decodeTime } from "@std/ulid";
import { ChatError } from "../errors.ts";
import { nextUlid } from "./next_ulid.ts";
import type { ChannelRow, SqliteChannels } from "./sqlite_channels.ts";
import type { SqliteConnection } from "./sqlite_connection.ts";
import type { MessageRow, SqliteHistory } from "./sqlite_history.ts";
import type { SqliteSearch } from "./sqlite_search.ts";
import {
  type Appended,
  type Changed,
  MAX_PINS,
  MAX_REACTIONS,
  type MessageDraft,
  type MessagePatch,
  type Reacted,
  type Reaction,
  type ReactionRequest,
  SHOWN_REACTORS,
} from "./store.ts";
import { digest, isAsSent, toJson, toMessage, withoutReactor, withReactor } from "./stored_message.ts";

/** What {@linkcode SqliteMessages} is made of. */
export interface SqliteMessagesOptions {
  readonly connection: SqliteConnection;
  readonly channels: SqliteChannels;
  readonly history: SqliteHistory;
  readonly search: SqliteSearch;
  readonly now: () => number;
}

/** The writes; each is called within a transaction. */
export class SqliteMessages {
  readonly #connection: SqliteConnection;
  readonly #channels: SqliteChannels;
  readonly #history: SqliteHistory;
  readonly #search: SqliteSearch;
  readonly #now: () => number;

  constructor({ connection, channels, history, search, now }: SqliteMessagesOptions) {
    this.#connection = connection;
    this.#channels = channels;
    this.#history = history;
    this.#search = search;
    this.#now = now;
  }

  append(draft: MessageDraft): Appended {
    const { channelId, userId, content, nonce, replyTo, metadata, mentions = [] } = draft;
    const channel = this.#channels.row(channelId);
    const earlier = nonce === undefined ? undefined : this.#history.byNonce(channel.key, userId, nonce);
    if (earlier) {
      if (!isAsSent(earlier, draft)) throw new ChatError("conflict", "This nonce was used for another message.");
      return { message: toMessage(channelId, earlier), created: false };
    }
    const replySeq = replyTo === undefined ? null : this.#replySeq(channel, replyTo);
    const id = nextUlid(channel.lastMessageId ?? undefined, this.#now());
    const seq = channel.headSeq + 1;
    this.#connection.sql(
      "INSERT INTO messages (channel, id, seq, version, user_id, content, created_at, nonce, reply_to, reply_seq, metadata, mentions) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ).run(
      channel.key,
      id,
      seq,
      seq,
      userId,
      content,
      decodeTime(id),
      nonce ?? null,
      replyTo ?? null,
      replySeq,
      metadata === undefined ? null : JSON.stringify(metadata),
      mentions.length === 0 ? null : JSON.stringify(mentions),
    );
    this.#connection.sql("UPDATE channels SET head_seq = ?, last_message_id = ? WHERE key = ?").run(
      seq,
      id,
      channel.key,
    );
    if (replySeq !== null) return { message: this.#read(channel, seq), created: true };
    const message = {
      id,
      channelId,
      userId,
      content,
      createdAt: decodeTime(id),
      seq,
      version: seq,
      ...(nonce === undefined ? {} : { nonce }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(mentions.length === 0 ? {} : { mentions }),
    };
    return { message, created: true };
  }

  edit(channelId: string, id: string, patch: MessagePatch): Changed {
    const channel = this.#channels.row(channelId);
    const row = this.#present(channel, id);
    const content = patch.content ?? row.content;
    const mentions = patch.mentions === undefined ? row.mentions : toJson(patch.mentions);
    const metadata = patch.metadata === undefined ? row.metadata : toJson(patch.metadata);
    if (content === row.content && metadata === row.metadata) {
      return { message: toMessage(channelId, row), changed: false };
    }
    const sent = row.sent ?? (row.nonce === null ? null : digest(row));
    const seq = this.#advance(channel);
    this.#connection.sql(
      "UPDATE messages SET version = ?, content = ?, mentions = ?, metadata = ?, edited_at = ?, sent = ? WHERE rowid = ?",
    ).run(seq, content, mentions, metadata, this.#now(), sent, row.rowid);
    if (content !== row.content) this.#search.replace(row.rowid, channel.key, content);
    return { message: this.#read(channel, row.seq), changed: true };
  }

  delete(channelId: string, ids: readonly string[]): Changed[] {
    const channel = { ...this.#channels.row(channelId) };
    return ids.flatMap((id) => {
      const row = this.#history.row(channel, id);
      if (!row) return [];
      if (row.deletedAt !== null) return { message: toMessage(channelId, row), changed: false };
      const seq = this.#advance(channel);
      channel.headSeq = seq;
      this.#connection.sql(
        "UPDATE messages SET version = ?, content = '', reply_to = NULL, reply_seq = NULL, metadata = NULL, mentions = NULL, " +
          "reactions = NULL, edited_at = NULL, pinned_at = NULL, deleted_at = ?, sent = '' WHERE rowid = ?",
      ).run(seq, this.#now(), row.rowid);
      this.#connection.sql("DELETE FROM reactions WHERE channel = ? AND seq = ?").run(channel.key, row.seq);
      this.#search.remove(row.rowid);
      return { message: this.#read(channel, row.seq), changed: true };
    });
  }

  react(channelId: string, id: string, requests: readonly ReactionRequest[]): Reacted {
    const channel = this.#channels.row(channelId);
    const row = this.#present(channel, id);
    let reactions: readonly Reaction[] = row.reactions === null ? [] : JSON.parse(row.reactions);
    let changed = false;
    const refused = requests.map(({ emoji, userId, on }) => {
      const known = reactions.some((reaction) => reaction.emoji === emoji);
      if (on && !known && reactions.length >= MAX_REACTIONS) return true;
      const { changes } = this.#connection.sql(
        on
          ? "INSERT OR IGNORE INTO reactions (channel, seq, emoji, user_id) VALUES (?, ?, ?, ?)"
          : "DELETE FROM reactions WHERE channel = ? AND seq = ? AND emoji = ? AND user_id = ?",
      ).run(channel.key, row.seq, emoji, userId);
      if (changes === 0) return false;
      changed = true;
      reactions = on
        ? withReactor(reactions, emoji, userId)
        : withoutReactor(reactions, emoji, userId, () =>
          this.reactors(channel.key, row.seq, { emoji, limit: SHOWN_REACTORS }));
      return false;
    });
    if (!changed) return { message: toMessage(channelId, row), changed, refused };
    const seq = this.#advance(channel);
    this.#connection.sql("UPDATE messages SET version = ?, reactions = ? WHERE rowid = ?")
      .run(seq, reactions.length === 0 ? null : JSON.stringify(reactions), row.rowid);
    return { message: this.#read(channel, row.seq), changed, refused };
  }

  /** Those who reacted with an emoji, by id. */
  reactors(
    key: number,
    seq: number,
    { emoji, limit, after = "" }: { emoji: string; limit: number; after?: string },
  ): string[] {
    const sql = "SELECT user_id AS userId FROM reactions " +
      "WHERE channel = ? AND seq = ? AND emoji = ? AND user_id > ? ORDER BY user_id LIMIT ?";
    return this.#connection.sql(sql).all(key, seq, emoji, after, limit).map(({ userId }) => String(userId));
  }

  pin(channelId: string, id: string, pinned: boolean): Changed {
    const channel = this.#channels.row(channelId);
    const row = this.#present(channel, id);
    if ((row.pinnedAt !== null) === pinned) return { message: toMessage(channelId, row), changed: false };
    if (pinned && this.#pinCount(channel.key) >= MAX_PINS) {
      throw new ChatError("conflict", `This channel has ${MAX_PINS} pinned messages; unpin one first.`);
    }
    const seq = this.#advance(channel);
    this.#connection.sql("UPDATE messages SET version = ?, pinned_at = ? WHERE rowid = ?")
      .run(seq, pinned ? Math.max(this.#now(), this.#lastPinnedAt(channel.key) + 1) : null, row.rowid);
    return { message: this.#read(channel, row.seq), changed: true };
  }

  #pinCount(key: number): number {
    const sql = "SELECT count(*) AS count FROM messages WHERE channel = ? AND pinned_at IS NOT NULL";
    return Number(this.#connection.sql(sql).get(key)?.count);
  }

  /** A pin is later than the one before it, whatever the clock says. */
  #lastPinnedAt(key: number): number {
    const sql = "SELECT max(pinned_at) AS at FROM messages WHERE channel = ? AND pinned_at IS NOT NULL";
    return Number(this.#connection.sql(sql).get(key)?.at ?? 0);
  }

  #replySeq(channel: ChannelRow, id: string): number {
    const row = this.#history.row(channel, id);
    if (row && row.deletedAt === null) return row.seq;
    throw new ChatError("invalid", "reply_to is no message of this channel, or one that was deleted.");
  }

  #present(channel: ChannelRow, id: string): MessageRow {
    const row = this.#history.row(channel, id);
    if (row && row.deletedAt === null) return row;
    throw new ChatError("not_found", "There is no such message in this channel, or it was deleted.");
  }

  #read(channel: ChannelRow, seq: number) {
    const row = this.#history.at(channel.key, seq);
    if (!row) throw new Error("the message that was just written is not there");
    return toMessage(channel.id, row);
  }

  #advance({ key, headSeq }: ChannelRow): number {
    this.#channels.advance(key, headSeq + 1);
    return headSeq + 1;
  }
}
