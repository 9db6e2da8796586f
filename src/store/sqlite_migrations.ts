/**
 * The schema of the SQLite store, step by step.
 *
 * @module
 */

/**
 * Migrations, forward only: entry N takes a database from schema N to N + 1, once, in a transaction with its version number
 * (`PRAGMA user_version`). One that has shipped is never edited.
 *
 * A channel's messages hang on `key`, which is never used twice: a channel deleted and made again does not see its old messages, and deleting
 * takes no time however many there are. Ids rise with `seq`, so a message is found by its id without an index on ids: each index costs every
 * append a page of its own.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE channels (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    head_seq INTEGER NOT NULL DEFAULT 0,
    last_message_id TEXT
  ) STRICT;
  CREATE TABLE messages (
    rowid INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    nonce TEXT
  ) STRICT;
  CREATE UNIQUE INDEX messages_by_seq ON messages (channel, seq);
  CREATE UNIQUE INDEX messages_by_nonce ON messages (channel, user_id, nonce) WHERE nonce IS NOT NULL;
  CREATE TABLE deleted_channels (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE pings (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
  `,
];
