/**
 * What travels on a bus: the messages of one turn of one sender, with a number that shows a hole.
 *
 * @module
 */

/** A numbered post. */
export interface Envelope {
  /** The version of this format; posts of any other are ignored. */
  readonly v: 1;
  /** The sender's name. */
  readonly from: string;
  /** The sender's start: after a restart it is another, and numbers begin again. */
  readonly boot: string;
  /** Counts the sender's posts in this stream (on Redis a topic's, between threads the sender's), from 1. */
  readonly n: number;
  /** Milliseconds since the sender's post before this one: who has listened for longer should have heard that. */
  readonly age: number;
  /** The messages; none where the sender only tells its number. */
  readonly m: readonly string[];
}

/** The longest post that is sent or taken, in characters. */
export const MAX_POST = 4 * 1_024 * 1_024;

const MAX_NAME = 200;

/**
 * Reads a post; undefined where it is none of this version.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const post = { v: 1, from: "a", boot: "b", n: 1, age: 0, m: ["hi"] } as const;
 * assertEquals(decodeEnvelope(JSON.stringify(post)), post);
 * assertEquals(decodeEnvelope(JSON.stringify({ ...post, v: 2 })), undefined);
 * assertEquals(decodeEnvelope("hi"), undefined);
 * ```
 */
export function decodeEnvelope(text: string): Envelope | undefined {
  if (text.length > MAX_POST) return undefined;
  try {
    return checkEnvelope(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Takes what came for a post; undefined where it is none of this version. */
export function checkEnvelope(data: unknown): Envelope | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { v, from, boot, n, age, m } = data as Record<string, unknown>;
  const good = v === 1 && isName(from) && isName(boot) && isCount(n) && n > 0 && isCount(age) && Array.isArray(m) &&
    m.every((message) => typeof message === "string");
  return good ? { v, from, boot, n, age, m } : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_NAME;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
