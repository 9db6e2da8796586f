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
  // Messages that change, are answered, pinned and reacted to; what was read; search; retention.
  //
  // `sent` is what a nonce that comes again is compared with once the message is no longer as it was sent: a digest, or nothing of a deleted one.
  // `searched` is the last row that the search index knows: appends leave it to later, when many rows go in at once.
  `
  ALTER TABLE messages ADD COLUMN reply_to TEXT;
  ALTER TABLE messages ADD COLUMN reply_seq INTEGER;
  ALTER TABLE messages ADD COLUMN metadata TEXT;
  ALTER TABLE messages ADD COLUMN mentions TEXT;
  ALTER TABLE messages ADD COLUMN reactions TEXT;
  ALTER TABLE messages ADD COLUMN edited_at INTEGER;
  ALTER TABLE messages ADD COLUMN pinned_at INTEGER;
  ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
  ALTER TABLE messages ADD COLUMN sent TEXT;
  CREATE UNIQUE INDEX messages_by_version ON messages (channel, version);
  CREATE INDEX messages_by_pin ON messages (channel, pinned_at, seq) WHERE pinned_at IS NOT NULL;
  CREATE TABLE reactions (
    channel INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (channel, seq, emoji, user_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE read_states (
    channel INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    last_read_seq INTEGER NOT NULL,
    PRIMARY KEY (channel, user_id)
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE channels ADD COLUMN retention_days INTEGER;
  ALTER TABLE channels ADD COLUMN retention_count INTEGER;
  ALTER TABLE channels ADD COLUMN purged_seq INTEGER NOT NULL DEFAULT 0;
  CREATE VIRTUAL TABLE found USING fts5 (
    channel, content, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
  );
  CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL) STRICT;
  INSERT INTO identity (id, value) VALUES (1, lower(hex(randomblob(16))));
  CREATE TABLE searched (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL) STRICT;
  INSERT INTO searched (id, last) VALUES (1, 0);
  `,
];
