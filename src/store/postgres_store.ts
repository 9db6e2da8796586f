/**
 * The store for several instances: Postgres, group commit, one statement a read.
 *
 * @module
 */

import { PostgresBatch } from "./postgres_batch.ts";
import { PostgresChannels } from "./postgres_channels.ts";
import { PostgresHistory } from "./postgres_history.ts";
import { PostgresMessages } from "./postgres_messages.ts";
import { migrate } from "./postgres_migrations.ts";
import { PostgresPool } from "./postgres_pool.ts";
import { listUnread, markRead } from "./postgres_reads.ts";
import { PostgresSearch } from "./postgres_search.ts";
import { eraseUser, sweep } from "./postgres_upkeep.ts";
import { parsePostgresUrl } from "./postgres_url.ts";
import { PostgresWriter } from "./postgres_writer.ts";
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

/** How a database is opened. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; `?schema=` names where the tables are. */
  readonly url: string;
  readonly now?: () => number;
  /** What a call may take; half a second later its caller hears `unavailable`, whatever the server does. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
/** Connections that read; with the one that writes and those that search ten. */
const READERS = 7;
const SEARCHERS = 2;
/** What a statement of a search may take. */
const SEARCH_STATEMENT_MS = 250;
const PING = "INSERT INTO pings (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at";

/**
 * Reads on connections of their own, each in one round trip, and writes in batches: what arrives while a transaction is being committed shares the
 * next one. The row of a channel is the lock under which its counter moves, so that any number of instances share a database.
 */
export class PostgresStore implements Store {
  readonly #pools: readonly PostgresPool[];
  readonly #reader: PostgresPool;
  readonly #writer: PostgresWriter;
  readonly #now: () => number;
  readonly #channels: PostgresChannels;
  readonly #history: PostgresHistory;
  readonly #messages: PostgresMessages;
  readonly #search: PostgresSearch;
  #closing: Promise<void> | undefined;

  private constructor({ url, now = Date.now, timeoutMs = TIMEOUT_MS }: PostgresOptions) {
    const to = { ...parsePostgresUrl(url), timeoutMs };
    const writing = new PostgresPool({ ...to, size: 1 });
    const reading = this.#reader = new PostgresPool({ ...to, size: READERS });
    const searching = new PostgresPool({ ...to, size: SEARCHERS, statementMs: SEARCH_STATEMENT_MS });
    this.#pools = [writing, reading, searching];
    this.#now = now;
    this.#writer = new PostgresWriter({ pool: writing, now, timeoutMs });
    this.#channels = new PostgresChannels(reading, now);
    this.#history = new PostgresHistory(reading);
    this.#messages = new PostgresMessages(now);
    this.#search = new PostgresSearch(searching);
  }

  /** Connects and brings the schema up to date; rejects with `unavailable` and the reason where that cannot be done. */
  static async open(options: PostgresOptions): Promise<PostgresStore> {
    const store = new PostgresStore(options);
    try {
      const [writing] = store.#pools;
      if (writing) await migrate(writing, parsePostgresUrl(options.url).schema);
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  createChannel(draft: ChannelDraft): Promise<Channel> {
    return this.#alone([], (batch) => this.#channels.create(batch, draft));
  }

  updateChannel(id: string, patch: ChannelPatch): Promise<Channel> {
    return this.#alone([id], (batch) => this.#channels.update(batch, id, patch));
  }

  deleteChannel(id: string): Promise<Channel> {
    return this.#alone([id], (batch) => this.#channels.delete(batch, id));
  }

  append(draft: MessageDraft): Promise<Appended> {
    return this.#writer.append(draft);
  }

  editMessage(channelId: string, id: string, patch: MessagePatch): Promise<Changed> {
    return this.#writer.change(channelId, (batch) => this.#messages.edit(batch, channelId, id, patch));
  }

  deleteMessages(channelId: string, ids: readonly string[]): Promise<Changed[]> {
    return this.#writer.change(channelId, (batch) => this.#messages.delete(batch, channelId, ids));
  }

  react(channelId: string, id: string, requests: readonly ReactionRequest[]): Promise<Reacted> {
    return this.#writer.change(channelId, (batch) => this.#messages.react(batch, channelId, id, requests));
  }

  pin(channelId: string, id: string, pinned: boolean): Promise<Changed> {
    return this.#writer.change(channelId, (batch) => this.#messages.pin(batch, channelId, id, pinned));
  }

  markRead(channelId: string, userId: string, seq: number): Promise<ReadState> {
    return this.#writer.change(channelId, (batch) => markRead(batch, channelId, userId, seq));
  }

  eraseUser(userId: string, after?: string): Promise<{ stubs: Message[]; next?: string }> {
    return this.#writer.transaction((transaction) => eraseUser(transaction, this.#messages, userId, after));
  }

  sweep(): Promise<boolean> {
    return this.#writer.transaction((transaction) => sweep(transaction, this.#now));
  }

  ping(): Promise<void> {
    return this.#writer.transaction(async (transaction) => {
      await transaction.query(PING, [this.#now()]);
    });
  }

  async identity(): Promise<string> {
    const [row] = await this.#reader.query<{ value: string }>("SELECT value FROM identity");
    return row?.value ?? "";
  }

  listChannels(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }> {
    return this.#channels.list(query);
  }

  getChannel(id: string): Promise<Channel> {
    return this.#channels.get(id);
  }

  getMessage(channelId: string, id: string): Promise<Message> {
    return this.#history.get(channelId, id);
  }

  history(channelId: string, query: HistoryQuery): Promise<History> {
    return this.#history.page(channelId, query);
  }

  changes(channelId: string, query: { after: number; limit: number }): Promise<History> {
    return this.#history.changes(channelId, query);
  }

  pins(channelId: string, query: { limit: number; before?: string }): Promise<History> {
    return this.#history.pins(channelId, query);
  }

  reactors(
    channelId: string,
    id: string,
    query: { emoji: string; limit: number; after?: string },
  ): Promise<{ userIds: string[]; hasMore: boolean }> {
    return this.#history.reactors(channelId, id, query);
  }

  unread(userId: string, query: { limit: number; after?: string }): Promise<{ states: ReadState[]; hasMore: boolean }> {
    return listUnread(this.#reader, userId, query);
  }

  search(query: SearchQuery): Promise<Found> {
    return this.#search.find(query);
  }

  /** Commits what is waiting, then closes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
    await Promise.all(this.#pools.map((pool) => pool[Symbol.asyncDispose]()));
  }

  #alone<T>(channelIds: string[], run: (batch: PostgresBatch) => Promise<T>): Promise<T> {
    return this.#writer.transaction((transaction) => run(new PostgresBatch(transaction, channelIds)));
  }
}
