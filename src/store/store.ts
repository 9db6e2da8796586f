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
  /** Days after which {@linkcode Store.sweep} removes a message for good; absent where none is. */
  readonly retentionDays?: number;
  /** How many messages, the newest, {@linkcode Store.sweep} leaves; absent where it leaves all. */
  readonly retentionCount?: number;
}

/** What a channel is made from. */
export interface ChannelDraft {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly retentionDays?: number;
  readonly retentionCount?: number;
}

/** What may be changed of a channel; null takes a limit away. */
export interface ChannelPatch {
  readonly name?: string;
  readonly description?: string;
  readonly retentionDays?: number | null;
  readonly retentionCount?: number | null;
}

/** What an application hangs on a message; a JSON object. */
export type Metadata = Readonly<Record<string, unknown>>;

/** The message that another one answers, as it is now; only its id where it was deleted. */
export interface Quote {
  readonly id: string;
  readonly userId?: string;
  /** Its first 100 code points. */
  readonly content?: string;
}

/** Who reacted with one emoji. */
export interface Reaction {
  readonly emoji: string;
  readonly count: number;
  /** Up to {@linkcode SHOWN_REACTORS} of them; {@linkcode Store.reactors} has all. */
  readonly userIds: readonly string[];
}

/** Users that a {@linkcode Reaction} names. */
export const SHOWN_REACTORS = 20;
/** Kinds of reactions that a message takes. */
export const MAX_REACTIONS = 20;
/** Messages that are pinned in a channel at the most. */
export const MAX_PINS = 250;
/** Unread messages that are counted; there may be more. */
export const MAX_UNREAD = 1_000;

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
  readonly replyTo?: Quote;
  readonly metadata?: Metadata;
  /** The users it names, each once. */
  readonly mentions?: readonly string[];
  readonly reactions?: readonly Reaction[];
  /** Unix milliseconds of the last edit. */
  readonly editedAt?: number;
  /** Unix milliseconds. */
  readonly pinnedAt?: number;
  /** It was deleted: it keeps its place, its author and its times, and nothing else. */
  readonly deleted?: true;
}

/** What a message is made from. */
export interface MessageDraft {
  readonly channelId: string;
  readonly userId: string;
  readonly content: string;
  /** Makes the append idempotent for this author in this channel, for as long as the message or its stub exists. */
  readonly nonce?: string;
  /** The id of a message of the same channel. */
  readonly replyTo?: string;
  readonly metadata?: Metadata;
  readonly mentions?: readonly string[];
}

/** What an edit makes of a message; what is absent stays, null takes the metadata away. */
export interface MessagePatch {
  readonly content?: string;
  /** Comes with `content`. */
  readonly mentions?: readonly string[];
  readonly metadata?: Metadata | null;
}

/** The outcome of an append. */
export interface Appended {
  readonly message: Message;
  /** False where the nonce had been used: `message` is the one stored then. */
  readonly created: boolean;
}

/** The outcome of a change; where nothing had to change, none happened and no `seq` was taken. */
export interface Changed {
  readonly message: Message;
  readonly changed: boolean;
}

/** A user's wish for one emoji on a message. */
export interface ReactionRequest {
  readonly userId: string;
  readonly emoji: string;
  /** Whether it is to be there. */
  readonly on: boolean;
}

/** The outcome of several reactions, which share one `seq`. */
export interface Reacted extends Changed {
  /** For each request, whether it was refused because the message has {@linkcode MAX_REACTIONS} kinds already. */
  readonly refused: readonly boolean[];
}

/** How far a user has read a channel, and what is left. */
export interface ReadState {
  readonly channelId: string;
  readonly headSeq: number;
  /** 0 where the user never read. */
  readonly lastReadSeq: number;
  /** Messages of others, not deleted, after `lastReadSeq`; the oldest {@linkcode MAX_UNREAD} messages there are looked at. */
  readonly unread: number;
  /** Those among them that mention the user. */
  readonly mentions: number;
}

/** Words that must all be there: in this order and next to one another within a term; its last one is a beginning where `prefix` says so. */
export interface SearchTerm {
  readonly text: string;
  readonly prefix: boolean;
}

