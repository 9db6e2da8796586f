/**
 * Where Redis is, as a URL says it.
 *
 * @module
 */

import { ChatError } from "../errors.ts";

/** A host and its port. */
export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** A deployment of Redis. */
export interface RedisAddress {
  readonly kind: "single" | "cluster" | "sentinel";
  readonly tls: boolean;
  /** The server; some nodes of the cluster; the sentinels. */
  readonly hosts: readonly [RedisHost, ...RedisHost[]];
  readonly username?: string;
  readonly password?: string;
  /** What the sentinels call the master; absent but for them. */
  readonly master?: string;
}

const DEFAULT_PORT = { single: 6_379, cluster: 6_379, sentinel: 26_379 };
const PATTERN = /^redis(s?)(?:\+(cluster|sentinel))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:\/([^/?#]*))?$/;

/**
 * Reads `redis://`, `rediss://` (TLS), `redis+cluster://` and `redis+sentinel://…/<master>`, the latter two with hosts between commas and with `rediss`
 * too; user and password are percent-encoded. Throws `invalid`, and never shows the URL, which may hold a password.
 *
 * The number of a database may stand behind a single host and has no meaning: publish and subscribe know none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRedisUrl("rediss+cluster://chat:s%40crt@a:7000,b"), {
 *   kind: "cluster",
 *   tls: true,
 *   hosts: [{ host: "a", port: 7000 }, { host: "b", port: 6379 }],
 *   username: "chat",
 *   password: "s@crt",
 * });
 * ```
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [whole, tls, variant = "single", username, password, hosts = "", path = ""] = PATTERN.exec(url) ?? [];
  const kind = variant as RedisAddress["kind"];
  if (whole === undefined) {
    throw refused("It is not of the form redis[s][+cluster|+sentinel]://[user:password@]host:port.");
  }
  if (kind === "single" && !/^\d*$/.test(path)) throw refused("Behind the host only a number may stand.");
  if (kind === "cluster" && path !== "") throw refused("Behind the hosts of a cluster nothing may stand.");
  if (kind === "sentinel" && path === "") throw refused("The name of the master must stand behind the sentinels.");
  const [first, ...others] = hosts.split(",").map((text) => parseHost(text, DEFAULT_PORT[kind]));
  if (!first || (kind === "single" && others.length > 0)) throw refused("There must be one host.");
  return {
    kind,
    tls: tls === "s",
    hosts: [first, ...others],
    ...(username ? { username: decode(username) } : {}),
    ...(password ? { password: decode(password) } : {}),
    ...(kind === "sentinel" ? { master: decode(path) } : {}),
  };
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const [, bracketed, plain, port = String(defaultPort)] =
    /^(?:\[([\da-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw refused("A host is not of the form host:port.");
  }
  return { host, port: Number(port) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw refused("It is not percent-encoded as it should be.", cause);
  }
}

function refused(reason: string, cause?: unknown): ChatError {
  return new ChatError("invalid", `The URL of Redis cannot be read. ${reason}`, { cause });
}
