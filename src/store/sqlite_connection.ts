/**
 * An open SQLite file: its schema, its statements, and words for what SQLite throws.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ChatError } from "../errors.ts";
import { MIGRATIONS } from "./sqlite_migrations.ts";

/** How a database file is opened. */
export interface SqliteOptions {
  /** The file, or `:memory:`. */
  readonly path: string;
  /** `full` survives a power cut, `normal` a crash of the program only. */
  readonly synchronous: "full" | "normal";
  /** For a second connection to a file that is open already: reads only. */
  readonly readOnly?: boolean;
}

const BUSY_TIMEOUT_MS = 5_000;
/** "chat" in ASCII: tells our files from other programs' (`PRAGMA application_id`). */
const APPLICATION_ID = 0x63686174;

/** One connection; knows nothing of what is in the tables. */
export class SqliteConnection implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * Opens or creates the file and brings its schema up to date. Throws `unavailable` where that cannot be done, and for a database of another or of a
   * newer program, which is left as it is.
   */
  constructor({ path, synchronous, readOnly = false }: SqliteOptions) {
    this.#db = attempt(() => new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly }), CANNOT_OPEN);
    if (readOnly) return;
    try {
      attempt(() => {
        const version = this.#schemaVersion();
        this.run("PRAGMA journal_mode = WAL");
        this.run(`PRAGMA synchronous = ${synchronous}`);
        if (version < MIGRATIONS.length) this.#migrate();
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** A prepared statement; each text, of which there are a fixed few, is prepared once. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) this.#statements.set(text, statement = this.#db.prepare(text));
    return statement;
  }

  /** Runs one statement, unlike `exec()` with SQLite's result code in what it throws. */
  run(text: string): void {
    this.sql(text).run();
  }

  /** Ends a transaction without a trace, also one that SQLite has ended by itself. */
  rollback(): void {
    try {
      this.run("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself, or no transaction had begun.
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #migrate(): void {
    this.run("BEGIN IMMEDIATE");
    try {
      for (const migration of MIGRATIONS.slice(this.#schemaVersion())) this.#db.exec(migration);
      this.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
      this.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      this.run("COMMIT");
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Reads how far the schema is; a database of another or of a newer program is refused, before anything in it is changed. */
  #schemaVersion(): number {
    const version = this.#pragma("user_version");
    const empty = version === 0 && this.#db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
    if (!empty && this.#pragma("application_id") !== APPLICATION_ID) {
      throw new ChatError("unavailable", "The file is a SQLite database of another program.");
    }
    if (version > MIGRATIONS.length) {
      const versions = `its schema is ${version}, this program knows ${MIGRATIONS.length}`;
      throw new ChatError("unavailable", `The database was written by a newer version of this program (${versions}).`);
    }
    return version;
  }

  #pragma(name: string): number {
    return Number(Object.values(this.#db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  }
}

/** SQLite's primary result code for a file that cannot be opened. */
const CANNOT_OPEN = 14;

/** What the person who runs the service can do about it, by SQLite's primary result code. */
const EXPLANATIONS: Readonly<Record<number, string>> = {
  5: "The database is locked by another process.",
  6: "The database is locked by another process.",
  8: "The database is read-only.",
  10: "The disk failed while reading or writing the database.",
  11: "The database is damaged; restore it from a backup.",
  13: "The disk is full.",
  [CANNOT_OPEN]: "The database file cannot be opened: is its folder there and writable?",
  26: "The file is not a SQLite database.",
};

/** Runs `run`; what SQLite throws becomes `unavailable` with words for the cause, those of `code` where it came without one. */
export function attempt<T>(run: () => T, code = 0): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    const primary = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : code;
    throw new ChatError("unavailable", EXPLANATIONS[primary] ?? "The database failed.", { cause });
  }
}