/** What to search for. */
export interface SearchQuery {
  readonly terms: readonly SearchTerm[];
  /** All channels where absent. */
  readonly channelId?: string;
  readonly limit: number;
  /** Goes on where an earlier page ended. */
  readonly before?: string;
}

/** A page of what was found. */
export interface Found {
  /** Newest first. */
  readonly messages: readonly Message[];
  /** Where to go on; absent where there is no more. */
  readonly next?: string;
  /** The time was up before the page was full: there may be more further on. */
  readonly partial: boolean;
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
  /** The highest `version` that retention has removed; 0 where it has removed nothing. */
  readonly purgedSeq: number;
}

/**
 * Keeps channels and messages. Held by `tests/conformance/store.ts`.
 *
 * What a write resolves with is durable; a write that rejects with `unavailable` may have happened or not, anything else rejected did not happen.
 * Writes are taken in the order of the calls. Every method rejects with `not_found` where its channel or message does not exist, and with
 * `unavailable` where the storage fails; later calls succeed when its cause is gone.
 */
export interface Store extends AsyncDisposable {
  /** Names this storage, whoever opens it and for as long as it is there: instances that name different ones do not belong together. */
  identity(): Promise<string>;
  /** Channels by id, those after `after`. */
  listChannels(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }>;
  getChannel(id: string): Promise<Channel>;
  /** Rejects with `conflict` where the id is taken. */
  createChannel(draft: ChannelDraft): Promise<Channel>;
  updateChannel(id: string, patch: ChannelPatch): Promise<Channel>;
  /** The channel is gone at once, its messages are removed by {@linkcode sweep}; resolves with it as it was. */
  deleteChannel(id: string): Promise<Channel>;
  /**
   * Gives the message the channel's next `seq`, atomically; rejects with `conflict` where the nonce was used for another message, with `invalid`
   * where the message it answers is not there or deleted.
   */
  append(draft: MessageDraft): Promise<Appended>;
  /** Rejects with `not_found` for a deleted message. */
  editMessage(channelId: string, id: string, patch: MessagePatch): Promise<Changed>;
  /** Leaves a stub of each, each with a `seq` of its own, one after the other; ids of no message are passed over. */
  deleteMessages(channelId: string, ids: readonly string[]): Promise<Changed[]>;
  /** Rejects with `not_found` for a deleted message. */
  react(channelId: string, id: string, requests: readonly ReactionRequest[]): Promise<Reacted>;
  /** Rejects with `not_found` for a deleted message, with `conflict` where {@linkcode MAX_PINS} are pinned. */
  pin(channelId: string, id: string, pinned: boolean): Promise<Changed>;
  getMessage(channelId: string, id: string): Promise<Message>;
  history(channelId: string, query: HistoryQuery): Promise<History>;
  /** Messages whose `version` is above `after`, in `version` order. */
  changes(channelId: string, query: { after: number; limit: number }): Promise<History>;
  /** The pinned messages, the newest pin first; `before` is the id of the last one of the page before. */
  pins(channelId: string, query: { limit: number; before?: string }): Promise<History>;
  /** The users who reacted with an emoji, by id. */
  reactors(
    channelId: string,
    id: string,
    query: { emoji: string; limit: number; after?: string },
  ): Promise<{ userIds: string[]; hasMore: boolean }>;
  /** Takes back nothing: the highest `seq` counts, and none above the head. */
  markRead(channelId: string, userId: string, seq: number): Promise<ReadState>;
  /** A user's read states, by channel id, those after `after`. */
  unread(userId: string, query: { limit: number; after?: string }): Promise<{ states: ReadState[]; hasMore: boolean }>;
  /** Finds what was committed before the call; a deleted message is not found. Rejects with `invalid` for a `before` that no page gave. */
  search(query: SearchQuery): Promise<Found>;
  /** Deletes a bounded part of a user's messages, in all channels; `next` is where to go on, absent at the end. */
  eraseUser(userId: string, after?: string): Promise<{ stubs: Message[]; next?: string }>;
  /**
   * Removes a bounded part of what nothing refers to any more or what retention ends, and prepares search; resolves with whether there is more.
   */
  sweep(): Promise<boolean>;
  /** Proves by a write that writes succeed. */
  ping(): Promise<void>;
}
