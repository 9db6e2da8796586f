/**
 * An end to waiting, so that what never comes is a red test and not a silent one.
 *
 * @module
 */

/** Settles as `work` does; rejects with `complaint` where that takes longer than `ms`. */
export async function inTime<T>(work: Promise<T>, complaint: () => string, ms = 15_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint())), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
