/**
 * A store that breaks.
 *
 * @module
 */

import type { Store } from "../../src/store/store.ts";

/** Makes a store that rejects everything with `error`, save what `but` does. */
export function failingStore(error: unknown, but: Partial<Store> = {}): Store {
  const fail = () => Promise.reject(error);
  return {
    identity: fail,
    listChannels: fail,
    getChannel: fail,
    createChannel: fail,
    updateChannel: fail,
    deleteChannel: fail,
    append: fail,
    getMessage: fail,
    history: fail,
    changes: fail,
    editMessage: fail,
    deleteMessages: fail,
    react: fail,
    pin: fail,
    pins: fail,
    reactors: fail,
    markRead: fail,
    unread: fail,
    search: fail,
    eraseUser: fail,
    sweep: fail,
    ping: fail,
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...but,
  };
}
