/**
 * Connections to Postgres, with a deadline on everything.
 *
 * @module
 */

import postgres from "postgres";
import { ChatError } from "../errors.ts";
import { explain, isBroken } from "./postgres_errors.ts";
import { PostgresTransaction, type Value } from "./postgres_transaction.ts";
import type { PostgresUrl } from "./postgres_url.ts";

/** How a {@linkcode PostgresPool} connects. */
export interface PostgresPoolOptions extends PostgresUrl {
  /** Connections at the most; for transactions one. */
  readonly size: number;
  /** What a call may take, and connecting. */
  readonly timeoutMs: number;
  /** What a statement may take, where that is less. */
  readonly statementMs?: number;
}

/** What a transaction is run with. */
export interface TransactionOptions {
  readonly begin?: string;
  /** `SET LOCAL` assignments. */
  readonly settings?: readonly string[];
  /** Milliseconds, in place of what a statement may take. */
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly until: number;
  readonly start: () => void;
}

/** What the server gets to say first that time is up, before the connection counts as dead. */
const GRACE_MS = 250;
/** Calls that may wait for a connection; one more is refused. */
const MAX_WAITING = 5_000;

/**
 * A pool whose calls end in time whatever the server does.
 *
 * postgres.js waits for ever on a server that is frozen, and its connections are not to be trusted once one has failed in the middle of something
 * (what was not yet written is written to the next one). So a connection that is late or fails takes the pool along: the next call opens another
 * one, what is under way in the old one may end there.
 */
export class PostgresPool implements AsyncDisposable {
  readonly #options: PostgresPoolOptions;
  readonly #waiting: Waiting[] = [];
  readonly #calls = new Set<Promise<unknown>>();
  readonly #retiring = new Set<Promise<void>>();
  #sql: postgres.Sql | undefined;
  #isOpen = false;
  #free: number;
  #closing: Promise<void> | undefined;

  constructor(options: PostgresPoolOptions) {
    this.#options = options;
    this.#free = options.size;
  }

  /** One statement, prepared at its first use on a connection: there may be only so many texts. */
  query<Row extends object>(text: string, values: readonly Value[] = []): Promise<Row[]> {
    return this.#call((sql) => sql.unsafe<Row[]>(text, values as string[], { prepare: true }), this.#options.timeoutMs);
  }

  /** Runs `run` in a transaction, which is committed when it resolves; only in a pool of one connection. */
  transaction<T>(
    run: (transaction: PostgresTransaction) => Promise<T>,
    { begin = "BEGIN", settings = [], timeoutMs = this.#options.timeoutMs }: TransactionOptions = {},
  ): Promise<T> {
    return this.#call(async (sql) => {
      // reserve() waits for ever where it has to connect first and `fetch_types` is off.
      if (!this.#isOpen) await sql.unsafe("SELECT 1");
      this.#isOpen = true;
      const connection = await sql.reserve();
      const transaction = new PostgresTransaction(connection, begin, settings);
      try {
        const value = await run(transaction);
        await transaction.commit();
        connection.release();
        return value;
      } catch (thrown) {
        const error = transaction.failure ?? thrown;
        // A connection that has failed is not touched again: postgres.js would write to a socket that is no more.
        if (isBroken(error)) throw error;
        await transaction.rollback();
        connection.release();
        throw error;
      }
    }, timeoutMs);
  }

  /** Waits for what is under way, then closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#calls);
    if (this.#sql) this.#retire(this.#sql, GRACE_MS);
    await Promise.all(this.#retiring);
  }

  #call<T>(work: (sql: postgres.Sql) => Promise<T>, timeoutMs: number): Promise<T> {
    if (this.#closing) return Promise.reject(new ChatError("unavailable", "The storage is closed."));
    const call = new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new ChatError("unavailable", "The database did not answer in time.", { retryAfterMs: 1_000 }));
      }, timeoutMs + 2 * GRACE_MS);
      const settle = () => clearTimeout(timer);
      const start = () => this.#work(work, timeoutMs).then(resolve, (error) => reject(explain(error))).finally(settle);
      if (this.#free > 0) {
        this.#free--;
        start();
      } else if (this.#waiting.length < MAX_WAITING) {
        this.#waiting.push({ until: performance.now() + timeoutMs, start });
      } else {
        settle();
        reject(new ChatError("unavailable", "Too many calls wait for the database.", { retryAfterMs: 1_000 }));
      }
    });
    this.#calls.add(call);
    const done = () => this.#calls.delete(call);
    call.then(done, done);
    return call;
  }

  /** Works on a connection that has been taken, and gives it back. */
  async #work<T>(work: (sql: postgres.Sql) => Promise<T>, timeoutMs: number): Promise<T> {
    const sql = this.#sql ??= this.#connect();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#retire(sql, 0);
        reject(new ChatError("unavailable", "The database did not answer in time.", { retryAfterMs: 1_000 }));
      }, timeoutMs + GRACE_MS);
    });
    try {
      return await Promise.race([work(sql), late]);
    } catch (error) {
      if (isBroken(error)) this.#retire(sql, this.#options.timeoutMs);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#leave();
    }
  }

  #leave(): void {
    const now = performance.now();
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (now < next.until) return next.start();
    }
    this.#free++;
  }

  #connect(): postgres.Sql {
    this.#isOpen = false;
    const sql = connect(this.#options, () => {
      if (this.#sql === sql) this.#isOpen = false;
    });
    return sql;
  }

  /** Lets nothing more begin in a pool; what is under way there has `ms` to end. */
  #retire(sql: postgres.Sql, ms: number): void {
    if (this.#sql !== sql) return;
    this.#sql = undefined;
    const retiring = sql.end({ timeout: ms / 1_000 }).catch(() => {}).finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
  }
}

function connect(options: PostgresPoolOptions, onclose: () => void): postgres.Sql {
  const { url, schema, size, timeoutMs, statementMs = timeoutMs } = options;
  return postgres(url, {
    max: size,
    connect_timeout: timeoutMs / 1_000,
    // By itself it would wait up to 20 seconds before it connects again, while calls wait.
    backoff: () => 0.05,
    // Its own query for array types is waited for by nobody: it would take the process down where the server goes away just then.
    fetch_types: false,
    types: { bigint: BIGINT, texts: array(1009), bigints: array(1016) },
    onnotice: () => {},
    onclose,
    connection: {
      application_name: "chat",
      statement_timeout: statementMs,
      // An instance that dies in a transaction without a word must not keep its channels locked.
      idle_in_transaction_session_timeout: timeoutMs,
      ...(schema === undefined ? {} : { search_path: schema }),
    },
  }) as unknown as postgres.Sql;
}

/** Every number of ours is far below 2^53. */
const BIGINT = { to: 20, from: [20], serialize: String, parse: Number };

function array(oid: number) {
  return {
    to: oid,
    from: [],
    serialize: (values: readonly (string | number | null)[]) => `{${values.map(element).join(",")}}`,
    parse: (text: string) => text,
  };
}

function element(value: string | number | null): string {
  return value === null ? "NULL" : `"${String(value).replace(/["\\]/g, "\\$&")}"`;
}
