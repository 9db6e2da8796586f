/**
 * The use cases: what one can do in a chat, whoever asks. Sockets and REST both come through here.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Seat } from "../phoenix/channel.ts";
import { Broadcast, Json } from "../phoenix/frame.ts";
import type {
  Appended,
  Channel,
  ChannelDraft,
  ChannelPatch,
  History,
  HistoryQuery,
  Message,
  MessageDraft,
  Store,
} from "../store/store.ts";
import { type Change, Feed } from "./feed.ts";
import type { JoinRequest, ResumePoint } from "./input.ts";
import { channelPayload, messagePayload, welcomePayload } from "./payload.ts";
import { missedSince } from "./missed_since.ts";
import { Presence, type PresentUser } from "./presence.ts";
import { Typing } from "./typing.ts";

/** The topic of a channel is this and its id. */
export const TOPIC_PREFIX = "text_channel:";

/** What a {@linkcode Chat} is made of. */
export interface ChatOptions {
  readonly store: Store;
  /** Whether joining a channel that does not exist makes it. */
  readonly adHocChannels: boolean;
  /** Clients above which a channel's presence is counts in place of a list. */
  readonly maxListed: number;
  /** Hears of failures that no client waits for. */
  readonly onFault: (error: unknown) => void;
  readonly now?: () => number;
}

/** A channel as it lives here: who listens, who types, and the last answer to a join. */
interface LiveChannel {
  readonly feed: Feed;
  readonly typing: Typing;
  readonly presence: Presence;
  welcome?: Welcome | undefined;
  /** Counts what makes a reading under way out of date. */
  revision: number;
}

/** The answer to a join that asked for `limit` messages, good as long as nothing newer was delivered. */
interface Welcome {
  readonly limit: number;
  readonly headSeq: number;
  readonly json: Json;
}

/** A member's visit of a channel. */
export interface Visit {
  readonly channelId: string;
  /** The channel and its newest messages; live events continue where it ends. */
  readonly welcome: Json;
  readonly typing: Typing;
  /** Changes what the others see of this client. */
  setStatus(status: string): void;
  /** Ends it; live events stop at once. */
  leave(): void;
}

/** A page of who is in a channel, with how many there are in all. */
export interface PresentPage {
  readonly users: readonly PresentUser[];
  readonly hasMore: boolean;
  readonly clients: number;
  /** Users; one with two tabs counts once. */
  readonly count: number;
}

const READ_AHEAD = 200;

/** Every rule of the chat that is not the wire's and not the store's. */
export class Chat {
  readonly #options: ChatOptions;
  readonly #store: Store;
  readonly #live = new Map<string, LiveChannel>();

