/**
 * The channels that have members here, joined to the same channels on other instances.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Seat } from "../phoenix/channel.ts";
import { Broadcast, Json } from "../phoenix/frame.ts";
import type { Bus, GapTopics } from "../pubsub/bus.ts";
import type { Store } from "../store/store.ts";
import { changeRead, TOPIC_PREFIX } from "./change.ts";
import { type Change, Feed } from "./feed.ts";
import { busTopic, decodeNews, encodeNews, type News } from "./news.ts";
import { Presence } from "./presence.ts";
import { Typing } from "./typing.ts";

/** What {@linkcode LiveChannels} are made of. */
export interface LiveChannelsOptions {
  readonly store: Store;
  readonly bus: Bus;
  /** Names the storage: instances that share a bus and not the storage do not hear each other. Nothing where absent. */
  readonly storeName?: string;
  /** Clients above which a channel's presence is counts in place of a list. */
  readonly maxListed: number;
  /** Hears of failures that no client waits for. */
  readonly onFault: (error: unknown) => void;
  readonly now?: () => number;
}

/** A channel as it lives here: who listens, who types, and the last answer to a join. */
export interface LiveChannel {
  readonly feed: Feed;
  readonly typing: Typing;
  readonly presence: Presence;
  /** Resolves when the other instances' news come in: what is read from the store afterwards leaves no gap. */
  readonly joined: Promise<void>;
  welcome?: Welcome | undefined;
  /** Counts what makes a reading under way out of date. */
  revision: number;
}

/** The answer to a join that asked for `limit` messages, good as long as nothing newer was delivered. */
export interface Welcome {
  readonly limit: number;
  readonly headSeq: number;
  readonly json: Json;
}

const READ_AHEAD = 200;

/** One {@linkcode LiveChannel} for each channel that has members, from the first to the last. */
export class LiveChannels {
  readonly #options: LiveChannelsOptions;
  readonly #bus: Bus;
  readonly #channels = new Map<string, LiveChannel>();
  /** Instances with clients here which were not there at the last {@linkcode keep}. */
  #unknown: ReadonlySet<string> = new Set();

  constructor(options: LiveChannelsOptions) {
    this.#options = options;
    this.#bus = options.bus;
    this.#bus.onGap((topics) => this.#mend(topics));
  }

  get size(): number {
    return this.#channels.size;
  }

  get(channelId: string): LiveChannel | undefined {
    return this.#channels.get(channelId);
  }

  /** The channel, which is made live where it is not. */
  open(channelId: string): LiveChannel {
    let live = this.#channels.get(channelId);
    if (!live) this.#channels.set(channelId, live = this.#make(channelId));
    return live;
  }

