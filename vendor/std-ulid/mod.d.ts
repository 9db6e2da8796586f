/** Makes a ULID of the given time (Unix milliseconds, now by default); not monotonic within a millisecond. */
export function ulid(seedTime?: number): string;
/** Makes a ULID that sorts after the one it made before. */
export function monotonicUlid(seedTime?: number): string;
/** Reads the Unix milliseconds out of a ULID; throws where the text is not one. */
export function decodeTime(ulid: string): number;
