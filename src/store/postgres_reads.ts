/**
 * What users have read, in Postgres.
 *
 * @module
 */

import type { PostgresBatch } from "./postgres_batch.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import { MAX_UNREAD, type ReadState } from "./store.ts";

interface UnreadRow {
  readonly channelId: string;
  readonly headSeq: number;
  readonly lastReadSeq: number;
  readonly unread: number;
  readonly mentions: number;
}

/** Counts what user `$1`, as JSON `$2`, has not read of channel `c` after `r.last_read_seq`. */
const COUNT = "SELECT count(*) AS unread, count(*) FILTER (WHERE CASE WHEN strpos(w.mentions, $2) > 0 THEN " +
  // The JSON of one name can stand in that of others too: between two of them, or behind an escaped quote.
  "EXISTS (SELECT 1 FROM json_array_elements_text(w.mentions::json) AS n (name) WHERE n.name = $1) END) AS mentions FROM (" +
  "SELECT m.user_id, m.deleted_at, m.mentions FROM messages m WHERE m.channel = c.key AND m.seq > r.last_read_seq " +
  `ORDER BY m.seq LIMIT ${MAX_UNREAD}) w WHERE w.user_id <> $1 AND w.deleted_at IS NULL`;
const MARK =
  "INSERT INTO read_states AS s (channel, user_id, last_read_seq) VALUES ($1, $2, $3) ON CONFLICT (channel, user_id) " +
  "DO UPDATE SET last_read_seq = greatest(s.last_read_seq, excluded.last_read_seq) RETURNING last_read_seq AS seq";
const STATE =
  `SELECT u.* FROM (SELECT $3::bigint AS key) c, (SELECT $4::bigint AS last_read_seq) r, LATERAL (${COUNT}) u`;
const LIST = 'SELECT c.id AS "channelId", c.head_seq AS "headSeq", r.last_read_seq AS "lastReadSeq", u.* FROM (' +
  "SELECT key, id, head_seq FROM channels WHERE id > $3 ORDER BY id LIMIT $4) c, LATERAL (SELECT coalesce((" +
  "SELECT s.last_read_seq FROM read_states s WHERE s.channel = c.key AND s.user_id = $1), 0) AS last_read_seq) r, " +
  `LATERAL (${COUNT}) u ORDER BY c.id`;

/** Within a batch. */
export async function markRead(
  batch: PostgresBatch,
  channelId: string,
  userId: string,
  seq: number,
): Promise<ReadState> {
  const { key, headSeq } = await batch.channel(channelId);
  const [row] = await batch.transaction.query<{ seq: number }>(MARK, [key, userId, Math.min(seq, headSeq)]);
  const lastReadSeq = row?.seq ?? 0;
  const values = [userId, JSON.stringify(userId), key, lastReadSeq];
  const [counts] = lastReadSeq < headSeq
    ? await batch.transaction.query<{ unread: number; mentions: number }>(STATE, values)
    : [];
  return { channelId, headSeq, lastReadSeq, unread: counts?.unread ?? 0, mentions: counts?.mentions ?? 0 };
}

/** A user's read states; how much is unread is counted when it is asked for, so that no counter can be wrong. */
export async function listUnread(
  pool: PostgresPool,
  userId: string,
  { limit, after = "" }: { limit: number; after?: string },
): Promise<{ states: ReadState[]; hasMore: boolean }> {
  const rows = await pool.query<UnreadRow>(LIST, [userId, JSON.stringify(userId), after, limit + 1]);
  return { states: rows.slice(0, limit), hasMore: rows.length > limit };
}
