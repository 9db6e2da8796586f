/**
 * The use cases: what one can do in a chat, whoever asks. Sockets and REST both come through here.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Seat } from "../phoenix/channel.ts";
import type { Json } from "../phoenix/frame.ts";
import type { Channel, ChannelDraft, ChannelPatch, Store } from "../store/store.ts";
import type { JoinRequest, ResumePoint } from "./input.ts";
import { type LiveChannel, LiveChannels, type LiveChannelsOptions, type Welcome } from "./live_channels.ts";
import { Messages } from "./messages.ts";
import { missedSince } from "./missed_since.ts";
import { channelPayload, welcomePayload } from "./payload.ts";
import type { Presence, PresentUser } from "./presence.ts";
import { ReadStates } from "./read_states.ts";
import type { Typing } from "./typing.ts";

/** What a {@linkcode Chat} is made of. */
export interface ChatOptions extends LiveChannelsOptions {
  /** Whether joining a channel that does not exist makes it. */
  readonly adHocChannels: boolean;
  /** Whether other instances are there. */
  readonly hasPeers: () => boolean;
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

/** How often a history is read for a client before it is turned away: each time more was said meanwhile than can be kept for it. */
const JOIN_ATTEMPTS = 3;
const TOO_FAST = "The channel moves too fast to join right now.";
/** How long other instances may take to say who is in a channel that has no members here. */
const ASK_MS = 250;

/** Channels and who is in them; what is said there is in {@linkcode Chat.messages}. */
export class Chat {
  readonly messages: Messages;
  readonly readStates: ReadStates;
  readonly #options: ChatOptions;
  readonly #store: Store;
  readonly #live: LiveChannels;
  #sweeping: Promise<void> | undefined;

  constructor(options: ChatOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#live = new LiveChannels(options);
    this.messages = new Messages(options.store, this.#live, options.now);
    this.readStates = new ReadStates(options.store, this.#live);
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
    this.#live.announce(id, "channel_updated", channelPayload(channel));
    return channel;
  }

  /** The channel's topic is closed for its members. */
  async deleteChannel(id: string): Promise<Channel> {
    const channel = await this.#store.deleteChannel(id);
    this.#live.delete(id);
    this.sweepStore();
    return channel;
  }

  /**
   * Removes, step by step, what deleted channels left behind and what is past retention; called now and then, and at start for what an earlier life
   * did not finish. One at a time: a call while one is under way is that one.
   */
  sweepStore(): Promise<void> {
    return this.#sweeping ??= this.#sweepStore().finally(() => this.#sweeping = undefined);
  }

  async #sweepStore(): Promise<void> {
    try {
      for (let more = true; more;) more = await this.#store.sweep();
      this.#live.refresh();
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Gives a service that has no channel yet its first ones. */
  async ensureFirstChannels(drafts: readonly ChannelDraft[]): Promise<void> {
    const { channels } = await this.#store.listChannels({ limit: 1 });
    if (channels.length === 0) await Promise.all(drafts.map((draft) => this.#ensureChannel(draft)));
  }

  /**
   * Lets a client into a channel: subscribes it, reads its history or what it has missed, then lets live events follow. Clients that come together,
   * as after a deploy, share one reading of the history.
   *
   * Rejects with `not_found` where there is no such channel and none is made.
   */
  async visit(seat: Seat, channelId: string, { limit, resume }: JoinRequest): Promise<Visit> {
    const live = this.#live.open(channelId);
    const { feed, typing, presence } = live;
    let subscription = feed.subscribe(seat);
    let ref: string | undefined;
    const leave = () => {
      feed.unsubscribe(subscription);
      if (ref !== undefined) presence.untrack(ref);
      typing.stop(seat.identity.userId, seat);
      if (feed.size > 0) return;
      presence.close();
      this.#live.forget(channelId, live);
    };
    try {
      await live.joined;
      let json: Json | undefined;
      for (let attempt = 1; json === undefined; attempt++) {
        const welcome = resume
          ? await this.#welcomeBack(channelId, limit, resume)
          : await this.#welcome(live, channelId, limit);
        if (feed.release(subscription, welcome.headSeq)) json = welcome.json;
        else {
          if (attempt === JOIN_ATTEMPTS) throw new ChatError("unavailable", TOO_FAST, { retryAfterMs: 1_000 });
          const late = subscription;
          subscription = feed.subscribe(seat);
          feed.unsubscribe(late);
        }
      }
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
    const live = this.#live.get(channelId);
    if (live && live.feed.size > 0) return pageOf(live.presence, query);
    const visiting = live ?? this.#live.open(channelId);
    try {
      if (this.#options.hasPeers()) await new Promise((resolve) => setTimeout(resolve, ASK_MS));
      return pageOf(visiting.presence, query);
    } finally {
      if (visiting.feed.size === 0) {
        visiting.presence.close();
        this.#live.forget(channelId, visiting);
      }
    }
  }

  /** The user types in a channel, at no seat; rejects with `not_found` where there is no such channel. */
  async type(channelId: string, userId: string): Promise<void> {
    await this.#store.getChannel(channelId);
    this.#live.type(channelId, userId);
  }

  /** Another instance has gone, and its clients with it. */
  dropInstance(instance: string): void {
    this.#live.drop(instance);
  }

  /** An instance that was taken for gone is back. */
  askInstances(): void {
    this.#live.askAll();
  }

  /** Drops the members of instances that have not been there for a while; called every ten seconds or so. */
  keepInstances(isThere: (instance: string) => boolean): void {
    this.#live.keep(isThere);
  }

  /** Looks for changes of which nothing was heard; called every ten seconds or so where there are other instances. */
  async check(): Promise<void> {
    await this.#live.check();
  }

  /** Ends typing that was not renewed; called every second or so. */
  sweep(): void {
    this.#live.sweep();
    this.messages.sweep();
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

function pageOf(presence: Presence, query: { limit: number; after?: string }): PresentPage {
  return { ...presence.page(query), clients: presence.clients, count: presence.users };
}
