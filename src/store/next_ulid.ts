/**
 * Ids that sort in commit order.
 *
 * @module
 */

import { decodeTime, ulid } from "@std/ulid";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * Makes the ULID that follows `last`: of the time `nowMs` where the clock has moved on, else `last` plus one, so that a clock that stands still or
 * runs backwards does not change the order.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 *
 * const first = nextUlid(undefined, 1_000);
 * assert(nextUlid(first, 2_000) > first);
 * assertEquals(nextUlid("00000000Z8ZZZZZZZZZZZZZZZZ", 500), "00000000Z90000000000000000");
 * ```
 */
export function nextUlid(last: string | undefined, nowMs: number): string {
  return last === undefined || nowMs > decodeTime(last) ? ulid(nowMs) : increment(last);
}

/** Adds one in Crockford's base 32; a full random part carries into the time. */
function increment(id: string): string {
  const end = id.search(/[^Z]Z*$/);
  const next = ALPHABET[ALPHABET.indexOf(id.charAt(end)) + 1];
  return id.slice(0, end) + next + "0".repeat(id.length - end - 1);
}
