/**
 * The use cases of what was read.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import type { Seat } from "../phoenix/channel.ts";
import type { ReadState, Store } from "../store/store.ts";
import type { LiveChannels } from "./live_channels.ts";
import { readStatePayload } from "./payload.ts";

/** How far users have read, the same on all their devices. */
export class ReadStates {
  readonly #store: Store;
  readonly #live: LiveChannels;

  constructor(store: Store, live: LiveChannels) {
    this.#store = store;
    this.#live = live;
  }

  /** Takes in that a user has read up to `seq`, and tells the user's other clients in the channel, all but `from`. */
  async mark(actor: Identity, channelId: string, seq: number, from?: Seat): Promise<ReadState> {
    const { userId } = actor;
    const state = await this.#store.markRead(channelId, userId, seq);
    this.#live.tell(channelId, userId, "read_state", readStatePayload(state), from);
    return state;
  }

  /** A user's read states by channel id. */
  list(actor: Identity, query: { limit: number; after?: string }): Promise<{ states: ReadState[]; hasMore: boolean }> {
    return this.#store.unread(actor.userId, query);
  }
}
