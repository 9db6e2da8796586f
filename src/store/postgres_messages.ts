/**
 * Messages in Postgres: how one changes, each change with its number.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { LockedChannel, PostgresBatch } from "./postgres_batch.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./postgres_rows.ts";
import type { Value } from "./postgres_transaction.ts";
import { toVector } from "./postgres_words.ts";
import {
  type Changed,
  MAX_PINS,
  MAX_REACTIONS,
  type MessagePatch,
  type Reacted,
  type Reaction,
  type ReactionRequest,
  SHOWN_REACTORS,
} from "./store.ts";
import { digest, toJson, toMessage, withoutReactor, withReactor } from "./stored_message.ts";

const ROWS = `SELECT ${MESSAGE} FROM messages m ${QUOTED} WHERE m.channel = $1 AND m.id = ANY ($2::text[])`;
const EDIT =
  "UPDATE messages SET version = $2, content = $3, mentions = $4, metadata = $5, edited_at = $6, sent = $7, " +
  "words = $8::text::tsvector WHERE key = $1";
const CLEAR = "UPDATE messages SET version = $2, content = '', reply_to = NULL, reply_seq = NULL, metadata = NULL, " +
  "mentions = NULL, reactions = NULL, edited_at = NULL, pinned_at = NULL, deleted_at = $3, sent = '', words = NULL WHERE key = $1";
const PIN = "UPDATE messages SET version = $2, pinned_at = $3 WHERE key = $1";
const PINS =
  "SELECT count(*) AS count, coalesce(max(pinned_at), 0) AS last FROM messages WHERE channel = $1 AND pinned_at IS NOT NULL";
const REACT = "UPDATE messages SET version = $2, reactions = $3 WHERE key = $1";
const ADD_REACTION = "INSERT INTO reactions (channel, seq, emoji, user_id) VALUES ($1, $2, $3, $4) " +
  "ON CONFLICT DO NOTHING RETURNING 1 AS done";
const REMOVE_REACTION =
  "DELETE FROM reactions WHERE channel = $1 AND seq = $2 AND emoji = $3 AND user_id = $4 RETURNING 1 AS done";
const REACTORS = 'SELECT user_id AS "userId" FROM reactions WHERE channel = $1 AND seq = $2 AND emoji = $3 ' +
  "ORDER BY user_id LIMIT $4";

/** The changes of messages that are there, each within a batch. */
export class PostgresMessages {
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async edit(batch: PostgresBatch, channelId: string, id: string, patch: MessagePatch): Promise<Changed> {
    const channel = await batch.channel(channelId);
    const row = await this.#present(batch, channel, id);
    const content = patch.content ?? row.content;
    const mentions = patch.mentions === undefined ? row.mentions : toJson(patch.mentions);
    const metadata = patch.metadata === undefined ? row.metadata : toJson(patch.metadata);
    if (content === row.content && metadata === row.metadata) {
      return { message: toMessage(channelId, row), changed: false };
    }
    const sent = row.sent ?? (row.nonce === null ? null : digest(row));
    const [version, editedAt] = [batch.next(channel), this.#now()];
    const words = toVector(channel.key, content);
    batch.transaction.send(EDIT, [row.key, version, content, mentions, metadata, editedAt, sent, words]);
    return { message: toMessage(channelId, { ...row, version, content, mentions, metadata, editedAt }), changed: true };
  }

  async delete(batch: PostgresBatch, channelId: string, ids: readonly string[]): Promise<Changed[]> {
    const channel = await batch.channel(channelId);
    const rows = new Map((await this.#rows(batch, channel, ids)).map((row) => [row.id, row]));
    return ids.flatMap((id) => {
      const row = rows.get(id);
      if (!row) return [];
      if (row.deletedAt !== null) return { message: toMessage(channelId, row), changed: false };
      const stub = { ...row, content: "", version: batch.next(channel), deletedAt: this.#now() };
      rows.set(id, stub); // it may be named twice
      batch.transaction.send(CLEAR, [row.key, stub.version, stub.deletedAt]);
      batch.transaction.send("DELETE FROM reactions WHERE channel = $1 AND seq = $2", [channel.key, row.seq]);
      return { message: toMessage(channelId, stub), changed: true };
    });
  }

  async react(
    batch: PostgresBatch,
    channelId: string,
    id: string,
    requests: readonly ReactionRequest[],
  ): Promise<Reacted> {
    const channel = await batch.channel(channelId);
    const row = await this.#present(batch, channel, id);
    let reactions: readonly Reaction[] = row.reactions === null ? [] : JSON.parse(row.reactions);
    let changed = false;
    const refused: boolean[] = [];
    for (const { emoji, userId, on } of requests) {
      const known = reactions.some((reaction) => reaction.emoji === emoji);
      const full = on && !known && reactions.length >= MAX_REACTIONS;
      refused.push(full);
      if (full || (!on && !known)) continue;
      const at: Value[] = [channel.key, row.seq, emoji];
      const done = await batch.transaction.query(on ? ADD_REACTION : REMOVE_REACTION, [...at, userId]);
      if (done.length === 0) continue;
      changed = true;
      const others = on ? [] : await batch.transaction.query<{ userId: string }>(REACTORS, [...at, SHOWN_REACTORS]);
      reactions = on
        ? withReactor(reactions, emoji, userId)
        : withoutReactor(reactions, emoji, userId, () => others.map((other) => other.userId));
    }
    if (!changed) return { message: toMessage(channelId, row), changed, refused };
    const stored = { version: batch.next(channel), reactions: toJson(reactions) };
    batch.transaction.send(REACT, [row.key, stored.version, stored.reactions]);
    return { message: toMessage(channelId, { ...row, ...stored }), changed, refused };
  }

  async pin(batch: PostgresBatch, channelId: string, id: string, pinned: boolean): Promise<Changed> {
    const channel = await batch.channel(channelId);
    const row = await this.#present(batch, channel, id);
    if ((row.pinnedAt !== null) === pinned) return { message: toMessage(channelId, row), changed: false };
    const [pins] = await batch.transaction.query<{ count: number; last: number }>(PINS, [channel.key]);
    const { count, last } = pins ?? { count: 0, last: 0 };
    if (pinned && count >= MAX_PINS) {
      throw new ChatError("conflict", `This channel has ${MAX_PINS} pinned messages; unpin one first.`);
    }
    // A pin is later than the one before it, whatever the clock says.
    const [version, pinnedAt] = [batch.next(channel), pinned ? Math.max(this.#now(), last + 1) : null];
    batch.transaction.send(PIN, [row.key, version, pinnedAt]);
    return { message: toMessage(channelId, { ...row, version, pinnedAt }), changed: true };
  }

  async #present(batch: PostgresBatch, channel: LockedChannel, id: string): Promise<MessageRow> {
    const [row] = await this.#rows(batch, channel, [id]);
    if (row && row.deletedAt === null) return row;
    throw new ChatError("not_found", "There is no such message in this channel, or it was deleted.");
  }

  #rows(batch: PostgresBatch, channel: LockedChannel, ids: readonly string[]): Promise<MessageRow[]> {
    return batch.transaction.query<MessageRow>(ROWS, [channel.key, ids]);
  }
}
