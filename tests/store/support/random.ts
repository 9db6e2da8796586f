/**
 * Chance that can be had again.
 *
 * @module
 */

/** Whole numbers below a bound. */
export type Random = (bound: number) => number;

/** A seed for {@linkcode generator}: print it with what fails. */
export function newSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** The same numbers for the same seed (mulberry32). */
export function generator(seed: number): Random {
  return (bound) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % bound;
  };
}
