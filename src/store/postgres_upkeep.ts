/**
 * Upkeep of the Postgres store, in steps of some ten milliseconds.
 *
 * @module
 */

import { PostgresBatch } from "./postgres_batch.ts";
import type { PostgresMessages } from "./postgres_messages.ts";
import type { PostgresTransaction } from "./postgres_transaction.ts";
import type { Message } from "./store.ts";

/** Rows that one step removes at the most. */
const SWEEP_ROWS = 1_000;
/** Rows that one step of an erasure looks through, and deletes, at the most. */
const ERASE_ROWS = 10_000;
const ERASE_STUBS = 100;
const DAY_MS = 86_400_000;
/** Whoever sweeps holds it: "swep" in ASCII. */
const SWEEP_LOCK = 0x73776570;

const ERASE_END = "SELECT max(key) AS last FROM (SELECT key FROM messages WHERE key > $1 ORDER BY key LIMIT $2) m";
const ERASE = 'SELECT m.key, m.id, c.id AS "channelId" FROM messages m JOIN channels c ON c.key = m.channel ' +
  "WHERE m.key > $1 AND m.key <= $2 AND m.user_id = $3 AND m.deleted_at IS NULL ORDER BY m.key LIMIT $4";
const MAY_SWEEP = `SELECT pg_try_advisory_xact_lock(${SWEEP_LOCK}) AS mine`;
const EXPIRING = 'SELECT id, key, retention_days AS "days", retention_count AS "count" FROM channels ' +
  "WHERE retention_days IS NOT NULL OR retention_count IS NOT NULL";
/** The `seq` before which messages are older than a time, as far as one step goes. */
const FIRST_SINCE = "SELECT max(seq) + 1 AS seq FROM (" +
  "SELECT seq, created_at FROM messages WHERE channel = $1 ORDER BY seq LIMIT $2) m WHERE created_at < $3";
const FIRST_OF_NEWEST = "SELECT seq FROM messages WHERE channel = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2";
const REMOVE = "DELETE FROM messages WHERE channel = $1 AND seq IN (" +
  "SELECT seq FROM messages WHERE channel = $1 AND seq < $2 ORDER BY seq LIMIT $3) RETURNING seq, version";
const REMOVE_READS = "DELETE FROM read_states WHERE channel = $1 AND user_id IN (" +
  "SELECT user_id FROM read_states WHERE channel = $1 LIMIT $2) RETURNING 1 AS done";

interface Expiring {
  readonly id: string;
  readonly key: number;
  readonly days: number | null;
  readonly count: number | null;
}

/** Deletes messages of a user among the next rows after `after`. */
export async function eraseUser(
  transaction: PostgresTransaction,
  messages: PostgresMessages,
  userId: string,
  after = "0",
): Promise<{ stubs: Message[]; next?: string }> {
  const [end] = await transaction.query<{ last: number | null }>(ERASE_END, [after, ERASE_ROWS]);
  if (!end || end.last === null) return { stubs: [] };
  const values = [after, end.last, userId, ERASE_STUBS];
  const rows = await transaction.query<{ key: number; id: string; channelId: string }>(ERASE, values);
  const byChannel = Map.groupBy(rows, ({ channelId }) => channelId);
  const batch = new PostgresBatch(transaction, [...byChannel.keys()]);
  const stubs: Message[] = [];
  for (const [channelId, found] of byChannel) {
    const deleted = await messages.delete(batch, channelId, found.map(({ id }) => id));
    stubs.push(...deleted.filter(({ changed }) => changed).map(({ message }) => message));
  }
  batch.close();
  return { stubs, next: String(rows.length === ERASE_STUBS ? rows.at(-1)?.key : end.last) };
}

/** One step of everything there is to do; resolves with whether there is more. Another instance that is at it does it for all. */
export async function sweep(transaction: PostgresTransaction, now: () => number): Promise<boolean> {
  const [lock] = await transaction.query<{ mine: boolean }>(MAY_SWEEP);
  if (!lock?.mine) return false;
  const more = await sweepDeleted(transaction);
  return await sweepExpired(transaction, now()) || more;
}

async function sweepDeleted(transaction: PostgresTransaction): Promise<boolean> {
  const doomed = await transaction.query<{ key: number }>("SELECT key FROM deleted_channels ORDER BY key LIMIT 2");
  const [first, second] = doomed;
  if (!first) return false;
  if (await removeOldest(transaction, first.key, Number.MAX_SAFE_INTEGER) === SWEEP_ROWS) return true;
  if ((await transaction.query(REMOVE_READS, [first.key, SWEEP_ROWS])).length === SWEEP_ROWS) return true;
  transaction.send("DELETE FROM deleted_channels WHERE key = $1", [first.key]);
  return second !== undefined;
}

async function sweepExpired(transaction: PostgresTransaction, nowMs: number): Promise<boolean> {
  const expiring = await transaction.query<Expiring>(EXPIRING);
  if (expiring.length === 0) return false;
  const batch = new PostgresBatch(transaction, expiring.map(({ id }) => id));
  let more = false;
  for (const { key, days, count } of expiring) {
    const before = Math.max(
      days === null ? 0 : await seqOf(transaction, FIRST_SINCE, [key, SWEEP_ROWS, nowMs - days * DAY_MS]),
      count === null ? 0 : await seqOf(transaction, FIRST_OF_NEWEST, [key, count - 1]),
    );
    if (before > 0 && await removeOldest(transaction, key, before) === SWEEP_ROWS) more = true;
  }
  batch.close();
  return more;
}

async function seqOf(transaction: PostgresTransaction, text: string, values: number[]): Promise<number> {
  const [row] = await transaction.query<{ seq: number | null }>(text, values);
  return row?.seq ?? 0;
}

/** Removes the oldest messages before `seq` for good; resolves with how many. */
async function removeOldest(transaction: PostgresTransaction, key: number, seq: number): Promise<number> {
  const rows = await transaction.query<{ seq: number; version: number }>(REMOVE, [key, seq, SWEEP_ROWS]);
  if (rows.length === 0) return 0;
  const last = Math.max(...rows.map((row) => row.seq));
  transaction.send("DELETE FROM reactions WHERE channel = $1 AND seq <= $2", [key, last]);
  const version = Math.max(...rows.map((row) => row.version));
  transaction.send("UPDATE channels SET purged_seq = greatest(purged_seq, $2::bigint) WHERE key = $1", [key, version]);
  return rows.length;
}
