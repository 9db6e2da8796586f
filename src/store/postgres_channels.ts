/**
 * Channels in Postgres.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { PostgresBatch } from "./postgres_batch.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import type { Channel, ChannelDraft, ChannelPatch } from "./store.ts";

interface ChannelRow extends Omit<Channel, "retentionDays" | "retentionCount"> {
  readonly retentionDays: number | null;
  readonly retentionCount: number | null;
}

const COLUMNS =
  'id, name, description, created_at AS "createdAt", updated_at AS "updatedAt", head_seq AS "headSeq", epoch, ' +
  'retention_days AS "retentionDays", retention_count AS "retentionCount"';
const CREATE =
  "INSERT INTO channels (id, name, description, created_at, updated_at, epoch, retention_days, retention_count) " +
  `VALUES ($1, $2, $3, $4, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING RETURNING ${COLUMNS}`;
const UPDATE = "UPDATE channels SET name = $2, description = $3, retention_days = $4, retention_count = $5, " +
  `updated_at = greatest(updated_at, $6::bigint) WHERE id = $1 RETURNING ${COLUMNS}`;
const GET = `SELECT ${COLUMNS} FROM channels WHERE id = $1`;
const LIST = `SELECT ${COLUMNS} FROM channels WHERE id > $1 ORDER BY id LIMIT $2`;
const DELETE = `WITH gone AS (DELETE FROM channels WHERE id = $1 RETURNING *), noted AS (` +
  `INSERT INTO deleted_channels (key) SELECT key FROM gone) SELECT ${COLUMNS} FROM gone`;

/** The statements about channels; those that write are called within a batch. */
export class PostgresChannels {
  readonly #pool: PostgresPool;
  readonly #now: () => number;

  constructor(pool: PostgresPool, now: () => number) {
    this.#pool = pool;
    this.#now = now;
  }

  async create({ transaction }: PostgresBatch, draft: ChannelDraft): Promise<Channel> {
    const { id, name, description, retentionDays = null, retentionCount = null } = draft;
    const values = [id, name, description, this.#now(), crypto.randomUUID(), retentionDays, retentionCount];
    const [row] = await transaction.query<ChannelRow>(CREATE, values);
    if (!row) throw new ChatError("conflict", "There is a channel with this id.");
    return toChannel(row);
  }

  async update({ transaction }: PostgresBatch, id: string, patch: ChannelPatch): Promise<Channel> {
    const [row] = await transaction.query<ChannelRow>(GET, [id]);
    const { name, description, retentionDays, retentionCount } = { ...found(row), ...patch };
    const values = [id, name, description, retentionDays, retentionCount, this.#now()];
    const [updated] = await transaction.query<ChannelRow>(UPDATE, values);
    return toChannel(found(updated));
  }

  async delete({ transaction }: PostgresBatch, id: string): Promise<Channel> {
    const [row] = await transaction.query<ChannelRow>(DELETE, [id]);
    return toChannel(found(row));
  }

  async list(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }> {
    const { limit, after = "" } = query;
    const rows = await this.#pool.query<ChannelRow>(LIST, [after, limit + 1]);
    return { channels: rows.slice(0, limit).map(toChannel), hasMore: rows.length > limit };
  }

  async get(id: string): Promise<Channel> {
    const [row] = await this.#pool.query<ChannelRow>(GET, [id]);
    return toChannel(found(row));
  }
}

function found(row: ChannelRow | undefined): ChannelRow {
  if (!row) throw new ChatError("not_found", "There is no such channel.");
  return row;
}

function toChannel({ retentionDays, retentionCount, ...channel }: ChannelRow): Channel {
  return {
    ...channel,
    ...(retentionDays === null ? {} : { retentionDays }),
    ...(retentionCount === null ? {} : { retentionCount }),
  };
}
