/**
 * Checks of what clients send, for both doors: each returns the value it can vouch for or throws `invalid` with words for the person who sent it.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { ChannelDraft, ChannelPatch, HistoryQuery, MessageDraft } from "../store/store.ts";

/** Code points of a message at the most. */
export const MAX_CONTENT = 4_000;
const MAX_NAME = 100;
const MAX_DESCRIPTION = 1_024;
const MAX_PAGE = 100;
const DEFAULT_PAGE = 50;

/** A payload or body as fields to look at; anything but a JSON object is refused. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new ChatError("invalid", "A JSON object is expected here.");
  }
  return value as Record<string, unknown>;
}

/** Whether a text can be the id of a channel: 1–64 letters, digits, `-`, `_`. */
export function isChannelId(id: unknown): id is string {
  return typeof id === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

/** A channel's id; a malformed one is `invalid`. */
export function channelId(id: unknown): string {
  if (!isChannelId(id)) throw new ChatError("invalid", "A channel id is 1 to 64 letters, digits, - or _.");
  return id;
}

/** What a new message is made from: `{ content, nonce? }`; anything else in it is ignored, a `user_id` above all. */
export function messageDraft(channelId: string, userId: string, payload: unknown): MessageDraft {
  const { content, nonce } = fields(payload);
  const draft = { channelId, userId, content: messageContent(content) };
  return nonce === undefined ? draft : { ...draft, nonce: messageNonce(nonce) };
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

/** What a new channel is made from: `{ name, description?, id? }`; without an id it gets one. */
export function channelDraft(payload: unknown): ChannelDraft {
  const { id, name, description } = fields(payload);
  return {
    id: id === undefined ? crypto.randomUUID() : channelId(id),
    name: channelName(name),
    description: description === undefined ? "" : channelDescription(description),
  };
}

/** What is to be changed of a channel: `{ name?, description? }`, at least one. */
export function channelPatch(payload: unknown): ChannelPatch {
  const { name, description } = fields(payload);
  if (name === undefined && description === undefined) {
    throw new ChatError("invalid", "Give name or description, or both.");
  }
  return {
    ...(name === undefined ? {} : { name: channelName(name) }),
    ...(description === undefined ? {} : { description: channelDescription(description) }),
  };
}

function channelName(name: unknown): string {
  const text = wellFormed("name", name).trim();
  if (text === "") throw new ChatError("invalid", "name is empty.");
  return atMost("name", text, MAX_NAME);
}

function channelDescription(description: unknown): string {
  return atMost("description", wellFormed("description", description), MAX_DESCRIPTION);
}

/** The page a REST client asks for: `limit` 1–100, default 50, and at most one cursor. */
export function historyQuery(query: Readonly<Record<string, string | undefined>>): HistoryQuery {
  const { before, after, around } = query;
  const cursors = Object.entries({ before, after, around }).filter(([, id]) => id !== undefined);
  if (cursors.length > 1) throw new ChatError("invalid", "Give one of before, after and around.");
  const limit = pageLimit(query.limit);
  const [cursor] = cursors;
  if (cursor === undefined) return { limit };
  const [name, id] = cursor;
  return { limit, [name]: messageId(name, id) };
}

/** A message's id, which is a ULID; `name` is what its sender calls it. */
export function messageId(name: string, id: unknown): string {
  if (typeof id !== "string" || !/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)) {
    throw new ChatError("invalid", `${name} is not a message id.`);
  }
  return id;
}

/** The `limit` of a page over REST. */
export function pageLimit(limit: string | undefined): number {
  if (limit === undefined) return DEFAULT_PAGE;
  const count = Number(limit);
  if (!/^\d+$/.test(limit) || count < 1 || count > MAX_PAGE) {
    throw new ChatError("invalid", `limit is a whole number from 1 to ${MAX_PAGE}.`);
  }
  return count;
}

/** Where a client that comes back left off: by the counter, or by the last message it saw. */
export type ResumePoint = { readonly lastSeq: number; readonly epoch: string } | { readonly lastSeenId: string };

/** What a join asks for. */
export interface JoinRequest {
  /** Messages of history, where nothing is resumed. */
  readonly limit: number;
  readonly resume?: ResumePoint;
}

/**
 * Reads a join's payload: `{ limit? }`, 0–100, default 50, and `{ last_seq, epoch }` or `{ last_seen_id }` to resume. Fields that are null count as
 * absent, so that a client may send what it does not know yet. Bytes, as a binary join carries, say nothing.
 */
export function joinRequest(payload: unknown): JoinRequest {
  if (payload === null || payload instanceof Uint8Array) return { limit: DEFAULT_PAGE };
  const { limit, last_seq, epoch, last_seen_id } = fields(payload);
  const request = { limit: joinLimit(limit ?? DEFAULT_PAGE) };
  if ((last_seq ?? null) !== null) {
    return { ...request, resume: { lastSeq: seqNumber(last_seq), epoch: epochName(epoch) } };
  }
  if ((last_seen_id ?? null) === null) return request;
  return { ...request, resume: { lastSeenId: messageId("last_seen_id", last_seen_id) } };
}

function joinLimit(limit: unknown): number {
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 0 || limit > MAX_PAGE) {
    throw new ChatError("invalid", `limit is a whole number from 0 to ${MAX_PAGE}.`);
  }
  return limit;
}

function seqNumber(seq: unknown): number {
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0) {
    throw new ChatError("invalid", "last_seq is a whole number from 0.");
  }
  return seq;
}

function epochName(epoch: unknown): string {
  if (typeof epoch !== "string" || epoch.length > 64) {
    throw new ChatError("invalid", "epoch comes with last_seq, as the service gave it.");
  }
  return epoch;
}

/** What a client says of itself: `{ status }`, 1–64 characters such as `away`. */
export function presenceStatus(payload: unknown): string {
  const status = wellFormed("status", fields(payload).status);
  if (status === "") throw new ChatError("invalid", "status is empty.");
  return atMost("status", status, 64);
}

/** Refuses JSON that nests more than 64 levels: it could not be written out again safely. */
export function shallow(value: unknown): unknown {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > 64) throw new ChatError("invalid", "This nests more than 64 levels.");
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null && !(item instanceof Uint8Array) ? Object.values(item) : []
    );
  }
  return value;
}

function wellFormed(name: string, value: unknown): string {
  if (typeof value !== "string") throw new ChatError("invalid", `${name} must be a text.`);
  if (!value.isWellFormed()) throw new ChatError("invalid", `${name} is not valid Unicode.`);
  if (value.includes("\0")) throw new ChatError("invalid", `${name} holds the character NUL, which cannot be stored.`);
  return value;
}

function atMost(name: string, text: string, codePoints: number): string {
  if (text.length > codePoints && [...text].length > codePoints) {
    throw new ChatError("invalid", `${name} is longer than ${codePoints} characters.`);
  }
  return text;
}
