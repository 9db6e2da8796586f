/**
 * Waiting for what is true soon.
 *
 * @module
 */

/** Resolves with what `probe` returns once that is neither undefined nor false and it no longer throws; fails after `ms` with its last word. */
export async function eventually<T>(probe: () => T | Promise<T>, ms = 5_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    let last: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw last instanceof Error ? last : new Error(`still ${last} after ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
