/**
 * A message as a table holds it, and the rules that do not depend on which database it is.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Message, type MessageDraft, type Reaction, SHOWN_REACTORS } from "./store.ts";

/** A row of `messages` with the one that it answers. */
export interface StoredMessage {
  readonly id: string;
  readonly userId: string;
  readonly content: string;
  readonly createdAt: number;
  readonly seq: number;
  readonly version: number;
  readonly nonce: string | null;
  readonly replyTo: string | null;
  readonly metadata: string | null;
  readonly mentions: string | null;
  readonly reactions: string | null;
  readonly editedAt: number | null;
  readonly pinnedAt: number | null;
  readonly deletedAt: number | null;
  readonly sent: string | null;
  readonly quotedUser: string | null;
  readonly quoted: string | null;
}

/** Code points of a quote. */
export const QUOTE_LENGTH = 100;

/** What is told of a message; of a deleted one that it was there. */
export function toMessage(channelId: string, row: StoredMessage): Message {
  const { id, userId, content, createdAt, seq, version, nonce } = row;
  const message = { id, channelId, userId, content, createdAt, seq, version, ...(nonce === null ? {} : { nonce }) };
  if (row.deletedAt !== null) return { ...message, deleted: true };
  const { replyTo, metadata, mentions, reactions, editedAt, pinnedAt } = row;
  // Most messages have none of these: they are not put together field by field.
  if ((replyTo ?? metadata ?? mentions ?? reactions ?? editedAt ?? pinnedAt) === null) return message;
  return {
    ...message,
    ...(replyTo === null ? {} : { replyTo: quote(replyTo, row) }),
    ...(metadata === null ? {} : { metadata: JSON.parse(metadata) }),
    ...(mentions === null ? {} : { mentions: JSON.parse(mentions) }),
    ...(reactions === null ? {} : { reactions: JSON.parse(reactions) }),
    ...(editedAt === null ? {} : { editedAt }),
    ...(pinnedAt === null ? {} : { pinnedAt }),
  };
}

function quote(id: string, { quotedUser, quoted }: StoredMessage) {
  return quotedUser === null || quoted === null ? { id } : { id, userId: quotedUser, content: quoted };
}

/** A value as a column holds it: null where there is nothing to keep. */
export function toJson(value: object | null | undefined): string | null {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0)
    ? null
    : JSON.stringify(value);
}

/** One more user behind an emoji. */
export function withReactor(reactions: readonly Reaction[], emoji: string, userId: string): Reaction[] {
  const found = reactions.find((reaction) => reaction.emoji === emoji);
  if (!found) return [...reactions, { emoji, count: 1, userIds: [userId] }];
  const userIds = found.userIds.length < SHOWN_REACTORS ? [...found.userIds, userId] : found.userIds;
  const more = { emoji, count: found.count + 1, userIds };
  return reactions.map((reaction) => reaction === found ? more : reaction);
}

/** One user less behind an emoji; `others` brings those who are left, for the place of one that was shown. */
export function withoutReactor(
  reactions: readonly Reaction[],
  emoji: string,
  userId: string,
  others: () => string[],
): readonly Reaction[] {
  return reactions.flatMap((reaction) => {
    if (reaction.emoji !== emoji) return reaction;
    const count = reaction.count - 1;
    if (count === 0) return [];
    const left = reaction.userIds.filter((id) => id !== userId);
    return { emoji, count, userIds: left.length < Math.min(count, SHOWN_REACTORS) ? others() : left };
  });
}

/** What a nonce that comes again is compared with, of a message or a draft. */
export type AsSent = Pick<StoredMessage, "content" | "replyTo" | "metadata">;

/** Whether a stored message is the one that a draft with the same nonce wants to be. */
export function isAsSent(row: AsSent & Pick<StoredMessage, "sent">, draft: MessageDraft): boolean {
  if (row.sent === "") return true; // deleted: nothing is left to compare with
  const { content, replyTo, metadata } = asSent(draft);
  if (row.sent !== null) return row.sent === digest({ content, replyTo, metadata });
  return row.content === content && row.replyTo === replyTo && row.metadata === metadata;
}

/** A draft as {@linkcode isAsSent} sees it. */
export function asSent({ content, replyTo, metadata }: MessageDraft): AsSent {
  return { content, replyTo: replyTo ?? null, metadata: metadata === undefined ? null : JSON.stringify(metadata) };
}

/** What is kept of how a message was sent, once it is no longer so. */
export function digest({ content, replyTo, metadata }: AsSent): string {
  return createHash("sha256").update(JSON.stringify([content, replyTo, metadata])).digest("base64");
}
