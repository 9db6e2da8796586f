/**
 * The port to durable storage: channels, their messages and the counter that orders them.
 *
 * @module
 */

/** A place where people talk. */
export interface Channel {
  /** 1–64 letters, digits, `-`, `_`. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Unix milliseconds of the last change to name or description. */
  readonly updatedAt: number;
  /** The `seq` of the channel's last change; 0 where nothing was ever said. */
  readonly headSeq: number;
  /** Names the life of the counter: a channel deleted and made again has another. */
  readonly epoch: string;
}

/** What a channel is made from. */
export interface ChannelDraft {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** What may be changed of a channel. */
export type ChannelPatch = Partial<Pick<ChannelDraft, "name" | "description">>;

/** A line that somebody said. */
export interface Message {
  /** A ULID; sorts in commit order within its channel. */
  readonly id: string;
  readonly channelId: string;
  readonly userId: string;
  readonly content: string;
  /** Unix milliseconds by the server's clock; never runs backwards within a channel. */
  readonly createdAt: number;
  /** Its number among the channel's changes, from 1, without holes. */
  readonly seq: number;
  /** The `seq` of its last change. */
  readonly version: number;
  readonly nonce?: string;
}

/** What a message is made from. */
export interface MessageDraft {
  readonly channelId: string;
  readonly userId: string;
  readonly content: string;
  /** Makes the append idempotent for this author in this channel, for as long as the message exists. */
  readonly nonce?: string;
}

/** The outcome of an append. */
export interface Appended {
  readonly message: Message;
  /** False where the nonce had been used: `message` is the one stored then. */
  readonly created: boolean;
}

/** Which page of a channel's messages; at most one of the cursors, each a message id and exclusive. */
export interface HistoryQuery {
  readonly limit: number;
  /** The newest page older than it. */
  readonly before?: string;
  /** The oldest page newer than it. */
  readonly after?: string;
  /** The message itself with as many as fit on both sides. */
  readonly around?: string;
}

/** A page and the state of the channel, read at one moment. */
export interface History {
  /** Oldest first. */
  readonly messages: readonly Message[];
  /** Whether there are more beyond the page, in the direction of the cursor (either one for `around`). */
  readonly hasMore: boolean;
  readonly headSeq: number;
  readonly epoch: string;
}

/**
 * Keeps channels and messages. Held by `tests/conformance/store.ts`.
 *
 * What a write resolves with is durable; a write that rejects with `unavailable` may have happened or not, anything else rejected did not happen.
 * Writes are taken in the order of the calls. Every method rejects with `not_found` where its channel or message does not exist, and with
 * `unavailable` where the storage fails; later calls succeed when its cause is gone.
 */
export interface Store extends AsyncDisposable {
  /** Channels by id, those after `after`. */
  listChannels(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }>;
  getChannel(id: string): Promise<Channel>;
  /** Rejects with `conflict` where the id is taken. */
  createChannel(draft: ChannelDraft): Promise<Channel>;
  updateChannel(id: string, patch: ChannelPatch): Promise<Channel>;
  /** The channel is gone at once, its messages are removed by {@linkcode sweep}; resolves with it as it was. */
  deleteChannel(id: string): Promise<Channel>;
  /** Gives the message the channel's next `seq`, atomically; rejects with `conflict` where the nonce was used for other content. */
  append(draft: MessageDraft): Promise<Appended>;
  getMessage(channelId: string, id: string): Promise<Message>;
  history(channelId: string, query: HistoryQuery): Promise<History>;
  /** Messages whose `version` is above `after`, in `version` order. */
  changes(channelId: string, query: { after: number; limit: number }): Promise<History>;
  /** Removes a bounded part of what nothing refers to any more; resolves with whether there is more. */
  sweep(): Promise<boolean>;
  /** Proves by a write that writes succeed. */
  ping(): Promise<void>;
}
