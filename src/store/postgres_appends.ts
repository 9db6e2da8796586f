/**
 * New messages in Postgres, many at a time.
 *
 * @module
 */

import { decodeTime } from "@std/ulid";
import { ChatError } from "../errors.ts";
import { nextUlid } from "./next_ulid.ts";
import type { LockedChannel, PostgresBatch } from "./postgres_batch.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./postgres_rows.ts";
import type { Value } from "./postgres_transaction.ts";
import { toVector } from "./postgres_words.ts";
import type { Appended, MessageDraft } from "./store.ts";
import { asSent, isAsSent, QUOTE_LENGTH, type StoredMessage, toJson, toMessage } from "./stored_message.ts";

interface Target {
  readonly channelId: string;
  readonly id: string;
  readonly seq: number;
  readonly userId: string;
  readonly quoted: string;
}

interface NewMessage extends StoredMessage {
  readonly channel: LockedChannel;
  readonly replySeq: number | null;
}

const EARLIER =
  `SELECT ${MESSAGE}, c.id AS "channelId" FROM unnest($1::text[], $2::text[], $3::text[]) AS d (channel, user_id, nonce) ` +
  "JOIN channels c ON c.id = d.channel JOIN messages m ON m.channel = c.key AND m.user_id = d.user_id AND m.nonce = d.nonce " +
  QUOTED;
const TARGETS =
  `SELECT c.id AS "channelId", m.id, m.seq, m.user_id AS "userId", left(m.content, ${QUOTE_LENGTH}) AS quoted ` +
  "FROM unnest($1::text[], $2::text[]) AS d (channel, id) JOIN channels c ON c.id = d.channel " +
  "JOIN messages m ON m.channel = c.key AND m.id = d.id WHERE m.deleted_at IS NULL";
const INSERT =
  "INSERT INTO messages (channel, seq, version, id, user_id, content, created_at, nonce, reply_to, reply_seq, " +
  "metadata, mentions, words) SELECT channel, seq, seq, id, user_id, content, created_at, nonce, reply_to, reply_seq, metadata, " +
  "mentions, words::tsvector FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], " +
  "$7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[]) AS d " +
  "(channel, seq, id, user_id, content, created_at, nonce, reply_to, reply_seq, metadata, mentions, words)";

/** Stores messages in the order of their drafts; each has an outcome of its own, a {@linkcode ChatError} where it was refused. */
export async function append(
  batch: PostgresBatch,
  drafts: readonly MessageDraft[],
  now: () => number,
): Promise<(Appended | ChatError)[]> {
  // Both are sent along with what locks the channels, and answered behind it.
  const [earlier, targets] = await Promise.all([findEarlier(batch, drafts), findTargets(batch, drafts)]);
  const added: NewMessage[] = [];
  const outcomes: (Appended | ChatError)[] = [];
  for (const draft of drafts) {
    try {
      const channel = await batch.channel(draft.channelId);
      const same = draft.nonce === undefined ? undefined : earlier.get(nonceKey(draft));
      if (same) {
        outcomes.push(repeated(same, draft));
        continue;
      }
      const message = next(batch, channel, draft, targets, now());
      if (draft.nonce !== undefined) earlier.set(nonceKey(draft), message);
      added.push(message);
      outcomes.push({ message: toMessage(channel.id, message), created: true });
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      outcomes.push(error);
    }
  }
  if (added.length > 0) batch.transaction.send(INSERT, columns(added));
  return outcomes;
}

function repeated(row: StoredMessage, draft: MessageDraft): Appended {
  if (!isAsSent(row, draft)) throw new ChatError("conflict", "This nonce was used for another message.");
  return { message: toMessage(draft.channelId, row), created: false };
}

function next(
  batch: PostgresBatch,
  channel: LockedChannel,
  draft: MessageDraft,
  targets: ReadonlyMap<string, Target>,
  nowMs: number,
): NewMessage {
  const target = draft.replyTo === undefined ? undefined : targets.get(key(draft.channelId, draft.replyTo));
  if (draft.replyTo !== undefined && !target) {
    throw new ChatError("invalid", "reply_to is no message of this channel, or one that was deleted.");
  }
  const id = channel.lastMessageId = nextUlid(channel.lastMessageId ?? undefined, nowMs);
  const seq = batch.next(channel);
  return {
    ...asSent(draft),
    channel,
    id,
    seq,
    version: seq,
    userId: draft.userId,
    createdAt: decodeTime(id),
    nonce: draft.nonce ?? null,
    mentions: toJson(draft.mentions),
    replySeq: target?.seq ?? null,
    quotedUser: target?.userId ?? null,
    quoted: target?.quoted ?? null,
    reactions: null,
    editedAt: null,
    pinnedAt: null,
    deletedAt: null,
    sent: null,
  };
}

async function findEarlier(batch: PostgresBatch, drafts: readonly MessageDraft[]): Promise<Map<string, StoredMessage>> {
  const named = drafts.filter(({ nonce }) => nonce !== undefined);
  if (named.length === 0) return new Map();
  const rows = await batch.transaction.query<MessageRow & { channelId: string }>(EARLIER, [
    named.map(({ channelId }) => channelId),
    named.map(({ userId }) => userId),
    named.map(({ nonce = null }) => nonce),
  ]);
  return new Map(rows.map((row) => [nonceKey(row), row]));
}

async function findTargets(batch: PostgresBatch, drafts: readonly MessageDraft[]): Promise<Map<string, Target>> {
  const replies = drafts.filter(({ replyTo }) => replyTo !== undefined);
  if (replies.length === 0) return new Map();
  const rows = await batch.transaction.query<Target>(TARGETS, [
    replies.map(({ channelId }) => channelId),
    replies.map(({ replyTo = null }) => replyTo),
  ]);
  return new Map(rows.map((row) => [key(row.channelId, row.id), row]));
}

function columns(added: readonly NewMessage[]): Value[] {
  return [
    added.map(({ channel }) => channel.key),
    added.map(({ seq }) => seq),
    added.map(({ id }) => id),
    added.map(({ userId }) => userId),
    added.map(({ content }) => content),
    added.map(({ createdAt }) => createdAt),
    added.map(({ nonce }) => nonce),
    added.map(({ replyTo }) => replyTo),
    added.map(({ replySeq }) => replySeq),
    added.map(({ metadata }) => metadata),
    added.map(({ mentions }) => mentions),
    added.map(({ channel, content }) => toVector(channel.key, content)),
  ];
}

interface Named {
  readonly channelId: string;
  readonly userId: string;
  readonly nonce?: string | null | undefined;
}

function nonceKey({ channelId, userId, nonce }: Named): string {
  return key(channelId, userId, nonce);
}

/** No text that can be stored has NUL in it. */
function key(...parts: unknown[]): string {
  return parts.join("\0");
}
