/**
 * The schema of the Postgres store, step by step.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { PostgresPool } from "./postgres_pool.ts";

/**
 * Migrations, forward only: entry N takes a database from schema N to N + 1, once, in a transaction with its version number. One that has shipped is
 * never edited.
 *
 * A channel's messages hang on `key`, which is never used twice: a channel deleted and made again does not see its old messages, and deleting takes
 * no time however many there are. Ids and texts compare by code point (`C`), whatever the database is set to. `sent` is what a nonce that comes again is
 * compared with once the message is no longer as it was sent. `words` is what search looks at, made by the service: see `postgres_words.ts`.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE channels (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    description text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    epoch text NOT NULL,
    head_seq bigint NOT NULL DEFAULT 0,
    last_message_id text COLLATE "C",
    retention_days integer,
    retention_count bigint,
    purged_seq bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);
  CREATE TABLE messages (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    version bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    nonce text COLLATE "C",
    reply_to text COLLATE "C",
    reply_seq bigint,
    metadata text,
    mentions text,
    reactions text,
    edited_at bigint,
    pinned_at bigint,
    deleted_at bigint,
    sent text,
    words tsvector
  );
  CREATE UNIQUE INDEX messages_by_seq ON messages (channel, seq);
  CREATE UNIQUE INDEX messages_by_id ON messages (channel, id);
  CREATE UNIQUE INDEX messages_by_version ON messages (channel, version);
  CREATE UNIQUE INDEX messages_by_nonce ON messages (channel, user_id, nonce) WHERE nonce IS NOT NULL;
  CREATE INDEX messages_by_pin ON messages (channel, pinned_at, seq) WHERE pinned_at IS NOT NULL;
  CREATE INDEX messages_by_word ON messages USING gin (words) WITH (gin_pending_list_limit = 1024);
  CREATE TABLE reactions (
    channel bigint NOT NULL,
    seq bigint NOT NULL,
    emoji text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (channel, seq, emoji, user_id)
  );
  CREATE TABLE read_states (
    channel bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    last_read_seq bigint NOT NULL,
    PRIMARY KEY (channel, user_id)
  ) WITH (fillfactor = 70);
  CREATE TABLE deleted_channels (key bigint PRIMARY KEY);
  CREATE TABLE pings (id integer PRIMARY KEY CHECK (id = 1), at bigint NOT NULL);
  CREATE TABLE identity (id integer PRIMARY KEY CHECK (id = 1), value text NOT NULL);
  INSERT INTO identity (id, value) VALUES (1, gen_random_uuid()::text);
  `,
];

/** Whoever migrates holds it: "chat" in ASCII. */
const MIGRATION_LOCK = 0x63686174;
/** A migration may have to build an index over all messages. */
const MIGRATION_MS = 3_600_000;

/**
 * Brings the schema up to date; instances that start at once wait for the one that does it. Rejects with `unavailable` where that cannot be done, and
 * for a database of a newer program, which is left as it is.
 */
export async function migrate(pool: PostgresPool, schema?: string): Promise<void> {
  await assertUtf8(pool);
  if (await isCurrent(pool)) return;
  await pool.transaction(async (transaction) => {
    transaction.send(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    if (schema !== undefined) transaction.send(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    transaction.send("CREATE TABLE IF NOT EXISTS chat_schema (version integer NOT NULL)");
    const [row] = await transaction.query<{ version: number }>("SELECT version FROM chat_schema");
    const version = known(row?.version ?? 0);
    if (version === 0) await assertNoTables(transaction.query<{ name: string }>(TAKEN));
    for (const migration of MIGRATIONS.slice(version)) transaction.send(migration);
    transaction.send(row ? `UPDATE chat_schema SET version = ${MIGRATIONS.length}` : CURRENT);
  }, { settings: ["statement_timeout = 0", "idle_in_transaction_session_timeout = 0"], timeoutMs: MIGRATION_MS });
}

const CURRENT = `INSERT INTO chat_schema (version) VALUES (${MIGRATIONS.length})`;
const TAKEN = "SELECT table_name::text AS name FROM information_schema.tables " +
  "WHERE table_schema = current_schema() AND table_name IN ('channels', 'messages', 'reactions')";

async function isCurrent(pool: PostgresPool): Promise<boolean> {
  const [table] = await pool.query<{ there: boolean }>("SELECT to_regclass('chat_schema') IS NOT NULL AS there");
  if (!table?.there) return false;
  const [row] = await pool.query<{ version: number }>("SELECT version FROM chat_schema");
  return known(row?.version ?? 0) === MIGRATIONS.length;
}

async function assertUtf8(pool: PostgresPool): Promise<void> {
  const [row] = await pool.query<{ encoding: string }>("SELECT current_setting('server_encoding') AS encoding");
  if (row?.encoding !== "UTF8") throw new ChatError("unavailable", "The encoding of the database must be UTF8.");
}

async function assertNoTables(taken: Promise<{ name: string }[]>): Promise<void> {
  if ((await taken).length === 0) return;
  throw new ChatError(
    "unavailable",
    "The database has tables of another program: put ?schema=chat at the end of its URL.",
  );
}

function known(version: number): number {
  if (version <= MIGRATIONS.length) return version;
  const versions = `its schema is ${version}, this program knows ${MIGRATIONS.length}`;
  throw new ChatError("unavailable", `The database was written by a newer version of this program (${versions}).`);
}
