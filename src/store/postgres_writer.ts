/**
 * The writes of one store, in their order, several in a transaction.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { append } from "./postgres_appends.ts";
import { PostgresBatch } from "./postgres_batch.ts";
import { explain, isUnfit } from "./postgres_errors.ts";
import type { PostgresPool } from "./postgres_pool.ts";
import type { PostgresTransaction } from "./postgres_transaction.ts";
import type { Appended, MessageDraft } from "./store.ts";

/** A write of one channel that shares a transaction with others. */
interface ChannelWrite {
  readonly channelId: string;
  readonly run: (batch: PostgresBatch) => Promise<unknown>;
}

/** A write that has a transaction of its own. */
interface LoneWrite {
  readonly alone: (transaction: PostgresTransaction) => Promise<unknown>;
}

type Write = { readonly draft: MessageDraft } | ChannelWrite | LoneWrite;

interface Waiting {
  readonly write: Write;
  readonly since: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

/** What became of a write: its value, or the error its caller gets. */
type Outcome = { readonly value: unknown } | { readonly error: ChatError };

/** Writes that may wait; one more is refused with `unavailable`. */
const MAX_WAITING = 5_000;
/** Appends that share a transaction at the most; another write weighs as much as several of them. */
const MAX_BATCH = 500;
const WEIGHT = 10;
/** The part of its time that a write may wait before its transaction begins. */
const PATIENCE = 0.8;

/** How a {@linkcode PostgresWriter} writes. */
export interface PostgresWriterOptions {
  /** Of one connection. */
  readonly pool: PostgresPool;
  readonly now: () => number;
  /** What a write may take, with its waiting. */
  readonly timeoutMs: number;
}

/** Takes writes in the order of the calls: what arrives while a transaction is being committed shares the next one. */
export class PostgresWriter implements AsyncDisposable {
  readonly #options: PostgresWriterOptions;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: PostgresWriterOptions) {
    this.#options = options;
  }

  append(draft: MessageDraft): Promise<Appended> {
    return this.#enqueue({ draft });
  }

  /** Runs `run` in a batch that has locked the channel. */
  change<T>(channelId: string, run: (batch: PostgresBatch) => Promise<T>): Promise<T> {
    return this.#enqueue({ channelId, run });
  }

  /** Runs `alone` in a transaction of its own. */
  transaction<T>(alone: (transaction: PostgresTransaction) => Promise<T>): Promise<T> {
    return this.#enqueue({ alone });
  }

  /** Commits what is waiting. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }

  #enqueue<T>(write: Write): Promise<T> {
    if (this.#isClosed) return Promise.reject(new ChatError("unavailable", "The storage is closed."));
    if (this.#waiting.length >= MAX_WAITING) {
      const message = "Too many writes wait for the database.";
      return Promise.reject(new ChatError("unavailable", message, { retryAfterMs: 1_000 }));
    }
    return new Promise((resolve, reject) => {
      const since = performance.now();
      this.#waiting.push({ write, since, resolve: resolve as (value: unknown) => void, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // what this turn still writes joins the first batch
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      const outcomes = await this.#perform(batch);
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome && "value" in outcome) resolve(outcome.value);
        else reject(outcome?.error ?? new ChatError("unavailable", "The storage gave no answer."));
      }
    }
    this.#writing = undefined;
  }

  /** The writes that come next and can share a transaction; those that have waited too long are refused. */
  #take(): Waiting[] {
    const tooOld = performance.now() - this.#options.timeoutMs * PATIENCE;
    const batch: Waiting[] = [];
    let weight = 0;
    for (let next = this.#waiting[0]; next && weight < MAX_BATCH; next = this.#waiting[0]) {
      const { since, reject, write } = next;
      if (since < tooOld) {
        reject(new ChatError("unavailable", "The database is too slow.", { retryAfterMs: 1_000 }));
      } else if ("alone" in write) {
        if (batch.length > 0) break;
        batch.push(next);
        weight = MAX_BATCH;
      } else {
        batch.push(next);
        weight += "draft" in write ? 1 : WEIGHT;
      }
      this.#waiting.shift();
    }
    return batch;
  }

  async #perform(waiting: readonly Waiting[]): Promise<Outcome[]> {
    const [oldest] = waiting;
    const timeoutMs = this.#options.timeoutMs - (performance.now() - (oldest?.since ?? 0));
    try {
      return await this.#options.pool.transaction(
        (transaction) => this.#run(transaction, waiting.map(({ write }) => write)),
        { timeoutMs },
      );
    } catch (thrown) {
      const error = explain(thrown);
      // One write that cannot be stored must not take the others along; nothing of them has happened.
      if (waiting.length > 1 && isUnfit(error.cause)) return await this.#performEach(waiting);
      return waiting.map(() => ({ error }));
    }
  }

  async #performEach(waiting: readonly Waiting[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const one of waiting) outcomes.push(...await this.#perform([one]));
    return outcomes;
  }

  async #run(transaction: PostgresTransaction, writes: readonly Write[]): Promise<Outcome[]> {
    const [first] = writes;
    if (first && "alone" in first) return [await outcomeOf(first.alone(transaction))];
    const batch = new PostgresBatch(transaction, [...new Set(writes.map(channelOf))]);
    const outcomes: Outcome[] = [];
    for (let from = 0; from < writes.length;) {
      const drafts = draftsFrom(writes, from);
      const write = writes[from];
      if (drafts.length > 0) outcomes.push(...(await append(batch, drafts, this.#options.now)).map(toOutcome));
      else if (write && "run" in write) outcomes.push(await outcomeOf(write.run(batch)));
      from += Math.max(1, drafts.length);
    }
    batch.close();
    return outcomes;
  }
}

/** The appends that follow one another from an index on. */
function draftsFrom(writes: readonly Write[], from: number): MessageDraft[] {
  const drafts: MessageDraft[] = [];
  for (let write = writes[from]; write && "draft" in write; write = writes[from + drafts.length]) {
    drafts.push(write.draft);
  }
  return drafts;
}

function channelOf(write: Write): string {
  if ("draft" in write) return write.draft.channelId;
  return "channelId" in write ? write.channelId : "";
}

function toOutcome(value: Appended | ChatError): Outcome {
  return value instanceof ChatError ? { error: value } : { value };
}

/** What is refused leaves the transaction as it was; anything else ends it. */
async function outcomeOf(running: Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await running };
  } catch (error) {
    if (error instanceof ChatError) return { error };
    throw error;
  }
}
