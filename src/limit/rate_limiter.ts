/**
 * The port to rate limits: token buckets, on one instance or shared by all of them.
 *
 * @module
 */

/** A token bucket: full it holds `limit` tokens, and it is refilled evenly at `limit` tokens every `windowMs`. */
export interface Rule {
  /** Letters, digits, `_` and `-`; the same key has a bucket of its own under each name. */
  readonly name: string;
  /** More than 0. */
  readonly limit: number;
  /** More than 0. */
  readonly windowMs: number;
}

/** The outcome of a call, and what the next ones may expect as long as nobody else takes of the bucket. */
export interface Allowance {
  readonly allowed: boolean;
  /** The rule's limit, or this instance's share where it answers alone. */
  readonly limit: number;
  /** How many calls of cost 1 would be allowed at once. */
  readonly remaining: number;
  /** Whole milliseconds until the bucket is full. */
  readonly resetAfterMs: number;
  /** Whole milliseconds until a call of this cost is allowed; 0 where this one was. */
  readonly retryAfterMs: number;
}

/**
 * Counts what is done under a key. Held by tests/conformance/rate_limiter.ts.
 *
 * Answers come in the order of the calls. An implementation that need not ask anybody answers at once, so that a hot path is not made to wait; one
 * that must returns a promise that never rejects. A caller who takes both with `await`, the same way for every push of a socket, keeps their order.
 */
export interface RateLimiter extends AsyncDisposable {
  /**
   * Takes `cost` tokens (1 unless told) where there are as many; otherwise takes nothing.
   *
   * A cost of 0 looks without taking. A cost above the limit is allowed from a full bucket alone, which then owes the difference, so that the rate
   * holds and no call is refused for ever. A rule may change under its name: what is in the bucket stays, refilled at the new rate up to the new limit.
   */
  take(rule: Rule, key: string, cost?: number): Allowance | Promise<Allowance>;
  /** Forgets the buckets in memory that are full again; one timer calls it, every minute or so. */
  sweep(): void;
}
