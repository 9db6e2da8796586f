/**
 * Chance that can be repeated: put `seed` into the name of the test, and `TEST_SEED` brings the same numbers again.
 *
 * @module
 */

/** The seed of this run. */
export const seed = Number(Deno.env.get("TEST_SEED") ?? Math.floor(Math.random() * 1e6));

/** Whole numbers from `min` to `max`, the same for the same seed (mulberry32). */
export function chance(from = seed): (min: number, max: number) => number {
  let state = from;
  return (min, max) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return min + ((mixed ^ (mixed >>> 14)) >>> 0) % (max - min + 1);
  };
}
