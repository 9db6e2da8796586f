/**
 * Who a client is, and the port that finds out.
 *
 * @module
 */

/** What a token proved. */
export interface Identity {
  /** 1–128 characters without control characters; the only source of `user_id` anywhere. */
  readonly userId: string;
  /** Unix milliseconds at which the token ends. */
  readonly expiresAt?: number;
}

/**
 * Tells who a token belongs to; `undefined` where the client sent none.
 *
 * Rejects with `unauthorized`, whose message says what is wrong with the token and never holds it.
 */
export type Authenticate = (token: string | undefined) => Promise<Identity>;
