/**
 * Full-text search in Postgres (tsvector, GIN).
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import { MESSAGE, type MessageRow, QUOTED } from "./postgres_rows.ts";
import { toQuery } from "./postgres_words.ts";
import type { Found, SearchQuery } from "./store.ts";
import { toMessage } from "./stored_message.ts";

/** A search that takes longer gives what it has found; what one of its statements may take is less. */
const SEARCH_MS = 500;
/** Rows that the first step looks through, and those after it. */
const FIRST_ROWS = 2_000;
const MORE_ROWS = 10_000;

/** A row of a step; without a message where the step found none. */
type StepRow = { [Column in keyof MessageRow]: MessageRow[Column] | null } & {
  readonly channelId: string | null;
  /** Down to where the step has looked; null where it has looked through everything. */
  readonly bottom: number | null;
};

type FoundRow = MessageRow & { readonly channelId: string };

/** `at` is what the newest is found by: `key` in all channels, which is the order of commits, or `seq` in one. */
interface Texts {
  /** Looks through the next rows: always makes headway. The subselect with a limit keeps it away from the index of words. */
  readonly step: string;
  /** Looks everything up in the index of words: quick where few messages match. */
  readonly lookup: string;
}

const EVERYWHERE = texts("key", "true");
const IN_CHANNEL = texts("seq", "channel = $5::bigint");

/** Searches on connections whose statements have but little time. */
export class PostgresSearch {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /**
   * Looks through the newest messages, where common words fill a page at once; then looks the words up in the index; and where that takes too long,
   * goes on looking through messages until the time is up. Each call gets further, however common or rare the words are.
   */
  async find({ terms, channelId, limit, before }: SearchQuery): Promise<Found> {
    const deadline = performance.now() + SEARCH_MS;
    const from = before === undefined ? Number.MAX_SAFE_INTEGER : positionOf(before);
    const channel = channelId === undefined ? undefined : await this.#keyOf(channelId);
    const query = toQuery(terms, channel);
    if (query === undefined) return { messages: [], partial: false };
    const { step, lookup } = channel === undefined ? EVERYWHERE : IN_CHANNEL;
    const scope = channel === undefined ? [] : [channel];
    const rows: FoundRow[] = [];
    const missing = () => limit + 1 - rows.length;

    let at: number | null = from;
    for (let steps = 0; at !== null && missing() > 0; steps++) {
      const isLate = steps > 0 && performance.now() > deadline;
      if (isLate) return found(rows, { partial: true, next: at });
      if (steps === 1) {
        const rest: FoundRow[] | undefined = await this.#unlessLate<FoundRow>(lookup, [query, at, missing(), ...scope]);
        if (rest) {
          rows.push(...rest);
          break;
        }
      }
      const values: (string | number)[] = [query, at, missing(), steps === 0 ? FIRST_ROWS : MORE_ROWS, ...scope];
      const looked: StepRow[] | undefined = await this.#unlessLate<StepRow>(step, values);
      if (!looked) return found(rows, { partial: true, next: at });
      rows.push(...looked.filter(({ id }) => id !== null) as FoundRow[]);
      at = looked[0]?.bottom ?? null;
    }
    const last = rows[limit - 1];
    if (rows.length <= limit || !last) return found(rows.slice(0, limit), { partial: false });
    return found(rows.slice(0, limit), { partial: false, next: channel === undefined ? last.key : last.seq });
  }

  async #keyOf(channelId: string): Promise<number> {
    const [row] = await this.#pool.query<{ key: number }>("SELECT key FROM channels WHERE id = $1", [channelId]);
    if (!row) throw new ChatError("not_found", "There is no such channel.");
    return row.key;
  }

  /** The rows of a statement; undefined where its time was up. */
  async #unlessLate<Row extends object>(text: string, values: (string | number)[]): Promise<Row[] | undefined> {
    try {
      return await this.#pool.query<Row>(text, values);
    } catch (error) {
      const { cause } = error as Error;
      if (cause instanceof Error && "code" in cause && cause.code === "57014") return undefined;
      throw error;
    }
  }
}

function found(rows: readonly FoundRow[], { partial, next }: { partial: boolean; next?: number }): Found {
  const messages = rows.map((row) => toMessage(row.channelId, row));
  return { messages, partial, ...(next === undefined ? {} : { next: String(next) }) };
}

function positionOf(before: string): number {
  if (!/^\d{1,16}$/.test(before) || !Number.isSafeInteger(Number(before))) {
    throw new ChatError("invalid", "before is not the next of a page.");
  }
  return Number(before);
}

function texts(at: "key" | "seq", scope: string): Texts {
  const columns = `${MESSAGE}, c.id AS "channelId"`;
  const joins = `JOIN channels c ON c.key = m.channel ${QUOTED} WHERE m.words @@ $1::tsquery`;
  const rest = `FROM messages WHERE ${scope} AND ${at} < $2 ORDER BY ${at} DESC`;
  return {
    step:
      `SELECT e.bottom, f.* FROM (SELECT (SELECT ${at} ${rest} OFFSET $4 - 1 LIMIT 1) AS bottom) e LEFT JOIN LATERAL (` +
      `SELECT ${columns} FROM (SELECT * ${rest} LIMIT $4) m ${joins} ORDER BY m.${at} DESC LIMIT $3) f ON true`,
    // "+ 0" keeps it away from the index of the order, in which it would look through everything.
    lookup:
      `SELECT ${columns} FROM messages m ${joins} AND ${scope.replace("$5", "$4").replace("channel", "m.channel")} ` +
      `AND m.${at} + 0 < $2 ORDER BY m.${at} + 0 DESC LIMIT $3`,
  };
}