  /** Forgets a channel whose last member has left, or which was deleted: whoever comes later finds a new feed. */
  forget(channelId: string, live: LiveChannel): void {
    if (this.#channels.get(channelId) !== live) return;
    this.#channels.delete(channelId);
    this.#bus.unsubscribe(this.#topicOf(channelId));
  }

  /** Gives a committed change to the members, here and elsewhere. */
  offer(channelId: string, change: Change): void {
    this.#channels.get(channelId)?.feed.offer(change);
    const { seq, first = seq, broadcast } = change;
    this.#publish(channelId, { kind: "change", first, seq, event: broadcast.event, payload: textOf(broadcast) });
  }

  /** Tells all members, here and elsewhere, that something about the channel itself has changed. */
  announce(channelId: string, event: string, payload: object): void {
    const broadcast = eventOf(channelId, event, JSON.stringify(payload));
    this.#announced(channelId, broadcast);
    this.#publish(channelId, { kind: "event", event, payload: textOf(broadcast) });
  }

  /** Tells one user's clients in the channel, here and elsewhere, but not the one at `except`. */
  tell(channelId: string, userId: string, event: string, payload: object, except?: Seat): void {
    const broadcast = eventOf(channelId, event, JSON.stringify(payload));
    this.#channels.get(channelId)?.feed.tell(userId, broadcast, except);
    this.#publish(channelId, { kind: "tell", userId, event, payload: textOf(broadcast) });
  }

  /** The user types, or has stopped, at no seat. */
  type(channelId: string, userId: string): void {
    const live = this.#channels.get(channelId);
    if (live) live.typing.start(userId);
    else this.#publish(channelId, { kind: "typing", userId, types: true });
  }

  /** The user has sent something, or has stopped. */
  stopTyping(channelId: string, userId: string): void {
    const live = this.#channels.get(channelId);
    if (live) live.typing.stop(userId);
    else this.#publish(channelId, { kind: "typing", userId, types: false });
  }

  /** The channel was deleted: its topic is closed for its members, here and elsewhere. */
  delete(channelId: string): void {
    this.#deleted(channelId);
    this.#publish(channelId, { kind: "deleted" });
  }

  /** Asks the other instances for their members; the answers come into the channel's presence. */
  ask(channelId: string): void {
    this.#publish(channelId, { kind: "who" });
  }

  /** Another instance has gone, and its clients with it. */
  drop(instance: string): void {
    for (const { presence } of this.#channels.values()) presence.drop(instance);
  }

  /** An instance that was taken for gone is back: it says who is there. */
  askAll(): void {
    for (const channelId of this.#channels.keys()) this.ask(channelId);
  }

  /** Reads what the members may have missed, in all channels. */
  repair(): void {
    for (const { feed } of this.#channels.values()) feed.repair();
  }

  /** Has the next join read its channel anew: something went without a change. */
  refresh(): void {
    for (const live of this.#channels.values()) {
      live.welcome = undefined;
      live.revision++;
    }
  }

  /** Ends typing that was not renewed, and the presence of those who have not answered for it. */
  sweep(): void {
    for (const { typing, presence } of this.#channels.values()) {
      typing.sweep();
      presence.sweep();
    }
  }

  /** Compares every channel with the store, for news that were lost and that nothing has followed; called every ten seconds or so. */
  async check(): Promise<void> {
    for (const [channelId, { feed }] of [...this.#channels]) {
      const { delivered } = feed; // before the reading: what is delivered during it may be above what was read
      if (delivered === undefined) continue;
      try {
        const { headSeq } = await this.#options.store.getChannel(channelId);
        if (this.#channels.get(channelId)?.feed !== feed) continue;
        if (headSeq > delivered) feed.repair();
        else if (headSeq < delivered) this.#deleted(channelId); // deleted, and made again
      } catch (error) {
        if (error instanceof ChatError && error.code === "not_found") this.#deleted(channelId);
        else this.#options.onFault(error);
      }
    }
  }

  /** Drops the clients of instances that are not there, nor were at the last call: news of one can come after its end, or before anything else of it. */
  keep(isThere: (instance: string) => boolean): void {
    const unknown = new Set<string>();
    for (const { presence } of this.#channels.values()) {
      for (const instance of presence.instances()) {
        if (!isThere(instance)) unknown.add(instance);
      }
    }
    for (const instance of unknown) {
      if (this.#unknown.has(instance)) this.drop(instance);
    }
    this.#unknown = unknown;
  }

  #make(channelId: string): LiveChannel {
    const { onFault, now, maxListed } = this.#options;
    const topic = TOPIC_PREFIX + channelId;
    const feed = new Feed({ read: (after) => this.#readChanges(channelId, after), onFault });
    const typing = new Typing((event, userId, except, origin) => {
      feed.broadcast(new Broadcast(topic, event, { user_id: userId }), except);
      if (origin === "here") this.#publish(channelId, { kind: "typing", userId, types: event === "user_typing" });
    }, now);
    const presence = new Presence({
      broadcast: (event, payload) => feed.broadcast(new Broadcast(topic, event, payload)),
      onChange: (change) => this.#publish(channelId, { kind: "members", ...change }),
      maxListed,
      now: now ?? Date.now,
    });
    const joined = this.#bus.subscribe(
      this.#topicOf(channelId),
      (message, from) => this.#hear(channelId, message, from),
    );
    joined.then(() => this.ask(channelId));
    return { feed, typing, presence, joined, revision: 0 };
  }

  #topicOf(channelId: string): string {
    return busTopic(channelId, this.#options.storeName);
  }

  #publish(channelId: string, news: News): void {
    this.#bus.publish(this.#topicOf(channelId), encodeNews(news));
  }

  #hear(channelId: string, message: string, from: string): void {
    const news = decodeNews(message);
    const live = this.#channels.get(channelId);
    if (!news || !live) return;
    switch (news.kind) {
      case "change":
        live.feed.offer({
          seq: news.seq,
          first: news.first,
          broadcast: eventOf(channelId, news.event, news.payload),
        });
        break;
      case "event":
        this.#announced(channelId, eventOf(channelId, news.event, news.payload));
        break;
      case "tell":
        live.feed.tell(news.userId, eventOf(channelId, news.event, news.payload));
        break;
      case "typing":
        live.typing.hear(news.userId, news.types);
        break;
      case "deleted":
        this.#deleted(channelId);
        break;
      case "members":
        live.presence.merge(from, news);
        break;
      case "all_members":
        live.presence.merge(from, news, true);
        break;
      case "who":
        this.#introduce(channelId, live);
        break;
    }
  }

  #announced(channelId: string, broadcast: Broadcast): void {
    const live = this.#channels.get(channelId);
    if (!live) return;
    live.welcome = undefined;
    live.revision++;
    live.feed.broadcast(broadcast);
  }

  #deleted(channelId: string): void {
    const live = this.#channels.get(channelId);
    if (!live) return;
    this.forget(channelId, live);
    live.feed.close({ reason: "channel_deleted" });
  }

  #introduce(channelId: string, { presence }: LiveChannel): void {
    const joins = presence.members();
    if (joins.length > 0) this.#publish(channelId, { kind: "all_members", joins, leaves: [] });
  }

  /** News may have been missed, here and, where the link was down, elsewhere. */
  #mend(topics: GapTopics): void {
    for (const [channelId, live] of this.#channels) {
      if (topics !== "all" && !topics.includes(this.#topicOf(channelId))) continue;
      live.welcome = undefined; // the channel itself may have changed
      live.revision++;
      live.feed.repair();
      live.presence.doubt();
      this.#introduce(channelId, live);
      this.ask(channelId);
    }
  }

  async #readChanges(channelId: string, after: number) {
    const query = { after, limit: READ_AHEAD };
    const { messages, headSeq, hasMore } = await this.#options.store.changes(channelId, query);
    return { changes: messages.map(changeRead), headSeq, more: hasMore };
  }
}

function eventOf(channelId: string, event: string, json: string): Broadcast {
  return new Broadcast(TOPIC_PREFIX + channelId, event, new Json(json));
}

function textOf({ payload }: Broadcast): string {
  return payload instanceof Json ? payload.text : JSON.stringify(payload);
}
