/**
 * The embedded store: SQLite in WAL mode, group commit, reads on the spot.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { SqliteOptions } from "./sqlite_connection.ts";
import { SqliteDatabase, type SqliteWrites, type WriteOperation } from "./sqlite_database.ts";
import type { SearchStep } from "./sqlite_search.ts";
import { type SqliteWriter, SqliteWriterThread } from "./sqlite_writer.ts";
import type {
  Appended,
  Changed,
  Channel,
  ChannelDraft,
  ChannelPatch,
  Found,
  History,
  HistoryQuery,
  Message,
  MessageDraft,
  MessagePatch,
  Reacted,
  ReactionRequest,
  ReadState,
  SearchQuery,
  Store,
} from "./store.ts";

interface Waiting {
  readonly operation: WriteOperation;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

/** Writes that may wait for the disk; one more is refused with `unavailable`. */
const MAX_WAITING = 5_000;
/** Writes that share a transaction at the most. */
const MAX_BATCH = 500;
/** A search that takes longer gives what it has found. */
const SEARCH_MS = 500;

/**
 * Reads inline (tens of microseconds; WAL readers never wait for the writer) and writes in batches: what arrives while a transaction is being
 * committed shares the next one, so a slow disk makes larger batches, not a longer queue.
 */
export class SqliteStore implements Store {
  readonly #reader: SqliteDatabase;
  readonly #writer: SqliteWriter;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(reader: SqliteDatabase, writer: SqliteWriter) {
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Opens or creates the file; rejects with `unavailable` and the reason where that cannot be done. */
  static async open(options: SqliteOptions): Promise<SqliteStore> {
    const writer = await SqliteWriterThread.open(options);
    try {
      return new SqliteStore(new SqliteDatabase({ ...options, readOnly: true }), writer);
    } catch (error) {
      await writer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The same in memory, on one connection and without a thread: gone when the process ends. */
  static inMemory(now: () => number = Date.now): SqliteStore {
    const database = new SqliteDatabase({ path: ":memory:", synchronous: "normal" }, now);
    return new SqliteStore(database, {
      write: (operations) => Promise.resolve(database.write(operations)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  createChannel(draft: ChannelDraft): Promise<Channel> {
    return this.#write("createChannel", draft);
  }

  updateChannel(id: string, patch: ChannelPatch): Promise<Channel> {
    return this.#write("updateChannel", id, patch);
  }

  deleteChannel(id: string): Promise<Channel> {
    return this.#write("deleteChannel", id);
  }

  append(draft: MessageDraft): Promise<Appended> {
    return this.#write("append", draft);
  }

  editMessage(channelId: string, id: string, patch: MessagePatch): Promise<Changed> {
    return this.#write("editMessage", channelId, id, patch);
  }

  deleteMessages(channelId: string, ids: readonly string[]): Promise<Changed[]> {
    return this.#write("deleteMessages", channelId, ids);
  }

  react(channelId: string, id: string, requests: readonly ReactionRequest[]): Promise<Reacted> {
    return this.#write("react", channelId, id, requests);
  }

  pin(channelId: string, id: string, pinned: boolean): Promise<Changed> {
    return this.#write("pin", channelId, id, pinned);
  }

  markRead(channelId: string, userId: string, seq: number): Promise<ReadState> {
    return this.#write("markRead", channelId, userId, seq);
  }

  eraseUser(userId: string, after?: string): Promise<{ stubs: Message[]; next?: string }> {
    return this.#write("eraseUser", userId, after);
  }

  sweep(): Promise<boolean> {
    return this.#write("sweep");
  }

  ping(): Promise<void> {
    return this.#write("ping");
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async identity(): Promise<string> {
    return this.#reader.identity();
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async listChannels(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }> {
    return this.#reader.listChannels(query);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async getChannel(id: string): Promise<Channel> {
    return this.#reader.getChannel(id);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async getMessage(channelId: string, id: string): Promise<Message> {
    return this.#reader.getMessage(channelId, id);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async history(channelId: string, query: HistoryQuery): Promise<History> {
    return this.#reader.history(channelId, query);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async changes(channelId: string, query: { after: number; limit: number }): Promise<History> {
    return this.#reader.changes(channelId, query);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async pins(channelId: string, query: { limit: number; before?: string }): Promise<History> {
    return this.#reader.pins(channelId, query);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async reactors(
    channelId: string,
    id: string,
    query: { emoji: string; limit: number; after?: string },
  ): Promise<{ userIds: string[]; hasMore: boolean }> {
    return this.#reader.reactors(channelId, id, query);
  }

  // deno-lint-ignore require-await -- what the reader throws must be a rejection
  async unread(
    userId: string,
    query: { limit: number; after?: string },
  ): Promise<{ states: ReadState[]; hasMore: boolean }> {
    return this.#reader.unread(userId, query);
  }

  /** Looks through the messages in steps of a few milliseconds, between which sockets have their turn. */
  async search({ before, ...query }: SearchQuery): Promise<Found> {
    const from = before === undefined ? Number.MAX_SAFE_INTEGER : rowOf(before);
    const deadline = Date.now() + SEARCH_MS;
    const isInTime = () => Date.now() < deadline;
    while (this.#reader.isSearchBehind && isInTime()) await this.#write("index");
    let partial = this.#reader.isSearchBehind;
    const found: SearchStep["found"][number][] = [];
    let next: number | undefined = from;
    while (next !== undefined && found.length <= query.limit) {
      if (next !== from && !isInTime()) {
        partial = true;
        break;
      }
      const step: SearchStep = this.#reader.searchStep({ ...query, limit: query.limit + 1 - found.length }, next);
      found.push(...step.found);
      next = step.next;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const shown = found.slice(0, query.limit);
    const end = found.length > query.limit ? shown.at(-1)?.row : next;
    return {
      messages: shown.map(({ message }) => message),
      partial,
      ...(end === undefined ? {} : { next: String(end) }),
    };
  }

  /** Commits what is waiting, then closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#writing;
    await this.#writer[Symbol.asyncDispose]();
    this.#reader[Symbol.dispose]();
  }

  #write<Name extends keyof SqliteWrites>(
    name: Name,
    ...args: Parameters<SqliteWrites[Name]>
  ): Promise<ReturnType<SqliteWrites[Name]>> {
    if (this.#closing) return Promise.reject(new ChatError("unavailable", "The storage is closed."));
    if (this.#waiting.length >= MAX_WAITING) {
      const message = "Too many writes are waiting for the disk.";
      return Promise.reject(new ChatError("unavailable", message, { retryAfterMs: 1_000 }));
    }
    return new Promise((resolve, reject) => {
      const operation = { name, args } as WriteOperation;
      this.#waiting.push({ operation, resolve: resolve as (value: unknown) => void, reject });
      this.#writing ??= this.#commit();
    });
  }

  async #commit(): Promise<void> {
    await Promise.resolve(); // what this turn still writes joins the first batch
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      const results = await this.#writer.write(batch.map(({ operation }) => operation));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result && "value" in result) resolve(result.value);
        else reject(result?.error ?? new ChatError("unavailable", "The storage gave no answer."));
      }
    }
    this.#writing = undefined;
  }
}

function rowOf(before: string): number {
  if (!/^\d{1,15}$/.test(before)) throw new ChatError("invalid", "before is not the next of a page.");
  return Number(before);
}
