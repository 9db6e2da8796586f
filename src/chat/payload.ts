/**
 * What clients see: the JSON shapes of the contract, the same live, in history, in a join reply and over REST.
 *
 * @module
 */

import { Json } from "../phoenix/frame.ts";
import type { Channel, History, Message, Metadata, Quote, Reaction, ReadState } from "../store/store.ts";

/** A channel on the wire. */
export interface ChannelPayload {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly head_seq: number;
  readonly kind: "open";
  readonly retention_days?: number;
  readonly retention_count?: number;
}

/** A message on the wire; fields that do not apply are absent. */
export interface MessagePayload {
  readonly id: string;
  readonly channel_id: string;
  readonly user_id: string;
  readonly content: string;
  readonly timestamp: string;
  readonly seq: number;
  readonly version: number;
  readonly nonce?: string;
  /** What it answers, as that is now: with its author and its first 100 characters, or `deleted`. */
  readonly reply_to?: { readonly id: string; readonly user_id: string; readonly content: string } | {
    readonly id: string;
    readonly deleted: true;
  };
  readonly metadata?: Metadata;
  readonly mentions?: readonly string[];
  readonly reactions?: readonly ReactionPayload[];
  readonly edited_at?: string;
  readonly pinned_at?: string;
  /** It was deleted; what is left is its place. */
  readonly deleted?: true;
}

/** The reactions of one emoji; `user_ids` are 20 of them at the most. */
export interface ReactionPayload {
  readonly emoji: string;
  readonly count: number;
  readonly user_ids: readonly string[];
}

/** How far a user has read a channel. */
export interface ReadStatePayload {
  readonly channel_id: string;
  readonly head_seq: number;
  readonly last_read_seq: number;
  readonly unread: number;
  readonly mentions: number;
}

/** Renders a channel. */
export function channelPayload(channel: Channel): ChannelPayload {
  const { id, name, description, createdAt, updatedAt, headSeq, retentionDays, retentionCount } = channel;
  return {
    id,
    name,
    description,
    created_at: timestamp(createdAt),
    updated_at: timestamp(updatedAt),
    head_seq: headSeq,
    kind: "open",
    ...(retentionDays === undefined ? {} : { retention_days: retentionDays }),
    ...(retentionCount === undefined ? {} : { retention_count: retentionCount }),
  };
}

/** Renders a message. */
export function messagePayload(message: Message): MessagePayload {
  const { id, channelId, userId, content, createdAt, seq, version, nonce } = message;
  const payload = {
    id,
    channel_id: channelId,
    user_id: userId,
    content,
    timestamp: timestamp(createdAt),
    seq,
    version,
  };
  if (message.deleted) return { ...payload, deleted: true };
  const { replyTo, metadata, mentions, reactions, editedAt, pinnedAt } = message;
  return {
    ...payload,
    ...(nonce === undefined ? {} : { nonce }),
    ...(replyTo === undefined ? {} : { reply_to: quotePayload(replyTo) }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(mentions === undefined ? {} : { mentions }),
    ...(reactions === undefined ? {} : { reactions: reactions.map(reactionPayload) }),
    ...(editedAt === undefined ? {} : { edited_at: timestamp(editedAt) }),
    ...(pinnedAt === undefined ? {} : { pinned_at: timestamp(pinnedAt) }),
  };
}

/** Renders how far a user has read. */
export function readStatePayload(
  { channelId, headSeq, lastReadSeq, unread, mentions }: ReadState,
): ReadStatePayload {
  return { channel_id: channelId, head_seq: headSeq, last_read_seq: lastReadSeq, unread, mentions };
}

function quotePayload({ id, userId, content }: Quote): NonNullable<MessagePayload["reply_to"]> {
  return userId === undefined || content === undefined ? { id, deleted: true } : { id, user_id: userId, content };
}

function reactionPayload({ emoji, count, userIds }: Reaction): ReactionPayload {
  return { emoji, count, user_ids: userIds };
}

/** Renders a page of history. */
export function historyPayload({ messages, hasMore, headSeq, epoch }: History): {
  messages: MessagePayload[];
  has_more: boolean;
  head_seq: number;
  epoch: string;
} {
  return { messages: messages.map(messagePayload), has_more: hasMore, head_seq: headSeq, epoch };
}

/** Whether a client that came back got all it had missed, and why not. */
export type Recovery =
  | { readonly recovered: true }
  | { readonly recovered: false; readonly reason: "gap_too_large" | "unknown_id" | "epoch_changed" };

/** Renders what a join is answered with: the messages, where live events continue, and the channel. */
export function welcomePayload(channel: Channel, { messages, headSeq, epoch }: History, recovery?: Recovery): Json {
  return new Json(JSON.stringify({
    messages: messages.map(messagePayload),
    head_seq: headSeq,
    epoch,
    ...recovery,
    channel: channelPayload({ ...channel, headSeq }),
  }));
}

/** ISO 8601, UTC, milliseconds. */
export function timestamp(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
