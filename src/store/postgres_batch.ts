/**
 * What the writes of one transaction work on: its statements, and its channels, which it has locked.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { PostgresTransaction } from "./postgres_transaction.ts";

/** A channel that nobody else changes until the transaction ends, with its counter as this transaction has moved it. */
export interface LockedChannel {
  readonly key: number;
  readonly id: string;
  headSeq: number;
  lastMessageId: string | null;
}

// In the order of their keys, so that two transactions never wait for each other.
const LOCK = 'SELECT key, id, head_seq AS "headSeq", last_message_id AS "lastMessageId" FROM channels ' +
  "WHERE id = ANY ($1::text[]) ORDER BY key FOR UPDATE";
const ADVANCE = "UPDATE channels c SET head_seq = d.seq, last_message_id = d.message " +
  "FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS d (key, seq, message) WHERE c.key = d.key";

/** A transaction whose channels were locked before anything else: what it reads after that stays so. */
export class PostgresBatch {
  readonly transaction: PostgresTransaction;
  readonly #locking: Promise<Map<string, LockedChannel>>;
  readonly #moved = new Set<LockedChannel>();

  /** Locks the channels of these ids, those that exist; statements sent meanwhile wait for it on the server. */
  constructor(transaction: PostgresTransaction, channelIds: readonly string[]) {
    this.transaction = transaction;
    this.#locking = channelIds.length === 0
      ? Promise.resolve(new Map())
      : transaction.query<LockedChannel>(LOCK, [channelIds]).then((rows) => new Map(rows.map((row) => [row.id, row])));
    this.#locking.catch(() => {}); // whoever asks for a channel hears of it
  }

  /** A channel of the batch; rejects with `not_found`. */
  async channel(id: string): Promise<LockedChannel> {
    const channel = (await this.#locking).get(id);
    if (!channel) throw new ChatError("not_found", "There is no such channel.");
    return channel;
  }

  /** Takes the channel's next `seq`. */
  next(channel: LockedChannel): number {
    this.#moved.add(channel);
    return ++channel.headSeq;
  }

  /** Writes down how far the counters have moved; the last thing before the transaction is committed. */
  close(): void {
    const moved = [...this.#moved];
    if (moved.length === 0) return;
    this.transaction.send(ADVANCE, [
      moved.map(({ key }) => key),
      moved.map(({ headSeq }) => headSeq),
      moved.map(({ lastMessageId }) => lastMessageId),
    ]);
  }
}
