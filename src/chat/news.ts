/**
 * What one instance tells the others about a channel, as a message of the bus.
 *
 * @module
 */

import type { MembersChange } from "./presence.ts";

/** A piece of news. `payload` is the JSON text of an event, as its sender has serialized it. */
export type News =
  /** A change was committed. */
  | {
    readonly kind: "change";
    readonly first: number;
    readonly seq: number;
    readonly event: string;
    readonly payload: string;
  }
  /** All members get an event that is neither stored nor ordered. */
  | { readonly kind: "event"; readonly event: string; readonly payload: string }
  /** One user's clients get an event. */
  | { readonly kind: "tell"; readonly userId: string; readonly event: string; readonly payload: string }
  | { readonly kind: "typing"; readonly userId: string; readonly types: boolean }
  /** The channel was deleted. */
  | { readonly kind: "deleted" }
  /** Clients have come and gone. */
  | { readonly kind: "members" } & MembersChange
  /** These are all clients of the sender. */
  | { readonly kind: "all_members" } & MembersChange
  /** Asks for everybody's `all_members`. */
  | { readonly kind: "who" };

/** The bus topic of a channel in a storage: the same name in another one is another channel. */
export function busTopic(channelId: string, storeName = ""): string {
  return `channel:${storeName}:${channelId}`;
}

/**
 * Writes news: a line of JSON, and the payload behind it as it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const news = { kind: "event", event: "user_typing", payload: '{"user_id":"bob"}' } as const;
 * assertEquals(decodeNews(encodeNews(news)), news);
 * assertEquals(decodeNews("garbage"), undefined);
 * ```
 */
export function encodeNews(news: News): string {
  if (!("payload" in news)) return JSON.stringify(news);
  const { payload, ...head } = news;
  return `${JSON.stringify(head)}\n${payload}`;
}

/** Reads news of an instance of this version; anything else is undefined. */
export function decodeNews(text: string): News | undefined {
  const end = text.indexOf("\n");
  try {
    const head = JSON.parse(end < 0 ? text : text.slice(0, end));
    if (typeof head !== "object" || head === null || !KINDS.has(head.kind)) return undefined;
    return end < 0 ? head : { ...head, payload: text.slice(end + 1) };
  } catch {
    return undefined;
  }
}

const KINDS: ReadonlySet<unknown> = new Set<News["kind"]>([
  "change",
  "event",
  "tell",
  "typing",
  "deleted",
  "members",
  "all_members",
  "who",
]);
