/**
 * One connection to Redis, from its opening to its loss: it never comes back by itself, {@linkcode RedisLink} makes another.
 *
 * @module
 */

import type { RedisClientOptions } from "redis";
import { within } from "../deadline.ts";
import type { RedisAddress, RedisHost } from "./redis_address.ts";

/** Takes a text published on a channel. */
export type Hear = (text: string, channel: string) => void;

/** A connection, or those to the nodes of a cluster, which live and die together. */
export interface RedisConnection {
  /** Connects and signs in; rejects where that fails. Called once, before anything else but `destroy()`. */
  open(): Promise<void>;
  /** Resolves when all are active. */
  subscribe(channels: readonly string[], hear: Hear): Promise<void>;
  unsubscribe(channel: string, hear: Hear): Promise<void>;
  publish(channel: string, text: string): Promise<unknown>;
  ping(): Promise<unknown>;
  /** Cuts it, at once and at any time; what is unanswered rejects. */
  destroy(): void;
}

/** Options of a {@linkcode RedisConnection}. */
export interface RedisConnectionOptions {
  readonly address: RedisAddress;
  /** The certificate of the authority that signed the server's, as PEM; the system's authorities where absent. */
  readonly tlsCa?: string;
  readonly connectTimeoutMs: number;
  /** How often an idle connection is pinged, and after how long without a byte it is lost. */
  readonly pingIntervalMs: number;
  readonly socketTimeoutMs: number;
  /** Hears that the connection was lost; not of one that was never open, or was destroyed. */
  readonly onLost: (error: unknown) => void;
}

/** Settles as `work` does; rejects where that takes longer than `ms`. */
export async function answered<T>(work: Promise<T>, ms: number): Promise<T> {
  if (await within(ms, work.catch(() => {}))) return await work;
  throw new Error(`Redis gave no answer within ${ms} ms`);
}

/** No command waits for a connection, none is sent again, and the client never connects again by itself. */
export function clientOptions(
  { address, tlsCa, ...options }: RedisConnectionOptions,
  host?: RedisHost,
): RedisClientOptions {
  return {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    disableOfflineQueue: true,
    pingInterval: options.pingIntervalMs,
    maintNotifications: "disabled",
    commandOptions: { timeout: 0 }, // a timer a command, and it does not end what was written: the deadlines are ours
    socket: {
      ...host,
      ...(address.tls ? { tls: true, ...(tlsCa === undefined ? {} : { ca: tlsCa }) } : {}),
      connectTimeout: options.connectTimeoutMs,
      socketTimeout: options.socketTimeoutMs,
      reconnectStrategy: false,
    },
  };
}
