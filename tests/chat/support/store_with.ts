/**
 * A store of which a test changes a part.
 *
 * @module
 */

import type { Store } from "../../../src/store/store.ts";

/** The same store, but for some of its methods. */
export function storeWith(store: Store, changed: Partial<Store>): Store {
  return {
    listChannels: (query) => store.listChannels(query),
    getChannel: (id) => store.getChannel(id),
    createChannel: (draft) => store.createChannel(draft),
    updateChannel: (id, patch) => store.updateChannel(id, patch),
    deleteChannel: (id) => store.deleteChannel(id),
    append: (draft) => store.append(draft),
    getMessage: (channelId, id) => store.getMessage(channelId, id),
    history: (channelId, query) => store.history(channelId, query),
    changes: (channelId, query) => store.changes(channelId, query),
    sweep: () => store.sweep(),
    ping: () => store.ping(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    ...changed,
  };
}
