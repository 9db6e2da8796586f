/**
 * The sending end of the numbers: counts the posts of this instance, stream by stream.
 *
 * @module
 */

import type { Envelope } from "./envelope.ts";

/** How many streams are remembered. */
const MAX_STREAMS = 50_000;

interface Last {
  readonly n: number;
  readonly at: number;
}

/** Options of a {@linkcode Numbering}. */
export interface NumberingOptions {
  readonly from: string;
  readonly maxStreams?: number;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

/**
 * Numbers posts.
 *
 * Of too many streams the one that rested longest is forgotten; its next number is above all it had, so that a hole is seen too often, never too
 * seldom.
 */
export class Numbering {
  readonly from: string;
  readonly boot: string = crypto.randomUUID();
  readonly #maxStreams: number;
  readonly #now: () => number;
  readonly #last = new Map<string, Last>();
  #forgotten: Last;

  constructor({ from, maxStreams = MAX_STREAMS, now = () => performance.now() }: NumberingOptions) {
    this.from = from;
    this.#maxStreams = maxStreams;
    this.#now = now;
    this.#forgotten = { n: 0, at: now() };
  }

  /** Makes the next post of a stream. */
  seal(stream: string, m: readonly string[]): Envelope {
    const last = this.#last.get(stream) ?? this.#forgotten;
    const at = this.#now();
    const n = last.n + 1;
    this.#last.delete(stream);
    this.#last.set(stream, { n, at });
    if (this.#last.size > this.#maxStreams) this.#forget();
    return { v: 1, from: this.from, boot: this.boot, n, age: Math.floor(at - last.at), m };
  }

  #forget(): void {
    for (const [stream, { n, at }] of this.#last) {
      this.#last.delete(stream);
      this.#forgotten = { n: Math.max(this.#forgotten.n, n), at };
      return;
    }
  }
}
