/**
 * Checks of what clients send about messages, for both doors, as `input.ts` has them for the rest.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { HistoryQuery, MessageDraft, MessagePatch, Metadata, SearchQuery, SearchTerm } from "../store/store.ts";
import {
  atMost,
  channelId,
  digits,
  epochName,
  fields,
  historyQuery,
  messageId,
  pageLimit,
  shallow,
  wellFormed,
  wholeNumber,
} from "./input.ts";
import type { ChangesQuery } from "./messages.ts";

/** Code points of a message at the most. */
export const MAX_CONTENT = 4_000;
/** UTF-8 bytes of metadata as JSON. */
const MAX_METADATA = 4_096;
/** Users whom a message can mention; further ones are just text. */
const MAX_MENTIONS = 100;
const MAX_EMOJI = 32;
const MAX_BULK = 100;
const MAX_SEARCH = 256;
const MAX_SEARCH_TERMS = 10;

/** What a new message is made from: `{ content, nonce?, reply_to?, metadata? }`; anything else in it is ignored, a `user_id` above all. */
export function messageDraft(channelId: string, userId: string, payload: unknown): MessageDraft {
  const { content, nonce, reply_to, metadata } = fields(payload);
  const text = messageContent(content);
  const mentions = mentionsIn(text);
  return {
    channelId,
    userId,
    content: text,
    ...(mentions.length === 0 ? {} : { mentions }),
    ...(nonce === undefined ? {} : { nonce: messageNonce(nonce) }),
    ...((reply_to ?? null) === null ? {} : { replyTo: messageId("reply_to", reply_to) }),
    ...((metadata ?? null) === null ? {} : { metadata: messageMetadata(metadata) }),
  };
}

/** What an edit makes of a message: `{ content?, metadata? }`, at least one; null takes the metadata away. */
export function messagePatch(payload: unknown): MessagePatch {
  const { content, metadata } = fields(payload);
  if (content === undefined && metadata === undefined) {
    throw new ChatError("invalid", "Give content or metadata, or both.");
  }
  const text = content === undefined ? undefined : messageContent(content);
  return {
    ...(text === undefined ? {} : { content: text, mentions: mentionsIn(text) }),
    ...(metadata === undefined ? {} : { metadata: metadata === null ? null : messageMetadata(metadata) }),
  };
}

/**
 * The users that a text names as `<@user>`, each once, in order.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mentionsIn("<@bob> and <@zoë>: see <@bob>"), ["bob", "zoë"]);
 * ```
 */
export function mentionsIn(content: string): string[] {
  const users = new Set<string>();
  for (const [, userId = ""] of content.matchAll(/<@([^<>\p{Cc}]{1,128})>/gu)) {
    if (users.size < MAX_MENTIONS) users.add(userId);
  }
  return [...users];
}

/** The ids of a bulk deletion: `{ ids }`, 2 to 100 different ones. */
export function messageIds(payload: unknown): string[] {
  const { ids } = fields(payload);
  if (!Array.isArray(ids)) throw new ChatError("invalid", "ids is a list of message ids.");
  const unique = [...new Set(ids)];
  if (unique.length < 2 || unique.length > MAX_BULK) {
    throw new ChatError("invalid", `ids holds 2 to ${MAX_BULK} different message ids.`);
  }
  return unique.map((id) => messageId("ids", id));
}

/** What one reacts with: an emoji, or a name an application knows, such as `:party:`. */
export function emoji(value: unknown): string {
  const text = atMost("emoji", wellFormed("emoji", value), MAX_EMOJI);
  if (!/^[^\s\p{Cc}]+$/u.test(text)) throw new ChatError("invalid", "emoji is empty or holds blanks.");
  return text;
}

/** How far somebody has read: `{ seq }`. */
export function readSeq(payload: unknown): number {
  return wholeNumber("seq", fields(payload).seq, 0);
}

/** The page a client asks for over a socket: `{ before? | after? | around?, limit? }`. */
export function historyRequest(payload: unknown): HistoryQuery {
  const { before, after, around, limit } = fields(payload);
  return historyQuery({
    before: asQuery("before", before),
    after: asQuery("after", after),
    around: asQuery("around", around),
    limit: asQuery("limit", limit),
  });
}

/** The changes a REST client asks for: `after`, a `seq`, and perhaps the `epoch` it belongs to and a `limit`. */
export function changesQuery(query: Readonly<Record<string, string | undefined>>): ChangesQuery {
  const { after = "", epoch, limit } = query;
  return {
    after: wholeNumber("after", digits(after), 0),
    limit: pageLimit(limit),
    ...(epoch === undefined ? {} : { epoch: epochName(epoch) }),
  };
}

/** What a REST client searches for: `q`, and perhaps `limit` and `before`, which is the `next` of the page before. */
export function searchQuery(query: Readonly<Record<string, string | undefined>>, channel?: string): SearchQuery {
  const { q, limit, before } = query;
  return {
    terms: searchTerms(q),
    limit: pageLimit(limit),
    ...(channel === undefined ? {} : { channelId: channelId(channel) }),
    ...(before === undefined ? {} : { before }),
  };
}

/**
 * Reads a search as people write it: words that must all be there, `"several words"` in this order, and `begin*` for a beginning. Everything else that
 * a search engine may know is just text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(searchTerms('"red fox" jum*'), [{ text: "red fox", prefix: false }, { text: "jum", prefix: true }]);
 * ```
 */
export function searchTerms(q: unknown): SearchTerm[] {
  const text = atMost("q", wellFormed("q", q), MAX_SEARCH);
  const terms = [...text.matchAll(/"([^"]*)"?(\*?)|([^\s"]+)/g)].flatMap(([, phrase, star, word = ""]) => {
    const term = phrase === undefined
      ? { text: word.replace(/\*+$/, ""), prefix: word.endsWith("*") }
      : { text: phrase, prefix: star === "*" };
    return /[\p{L}\p{N}]/u.test(term.text) ? term : [];
  });
  if (terms.length === 0) throw new ChatError("invalid", "q holds no word to search for.");
  if (terms.length > MAX_SEARCH_TERMS) {
    throw new ChatError(
      "invalid",
      `q holds more than ${MAX_SEARCH_TERMS} words; put them in quotes to search for a phrase.`,
    );
  }
  return terms;
}

/** As it would stand in an address; null counts as absent. */
function asQuery(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" && typeof value !== "number") throw new ChatError("invalid", `${name} is malformed.`);
  return String(value);
}

function messageContent(content: unknown): string {
  const text = wellFormed("content", content);
  if (text.trim() === "") throw new ChatError("invalid", "content is empty.");
  return atMost("content", text, MAX_CONTENT);
}

function messageNonce(nonce: unknown): string {
  const text = wellFormed("nonce", nonce);
  if (text === "") throw new ChatError("invalid", "nonce is empty.");
  return atMost("nonce", text, 64);
}

function messageMetadata(value: unknown): Metadata {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new ChatError("invalid", "metadata is a JSON object.");
  }
  const json = wellFormed("metadata", JSON.stringify(shallow(value)));
  // A NUL or half a character hides behind an escape, which the stores would keep but not every client can read.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(json)) {
    throw new ChatError("invalid", "metadata holds text that is not valid Unicode.");
  }
  if (new TextEncoder().encode(json).length > MAX_METADATA) {
    throw new ChatError("invalid", `metadata is larger than ${MAX_METADATA} bytes as JSON.`);
  }
  return value as Metadata;
}
