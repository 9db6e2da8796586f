/**
 * Columns of messages, as every statement that reads them names them.
 *
 * @module
 */

import { QUOTE_LENGTH, type StoredMessage } from "./stored_message.ts";

/** A row of `messages` with the one that it answers. */
export interface MessageRow extends StoredMessage {
  readonly key: number;
}

/** What a {@linkcode MessageRow} needs of a message `m`, and the message that it answers. */
export const MESSAGE =
  'm.key, m.id, m.user_id AS "userId", m.content, m.created_at AS "createdAt", m.seq, m.version, ' +
  'm.nonce, m.reply_to AS "replyTo", m.metadata, m.mentions, m.reactions, m.edited_at AS "editedAt", ' +
  'm.pinned_at AS "pinnedAt", m.deleted_at AS "deletedAt", m.sent, q.user_id AS "quotedUser", ' +
  `left(q.content, ${QUOTE_LENGTH}) AS "quoted"`;
/** Joins what a message `m` answers: as it is now, so that a deleted one is quoted nowhere. */
export const QUOTED = "LEFT JOIN messages q ON q.channel = m.channel AND q.seq = m.reply_seq AND q.deleted_at IS NULL";