  constructor(options: ChatOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** How many channels have members here. */
  get activeChannels(): number {
    return this.#live.size;
  }

  listChannels(query: { limit: number; after?: string }): Promise<{ channels: Channel[]; hasMore: boolean }> {
    return this.#store.listChannels(query);
  }

  getChannel(id: string): Promise<Channel> {
    return this.#store.getChannel(id);
  }

  createChannel(draft: ChannelDraft): Promise<Channel> {
    return this.#store.createChannel(draft);
  }

  /** Members get `channel_updated`. */
  async updateChannel(id: string, patch: ChannelPatch): Promise<Channel> {
    const channel = await this.#store.updateChannel(id, patch);
    const live = this.#live.get(id);
    if (live) {
      live.welcome = undefined;
      live.revision++;
      live.feed.broadcast(new Broadcast(TOPIC_PREFIX + id, "channel_updated", channelPayload(channel)));
    }
    return channel;
  }

  /** The channel's topic is closed for its members. */
  async deleteChannel(id: string): Promise<Channel> {
    const channel = await this.#store.deleteChannel(id);
    const live = this.#live.get(id);
    this.#live.delete(id); // whoever comes to a new channel of this id finds a new feed, which counts from 1
    live?.feed.close({ reason: "channel_deleted" });
    this.sweepStore();
    return channel;
  }

  /** Removes, step by step, what deleted channels left behind; called at start as well, for what an earlier life did not finish. */
  async sweepStore(): Promise<void> {
    try {
      for (let more = true; more;) more = await this.#store.sweep();
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Gives a service that has no channel yet its first ones. */
  async ensureFirstChannels(drafts: readonly ChannelDraft[]): Promise<void> {
    const { channels } = await this.#store.listChannels({ limit: 1 });
    if (channels.length === 0) await Promise.all(drafts.map((draft) => this.#ensureChannel(draft)));
  }

  getMessage(channelId: string, id: string): Promise<Message> {
    return this.#store.getMessage(channelId, id);
  }

  history(channelId: string, query: HistoryQuery): Promise<History> {
    return this.#store.history(channelId, query);
  }

  /**
   * Stores a message, then gives it to the members; resolves when it is durable.
   *
   * Calls are stored in the order they are made: nothing is waited for before the store has the message.
   */
  async send(draft: MessageDraft): Promise<Appended> {
    const { channelId, userId } = draft;
    try {
      const appended = await this.#store.append(draft);
      const live = this.#live.get(channelId);
      live?.typing.stop(userId);
      if (appended.created) live?.feed.offer(toChange(appended.message));
      return appended;
    } catch (error) {
      // The outcome may be unknown: should the message be stored after all, its readers must get it.
      if (error instanceof ChatError && error.code === "unavailable") this.#live.get(channelId)?.feed.repair();
      throw error;
    }
  }

  /**
   * Lets a client into a channel: subscribes it, reads its history or what it has missed, then lets live events follow. Clients that come together,
   * as after a deploy, share one reading of the history.
   *
   * Rejects with `not_found` where there is no such channel and none is made.
   */
  async visit(seat: Seat, channelId: string, { limit, resume }: JoinRequest): Promise<Visit> {
    const live = this.#liveChannel(channelId);
    const { feed, typing, presence } = live;
    const subscription = feed.subscribe(seat);
    let ref: string | undefined;
    const leave = () => {
      feed.unsubscribe(subscription);
      if (ref !== undefined) presence.untrack(ref);
      typing.stop(seat.identity.userId, seat);
      if (feed.size > 0) return;
      presence.close();
      if (this.#live.get(channelId) === live) this.#live.delete(channelId);
    };
    try {
      const { json, headSeq } = resume
        ? await this.#welcomeBack(channelId, limit, resume)
        : await this.#welcome(live, channelId, limit);
      feed.release(subscription, headSeq);
      ref = presence.track(seat.identity.userId);
      for (const [event, payload] of presence.greet()) seat.push(event, payload);
      const setStatus = (status: string) => {
        if (ref !== undefined) ref = presence.update(ref, { status });
      };
      return { channelId, welcome: json, typing, setStatus, leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Who is in a channel, by user id; rejects with `not_found` where there is no such channel. */
  async present(channelId: string, query: { limit: number; after?: string }): Promise<PresentPage> {
    await this.#store.getChannel(channelId);
    const presence = this.#live.get(channelId)?.presence;
    const page = presence?.page(query) ?? { users: [], hasMore: false };
    return { ...page, clients: presence?.clients ?? 0, count: presence?.users ?? 0 };
  }

  /** Ends typing that was not renewed; called every second or so. */
  sweep(): void {
    for (const { typing } of this.#live.values()) typing.sweep();
  }

  #liveChannel(channelId: string): LiveChannel {
    let live = this.#live.get(channelId);
    if (!live) {
      const topic = TOPIC_PREFIX + channelId;
      const feed = new Feed({ read: (after) => this.#readChanges(channelId, after), onFault: this.#options.onFault });
      const typing = new Typing((event, userId, except) => {
        feed.broadcast(new Broadcast(topic, event, { user_id: userId }), except);
      }, this.#options.now);
      const presence = new Presence({
        broadcast: (event, payload) => feed.broadcast(new Broadcast(topic, event, payload)),
        maxListed: this.#options.maxListed,
        now: this.#options.now ?? Date.now,
      });
      this.#live.set(channelId, live = { feed, typing, presence, revision: 0 });
    }
    return live;
  }

  async #welcome(live: LiveChannel, channelId: string, limit: number): Promise<Welcome> {
    const { welcome, revision, feed } = live;
    if (welcome?.limit === limit && welcome.headSeq === feed.delivered) return welcome;
    const channel = await this.#openChannel(channelId);
    const history = await this.#store.history(channelId, { limit });
    const fresh = { limit, headSeq: history.headSeq, json: welcomePayload(channel, history) };
    if (live.revision === revision) live.welcome = fresh;
    return fresh;
  }

  /** Answers a client that comes back with all that changed since, or with a clear no and the newest page; never with a part. */
  async #welcomeBack(channelId: string, limit: number, resume: ResumePoint): Promise<Welcome> {
    const channel = await this.#openChannel(channelId);
    const missed = await missedSince(this.#store, channel, resume);
    if (typeof missed !== "string") {
      return { limit, headSeq: missed.headSeq, json: welcomePayload(channel, missed, { recovered: true }) };
    }
    const history = await this.#store.history(channelId, { limit });
    const json = welcomePayload(channel, history, { recovered: false, reason: missed });
    return { limit, headSeq: history.headSeq, json };
  }

  async #readChanges(channelId: string, after: number) {
    const { messages, headSeq, hasMore } = await this.#store.changes(channelId, { after, limit: READ_AHEAD });
    return { changes: messages.map(toChange), headSeq, more: hasMore };
  }

  async #openChannel(id: string): Promise<Channel> {
    try {
      return await this.#store.getChannel(id);
    } catch (error) {
      if (!this.#options.adHocChannels || !(error instanceof ChatError) || error.code !== "not_found") throw error;
      return await this.#ensureChannel({ id, name: id, description: "" });
    }
  }

  async #ensureChannel(draft: ChannelDraft): Promise<Channel> {
    try {
      return await this.#store.createChannel(draft);
    } catch (error) {
      if (!(error instanceof ChatError) || error.code !== "conflict") throw error;
      return await this.#store.getChannel(draft.id);
    }
  }
}

/** Serializes a message for everybody who will get it. */
function toChange(message: Message): Change {
  const payload = new Json(JSON.stringify(messagePayload(message)));
  return { seq: message.version, broadcast: new Broadcast(TOPIC_PREFIX + message.channelId, "new_message", payload) };
}
