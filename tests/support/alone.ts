/**
 * What an instance is given that has no other beside it.
 *
 * @module
 */

import type { SessionPeers } from "../../src/http/longpoll.ts";
import { LocalBus } from "../../src/pubsub/local_bus.ts";

/** For a chat. */
export const ALONE = { bus: new LocalBus({ instance: "alone" }), hasPeers: (): boolean => false };

/** For a health. */
export const NO_PEERS = { bus: ALONE.bus, discovery: { peers: [], strangers: [] } };

/** For a long-poll server. */
export const NO_SESSION_PEERS: SessionPeers = {
  home: "alone",
  ask: () => Promise.reject(new Error("there is nobody to ask")),
};
