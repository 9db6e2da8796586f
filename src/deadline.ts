/**
 * The one way to stop waiting.
 *
 * @module
 */

/**
 * Waits for `work`, `ms` milliseconds at the most; the work itself goes on.
 *
 * Resolves with whether it was done in time, and with false where it rejected.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await within(1_000, Promise.resolve()), true);
 * assertEquals(await within(0, new Promise(() => {})), false);
 * ```
 */
export async function within(ms: number, work: PromiseLike<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), Math.max(0, ms)));
  try {
    return await Promise.race([work.then(() => true, () => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
