/**
 * The whole SQLite store on one connection, synchronous: its reads, and its writes as operations of a transaction.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { SqliteChannels, toChannel } from "./sqlite_channels.ts";
import { attempt, SqliteConnection, type SqliteOptions } from "./sqlite_connection.ts";
import { SqliteHistory } from "./sqlite_history.ts";
import { SqliteMessages } from "./sqlite_messages.ts";
import { SqliteReads } from "./sqlite_reads.ts";
import { type SearchStep, SqliteSearch } from "./sqlite_search.ts";
import { SqliteUpkeep } from "./sqlite_upkeep.ts";
import type { Channel, History, HistoryQuery, Message, ReadState, SearchQuery, Store } from "./store.ts";

/** The methods of the port that write, each an operation that {@linkcode SqliteDatabase.write} runs in a transaction. */
type Writing =
  | "createChannel"
  | "updateChannel"
  | "deleteChannel"
  | "append"
  | "editMessage"
  | "deleteMessages"
  | "react"
  | "pin"
  | "markRead"
  | "eraseUser"
  | "sweep"
  | "ping";

/** The same, synchronous, with `index`: a step of what prepares search. */
export type SqliteWrites =
  & { [Name in Writing]: (...args: Parameters<Store[Name]>) => Awaited<ReturnType<Store[Name]>> }
  & { index(): boolean };

/** A write as data, so that it can cross to another thread. */
export type WriteOperation = {
  [Name in keyof SqliteWrites]: { readonly name: Name; readonly args: Parameters<SqliteWrites[Name]> };
}[keyof SqliteWrites];

/** What became of one operation: its value, or the error its caller gets. */
export type WriteResult = { readonly value: unknown } | { readonly error: ChatError };

/** Everything it throws is a {@linkcode ChatError}; what SQLite said is the `cause`. */
export class SqliteDatabase implements Disposable {
  readonly #connection: SqliteConnection;
  readonly #channels: SqliteChannels;
  readonly #history: SqliteHistory;
  readonly #messages: SqliteMessages;
  readonly #reads: SqliteReads;
  readonly #search: SqliteSearch;
  readonly #writes: SqliteWrites;

  /** Opens or creates the file; see {@linkcode SqliteConnection}. */
  constructor(options: SqliteOptions, now: () => number = Date.now) {
    const connection = this.#connection = new SqliteConnection(options);
    const channels = this.#channels = new SqliteChannels(connection, now);
    const history = this.#history = new SqliteHistory(connection, channels);
    const search = this.#search = new SqliteSearch(connection);
    const messages = this.#messages = new SqliteMessages({ connection, channels, history, search, now });
    const reads = this.#reads = new SqliteReads(connection, channels);
    const upkeep = new SqliteUpkeep({ connection, messages, search, now });
    this.#writes = {
      createChannel: (draft) => channels.create(draft),
      updateChannel: (id, patch) => channels.update(id, patch),
      deleteChannel: (id) => channels.delete(id),
      append: (draft) => messages.append(draft),
      editMessage: (channelId, id, patch) => messages.edit(channelId, id, patch),
      deleteMessages: (channelId, ids) => messages.delete(channelId, ids),
      react: (channelId, id, requests) => messages.react(channelId, id, requests),
      pin: (channelId, id, pinned) => messages.pin(channelId, id, pinned),
      markRead: (channelId, userId, seq) => reads.mark(channelId, userId, seq),
      eraseUser: (userId, after) => upkeep.erase(userId, after),
      index: () => search.index(),
      sweep: () => upkeep.sweep(),
      ping: () => {
        connection.sql("INSERT OR REPLACE INTO pings (id, at) VALUES (1, ?)").run(now());
      },
    };
  }

  /**
   * Runs operations in order in one transaction.
   *
   * An operation that is refused (`not_found`, `conflict`, …) leaves the others as they are; where the storage fails all of them get that error
   * and none has happened.
   */
  write(operations: readonly WriteOperation[]): WriteResult[] {
    try {
      return attempt(() => {
        this.#connection.run("BEGIN IMMEDIATE");
        const results = operations.map((operation) => this.#perform(operation));
        this.#connection.run("COMMIT");
        return results;
      });
    } catch (error) {
      this.#connection.rollback();
      return operations.map(() => ({ error: error as ChatError }));
    }
  }

  identity(): string {
    return attempt(() => String(this.#connection.sql("SELECT value FROM identity").get()?.value));
  }

  listChannels(query: { limit: number; after?: string }): { channels: Channel[]; hasMore: boolean } {
    const { rows, hasMore } = this.#channels.list(query);
    return { channels: rows.map(toChannel), hasMore };
  }

  getChannel(id: string): Channel {
    return this.#channels.get(id);
  }

  getMessage(channelId: string, id: string): Message {
    return this.#history.get(channelId, id);
  }

  history(channelId: string, query: HistoryQuery): History {
    return this.#history.page(channelId, query);
  }

  changes(channelId: string, query: { after: number; limit: number }): History {
    return this.#history.changes(channelId, query);
  }

  pins(channelId: string, query: { limit: number; before?: string }): History {
    return this.#history.pins(channelId, query);
  }

  reactors(
    channelId: string,
    id: string,
    { limit, ...query }: { emoji: string; limit: number; after?: string },
  ): { userIds: string[]; hasMore: boolean } {
    const channel = this.#channels.row(channelId);
    const { seq } = this.#history.get(channelId, id);
    const userIds = attempt(() => this.#messages.reactors(channel.key, seq, { ...query, limit: limit + 1 }));
    return { userIds: userIds.slice(0, limit), hasMore: userIds.length > limit };
  }

  unread(userId: string, query: { limit: number; after?: string }): { states: ReadState[]; hasMore: boolean } {
    return this.#reads.list(userId, query);
  }

  /** Whether {@linkcode SqliteWrites.index} has something to do before a search. */
  get isSearchBehind(): boolean {
    return this.#search.isBehind;
  }

  searchStep(query: Omit<SearchQuery, "before">, before: number): SearchStep {
    return this.#search.step(query, before);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  #perform({ name, args }: WriteOperation): WriteResult {
    try {
      return { value: (this.#writes[name] as (...args: unknown[]) => unknown)(...args) };
    } catch (error) {
      // Where the storage fails nobody can tell what has happened of this operation: the transaction goes, with all of them.
      if (error instanceof ChatError && error.code !== "unavailable") return { error };
      throw error;
    }
  }
}
