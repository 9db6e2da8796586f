/**
 * A store of which a test changes a part.
 *
 * @module
 */

import type { Store } from "../../../src/store/store.ts";

/** The same store, but for some of its methods. */
export function storeWith(store: Store, changed: Partial<Store>): Store {
  return {
    identity: () => store.identity(),
    listChannels: (query) => store.listChannels(query),
    getChannel: (id) => store.getChannel(id),
    createChannel: (draft) => store.createChannel(draft),
    updateChannel: (id, patch) => store.updateChannel(id, patch),
    deleteChannel: (id) => store.deleteChannel(id),
    append: (draft) => store.append(draft),
    getMessage: (channelId, id) => store.getMessage(channelId, id),
    history: (channelId, query) => store.history(channelId, query),
    changes: (channelId, query) => store.changes(channelId, query),
    editMessage: (channelId, id, patch) => store.editMessage(channelId, id, patch),
    deleteMessages: (channelId, ids) => store.deleteMessages(channelId, ids),
    react: (channelId, id, requests) => store.react(channelId, id, requests),
    pin: (channelId, id, pinned) => store.pin(channelId, id, pinned),
    pins: (channelId, query) => store.pins(channelId, query),
    reactors: (channelId, id, query) => store.reactors(channelId, id, query),
    markRead: (channelId, userId, seq) => store.markRead(channelId, userId, seq),
    unread: (userId, query) => store.unread(userId, query),
    search: (query) => store.search(query),
    eraseUser: (userId, after) => store.eraseUser(userId, after),
    sweep: () => store.sweep(),
    ping: () => store.ping(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    ...changed,
  };
}
