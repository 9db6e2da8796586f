/**
 * The channels that have members here.
 *
 * @module
 */

import { Broadcast, type Json } from "../phoenix/frame.ts";
import type { Store } from "../store/store.ts";
import { changeRead, TOPIC_PREFIX } from "./change.ts";
import { type Change, Feed } from "./feed.ts";
import { Presence } from "./presence.ts";
import { Typing } from "./typing.ts";

/** What {@linkcode LiveChannels} are made of. */
export interface LiveChannelsOptions {
  readonly store: Store;
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
  readonly #channels = new Map<string, LiveChannel>();

  constructor(options: LiveChannelsOptions) {
    this.#options = options;
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
    if (this.#channels.get(channelId) === live) this.#channels.delete(channelId);
  }

  /** Gives a committed change to the members. */
  offer(channelId: string, change: Change): void {
    this.#channels.get(channelId)?.feed.offer(change);
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

  /** Ends typing that was not renewed. */
  sweep(): void {
    for (const { typing } of this.#channels.values()) typing.sweep();
  }

  #make(channelId: string): LiveChannel {
    const { onFault, now, maxListed } = this.#options;
    const topic = TOPIC_PREFIX + channelId;
    const feed = new Feed({ read: (after) => this.#readChanges(channelId, after), onFault });
    const typing = new Typing((event, userId, except) => {
      feed.broadcast(new Broadcast(topic, event, { user_id: userId }), except);
    }, now);
    const presence = new Presence({
      broadcast: (event, payload) => feed.broadcast(new Broadcast(topic, event, payload)),
      maxListed,
      now: now ?? Date.now,
    });
    return { feed, typing, presence, revision: 0 };
  }

  async #readChanges(channelId: string, after: number) {
    const query = { after, limit: READ_AHEAD };
    const { messages, headSeq, hasMore } = await this.#options.store.changes(channelId, query);
    return { changes: messages.map(changeRead), headSeq, more: hasMore };
  }
}
