/**
 * Which pages may use the service from a browser (protocol section 1.9).
 *
 * @module
 */

/** Says whether a request from `origin` to `host` (its `Host` header) is let in; a request without an origin is no browser's and always is. */
export type CheckOrigin = (origin: string | null | undefined, host: string | null | undefined) => boolean;

/**
 * Makes the check for a list of origins: `*`, `https://a.b`, `//a.b:888`, `//*.a.b` (a.b and every sub-domain). Scheme and port count only where
 * an entry names them. An empty list lets in the service's own pages, and with `loopback` those of this machine.
 *
 * @example
 * ```ts
 * import { assert, assertFalse } from "@std/assert";
 *
 * const check = originCheck(["//*.example.com"], { loopback: false });
 * assert(check("https://app.example.com", "chat.example.com"));
 * assertFalse(check("https://example.com.evil.net", "chat.example.com"));
 * ```
 */
export function originCheck(allowed: readonly string[], { loopback }: { loopback: boolean }): CheckOrigin {
  if (allowed.includes("*")) return () => true;
  const patterns = allowed.map(parsePattern);
  return (origin, host) => {
    if (origin === null || origin === undefined) return true;
    const url = URL.parse(origin);
    if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return false;
    if (patterns.length > 0) return patterns.some((matches) => matches(url));
    return url.host === host?.toLowerCase() || (loopback && isLoopback(url.hostname));
  };
}

function parsePattern(entry: string): (origin: URL) => boolean {
  const [, protocol, wildcard, hostname = "", port] =
    /^(https?:)?\/\/(\*\.)?([^:/]+|\[[^\]]+\])(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  return (origin) =>
    (origin.hostname === hostname || (wildcard !== undefined && origin.hostname.endsWith(`.${hostname}`))) &&
    (protocol === undefined ||
      (origin.protocol === protocol && portOf(origin) === (port ?? portOf(origin, protocol)))) &&
    (port === undefined || portOf(origin) === port);
}

/** The port as a text, the scheme's own where the URL names none; with `protocol`, that scheme's own. */
function portOf(url: URL, protocol?: string): string {
  const standard = (protocol ?? url.protocol) === "https:" ? "443" : "80";
  return protocol === undefined ? url.port || standard : standard;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname);
}
