/**
 * Messages in Postgres, read: pages, changes, pins, and single ones.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./postgres_rows.ts";
import type { Value } from "./postgres_transaction.ts";
import type { History, HistoryQuery, Message } from "./store.ts";
import { toMessage } from "./stored_message.ts";

interface Snapshot {
  readonly headSeq: number;
  readonly epoch: string;
  readonly purgedSeq: number;
  readonly rows: readonly MessageRow[];
}

/** A row of {@linkcode snapshotOf}: that of a channel with a message, or with none at all. */
type SnapshotRow = { [Column in keyof MessageRow]: MessageRow[Column] | null } & Omit<Snapshot, "rows">;

// One statement, so that the head and the messages are of one moment. Ids rise with `seq`.
const CHANGES = snapshotOf(messages("m.version > $2 ORDER BY m.version LIMIT $3"));
const OLDER = snapshotOf(messages("m.id < $2 ORDER BY m.id DESC LIMIT $3"));
const NEWEST = snapshotOf(messages("true ORDER BY m.id DESC LIMIT $2"));
const NEWER = snapshotOf(messages("m.id > $2 ORDER BY m.id LIMIT $3"));
const AROUND = snapshotOf(
  `(${messages("m.id < $2 ORDER BY m.id DESC LIMIT $3")}) UNION ALL (${messages("m.id >= $2 ORDER BY m.id LIMIT $3")})`,
);
const ONE = snapshotOf(messages("m.id = $2"));
const PINS = snapshotOf(messages("m.pinned_at IS NOT NULL ORDER BY m.pinned_at DESC, m.seq DESC LIMIT $2"));
const PINS_BEFORE = snapshotOf(
  `(${messages("m.id = $2")}) UNION ALL (${
    messages(
      "m.pinned_at IS NOT NULL AND (m.pinned_at, m.seq) < (SELECT f.pinned_at, f.seq FROM messages f " +
        "WHERE f.channel = c.key AND f.id = $2) ORDER BY m.pinned_at DESC, m.seq DESC LIMIT $3",
    )
  })`,
);
const REACTORS = 'SELECT m.id, r.user_id AS "userId" FROM channels c ' +
  "LEFT JOIN messages m ON m.channel = c.key AND m.id = $2 LEFT JOIN LATERAL (SELECT user_id FROM reactions " +
  "WHERE channel = c.key AND seq = m.seq AND emoji = $3 AND user_id > $4 ORDER BY user_id LIMIT $5) r ON true " +
  "WHERE c.id = $1 ORDER BY r.user_id";

/** The reads of one channel's messages; each is one snapshot, whatever is committed meanwhile. */
export class PostgresHistory {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  async get(channelId: string, id: string): Promise<Message> {
    const { rows: [row] } = await this.#read(ONE, channelId, id);
    if (!row) throw new ChatError("not_found", "There is no such message in this channel.");
    return toMessage(channelId, row);
  }

  async page(channelId: string, query: HistoryQuery): Promise<History> {
    const { limit, before, after, around } = query;
    if (around !== undefined) return await this.#pageAround(channelId, around, limit);
    if (after !== undefined) return toHistory(channelId, await this.#read(NEWER, channelId, after, limit + 1), limit);
    const snapshot = before === undefined
      ? await this.#read(NEWEST, channelId, limit + 1)
      : await this.#read(OLDER, channelId, before, limit + 1);
    const { messages, ...history } = toHistory(channelId, snapshot, limit);
    return { ...history, messages: messages.toReversed() };
  }

  async changes(channelId: string, { after, limit }: { after: number; limit: number }): Promise<History> {
    return toHistory(channelId, await this.#read(CHANGES, channelId, after, limit + 1), limit);
  }

  async pins(channelId: string, { limit, before }: { limit: number; before?: string }): Promise<History> {
    if (before === undefined) return toHistory(channelId, await this.#read(PINS, channelId, limit + 1), limit);
    const { rows: [from, ...rows], ...snapshot } = await this.#read(PINS_BEFORE, channelId, before, limit + 1);
    if (from?.id !== before || from.pinnedAt === null) {
      throw new ChatError("invalid", "before is no pinned message of this channel.");
    }
    return toHistory(channelId, { ...snapshot, rows }, limit);
  }

  async reactors(
    channelId: string,
    id: string,
    { emoji, limit, after = "" }: { emoji: string; limit: number; after?: string },
  ): Promise<{ userIds: string[]; hasMore: boolean }> {
    const values = [channelId, id, emoji, after, limit + 1];
    const rows = await this.#pool.query<{ id: string | null; userId: string | null }>(REACTORS, values);
    if (rows.length === 0) throw new ChatError("not_found", "There is no such channel.");
    if (rows[0]?.id === null) throw new ChatError("not_found", "There is no such message in this channel.");
    const userIds = rows.map(({ userId }) => userId).filter((userId) => userId !== null);
    return { userIds: userIds.slice(0, limit), hasMore: userIds.length > limit };
  }

  async #pageAround(channelId: string, id: string, limit: number): Promise<History> {
    const { rows, ...snapshot } = await this.#read(AROUND, channelId, id, limit + 1);
    const older = rows.filter((row) => row.id < id);
    const newer = rows.filter((row) => row.id >= id);
    const half = Math.floor(limit / 2);
    const take = Math.min(older.length, Math.max(half, limit - newer.length));
    const page = [...older.slice(0, take).reverse(), ...newer.slice(0, limit - take)];
    return { ...toHistory(channelId, { ...snapshot, rows: page }, limit), hasMore: page.length < rows.length };
  }

  async #read(text: string, channelId: string, ...values: Value[]): Promise<Snapshot> {
    const rows = await this.#pool.query<SnapshotRow>(text, [channelId, ...values]);
    const [first] = rows;
    if (!first) throw new ChatError("not_found", "There is no such channel.");
    const { headSeq, epoch, purgedSeq } = first;
    return { headSeq, epoch, purgedSeq, rows: first.id === null ? [] : rows as MessageRow[] };
  }
}

function toHistory(channelId: string, { rows, ...snapshot }: Snapshot, limit: number): History {
  const { headSeq, epoch, purgedSeq } = snapshot;
  const messages = rows.slice(0, limit).map((row) => toMessage(channelId, row));
  return { messages, hasMore: rows.length > limit, headSeq, epoch, purgedSeq };
}

function messages(condition: string): string {
  return `SELECT ${MESSAGE} FROM messages m ${QUOTED} WHERE m.channel = c.key AND ${condition}`;
}

function snapshotOf(messages: string): string {
  return 'SELECT c.head_seq AS "headSeq", c.epoch, c.purged_seq AS "purgedSeq", m.* FROM channels c ' +
    `LEFT JOIN LATERAL (${messages}) m ON true WHERE c.id = $1`;
}
