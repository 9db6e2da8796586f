/**
 * Chooses the bus adapter by URL.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { BroadcastChannelBus } from "./broadcast_channel_bus.ts";
import type { Bus } from "./bus.ts";
import { LocalBus } from "./local_bus.ts";
import type { OnFault } from "./receivers.ts";
import { parseRedisUrl } from "./redis_address.ts";
import { RedisBus } from "./redis_bus.ts";

/** How the instances are joined. */
export interface BusOptions {
  /**
   * - `local:` – this instance is alone;
   * - `workers:` or `workers:<name>` – the worker threads of this process;
   * - `redis://[user:password@]host[:port]`, and `rediss://` for TLS;
   * - `redis+cluster://host:port,host:port` – some nodes of a cluster; `rediss+cluster://` for TLS;
   * - `redis+sentinel://host:port,host:port/<master>` – the sentinels, which are asked without a password; user and password are the master's;
   *   `rediss+sentinel://` for TLS.
   */
  readonly url: string;
  /** This instance's name on the bus; one made by chance where absent. */
  readonly instance?: string;
  /** Begins the name of every channel on Redis; `chat:` where absent. */
  readonly prefix?: string;
  /** The certificate of the authority that signed Redis' own, as PEM; the system's authorities where absent. */
  readonly tlsCa?: string;
  /** Hears what went wrong and why the link is down; the bus goes on by itself. */
  readonly onFault?: OnFault;
}

/**
 * Opens the bus that the URL names; rejects with `invalid` where it names none, and for no other reason.
 *
 * Where Redis cannot be reached it resolves within five seconds with a bus that is not healthy and heals by itself.
 */
export async function openBus(options: BusOptions): Promise<Bus> {
  const { url, instance = crypto.randomUUID(), prefix = "chat:", onFault = () => {} } = options;
  if (url === "local:") return new LocalBus({ instance });
  if (/^workers:[\w.-]*$/.test(url)) return new BroadcastChannelBus({ instance, name: `chat-${url}`, onFault });
  if (!/^rediss?(\+\w+)?:/.test(url)) throw new ChatError("invalid", "There is no bus for this URL.");
  const tls = options.tlsCa === undefined ? {} : { tlsCa: options.tlsCa };
  return await RedisBus.open({ instance, address: parseRedisUrl(url), prefix, onFault, ...tls });
}
