/**
 * Who a client is, and the port that finds out.
 *
 * @module
 */

/** What a client may do besides chatting. */
export type Role = "user" | "moderator" | "admin";

/** What a token proved. */
export interface Identity {
  /** 1–128 characters without control characters; the only source of `user_id` anywhere. */
  readonly userId: string;
  /** Unix milliseconds at which the token ends; with a leeway it may be taken a little longer. */
  readonly expiresAt?: number;
  /** Unix milliseconds at which the token was made, as its issuer says. */
  readonly issuedAt?: number;
  /** The token's own id: 1–128 characters without control characters. */
  readonly jti?: string;
  /** What the user is called: 1–100 characters without control characters. */
  readonly name?: string;
  /** What the issuer says of the user, for others to see: at most 1 KiB as JSON. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** The channels that the token is for: ids, or the beginning of ids and `*`; at most 100. Absent: it names none, and is for all. */
  readonly channels?: readonly string[];
  /** Absent: `user`. */
  readonly role?: Role;
}

/**
 * Tells who a token belongs to; `undefined` where the client sent none.
 *
 * Rejects with `unauthorized`, whose message says what is wrong with the token and never holds it, and with `unavailable` where the keys to check it
 * cannot be had.
 */
export type Authenticate = (token: string | undefined) => Promise<Identity>;
