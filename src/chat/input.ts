/**
 * Checks of what clients send, for both doors: each returns the value it can vouch for or throws `invalid` with words for the person who sent it.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { ChannelDraft, ChannelPatch, HistoryQuery } from "../store/store.ts";

const MAX_NAME = 100;
const MAX_DESCRIPTION = 1_024;
const MAX_RETENTION_DAYS = 3_650;
const MAX_RETENTION_COUNT = 1_000_000;
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

/** What a new channel is made from: `{ name, description?, id?, retention_days?, retention_count? }`; without an id it gets one. */
export function channelDraft(payload: unknown): ChannelDraft {
  const { id, name, description, retention_days, retention_count } = fields(payload);
  return {
    id: id === undefined ? crypto.randomUUID() : channelId(id),
    name: channelName(name),
    description: description === undefined ? "" : channelDescription(description),
    ...(retention_days === undefined ? {} : { retentionDays: retentionDays(retention_days) }),
    ...(retention_count === undefined ? {} : { retentionCount: retentionCount(retention_count) }),
  };
}

/** What is to be changed of a channel: `{ name?, description?, retention_days?, retention_count? }`, at least one; null ends a retention. */
export function channelPatch(payload: unknown): ChannelPatch {
  const { name, description, retention_days, retention_count } = fields(payload);
  const patch = {
    ...(name === undefined ? {} : { name: channelName(name) }),
    ...(description === undefined ? {} : { description: channelDescription(description) }),
    ...(retention_days === undefined ? {} : { retentionDays: orNull(retention_days, retentionDays) }),
    ...(retention_count === undefined ? {} : { retentionCount: orNull(retention_count, retentionCount) }),
  };
  if (Object.keys(patch).length === 0) {
    throw new ChatError("invalid", "Give at least one of name, description, retention_days and retention_count.");
  }
  return patch;
}

function orNull<T>(value: unknown, check: (value: unknown) => T): T | null {
  return value === null ? null : check(value);
}

function retentionDays(value: unknown): number {
  return wholeNumber("retention_days", value, 1, MAX_RETENTION_DAYS);
}

function retentionCount(value: unknown): number {
  return wholeNumber("retention_count", value, 1, MAX_RETENTION_COUNT);
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
  return wholeNumber("limit", digits(limit), 1, MAX_PAGE);
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
  return wholeNumber("limit", limit, 0, MAX_PAGE);
}

function seqNumber(seq: unknown): number {
  return wholeNumber("last_seq", seq, 0);
}

/** A number that came as text; anything but digits is none. */
export function digits(text: string): number {
  return /^\d{1,16}$/.test(text) ? Number(text) : NaN;
}

/** A whole number within bounds; `name` is what its sender calls it. */
export function wholeNumber(name: string, value: unknown, from: number, to?: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < from || value > (to ?? Infinity)) {
    throw new ChatError("invalid", `${name} is a whole number from ${from}${to === undefined ? "" : ` to ${to}`}.`);
  }
  return value;
}

/** The `epoch` that a client was given. */
export function epochName(epoch: unknown): string {
  if (typeof epoch !== "string" || epoch.length > 64) {
    throw new ChatError("invalid", "epoch is a text, as the service gave it; it comes with last_seq.");
  }
  return epoch;
}

/** The token of `{ token }`. */
export function accessToken(payload: unknown): string {
  const { token } = fields(payload);
  if (typeof token !== "string" || token === "") throw new ChatError("invalid", "token must be a text.");
  return token;
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

/** A text that can be stored and written out again. */
export function wellFormed(name: string, value: unknown): string {
  if (typeof value !== "string") throw new ChatError("invalid", `${name} must be a text.`);
  if (!value.isWellFormed()) throw new ChatError("invalid", `${name} is not valid Unicode.`);
  if (value.includes("\0")) throw new ChatError("invalid", `${name} holds the character NUL, which cannot be stored.`);
  return value;
}

/** A text of so many code points at the most. */
export function atMost(name: string, text: string, codePoints: number): string {
  if (text.length > codePoints && [...text].length > codePoints) {
    throw new ChatError("invalid", `${name} is longer than ${codePoints} characters.`);
  }
  return text;
}
