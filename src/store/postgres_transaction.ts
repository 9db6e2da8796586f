/**
 * One transaction on one connection.
 *
 * @module
 */

import type { ReservedSql } from "postgres";

/** What a statement is given. */
export type Value = string | number | null | readonly (string | number | null)[];

/** Statements in their order, sent without waiting for the answers of those before: a round trip carries as many as there are. */
export class PostgresTransaction {
  readonly #connection: ReservedSql;
  readonly #sent: Promise<unknown>[] = [];
  #failure: unknown;

  /** Begins; `settings` are `SET LOCAL` assignments. */
  constructor(connection: ReservedSql, begin: string, settings: readonly string[]) {
    this.#connection = connection;
    this.send([begin, ...settings.map((setting) => `SET LOCAL ${setting}`)].join("; "));
  }

  /** Sends a statement and resolves with its rows. */
  query<Row extends object>(text: string, values: readonly Value[] = []): Promise<Row[]> {
    // A text without values goes as it is: only so may it be several statements.
    const options = values.length === 0 ? {} : { prepare: true };
    const rows = this.#connection.unsafe<Row[]>(text, values as string[], options).execute();
    rows.catch((error) => this.#failure ??= error); // whoever waits for it hears of it; nobody else must
    return rows;
  }

  /** What has failed first: all that comes after it fails because of it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Sends a statement whose success {@linkcode commit} waits for. */
  send(text: string, values: readonly Value[] = []): void {
    this.#sent.push(this.query(text, values));
  }

  /** Commits where all that was sent has succeeded, in one round trip with it, and rejects otherwise. */
  async commit(): Promise<void> {
    const committing = this.query("COMMIT"); // of a transaction that has failed Postgres makes a ROLLBACK
    await Promise.all([...this.#sent, committing]);
  }

  async rollback(): Promise<void> {
    await this.query("ROLLBACK");
  }
}
