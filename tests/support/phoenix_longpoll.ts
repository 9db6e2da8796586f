/**
 * The official JavaScript clients over long polling.
 *
 * @module
 */

// @ts-types="./phoenix_longpoll.d.ts"
import { LongPoll as LongPoll1_6 } from "phoenix-1.6";
// @ts-types="./phoenix_longpoll.d.ts"
import { LongPoll as LongPoll1_7 } from "phoenix-1.7";
// @ts-types="./phoenix_longpoll.d.ts"
import { LongPoll as LongPoll1_8 } from "phoenix-1.8";
import type { SocketOptions } from "./phoenix.d.ts";
import type { PhoenixVersion } from "./phoenix_client.ts";

const TRANSPORTS = { "1.6": LongPoll1_6, "1.7": LongPoll1_7, "1.8": LongPoll1_8 };

/** The options of a socket that polls. */
export function longPollOptions(version: PhoenixVersion, options: SocketOptions): SocketOptions {
  const polling = { ...options, transport: TRANSPORTS[version] };
  return polling;
}

/** The options of a socket that polls once its WebSocket has not got through for so long; each with a memory of its own. */
export function fallbackOptions(longPollFallbackMs: number, options: SocketOptions): SocketOptions {
  const kept = new Map<string, string>();
  const sessionStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  const falling = { ...options, longPollFallbackMs, sessionStorage };
  return falling;
}
