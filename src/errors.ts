/**
 * The one error that crosses layers, and the table of its codes.
 *
 * @module
 */

/** Every code a client can meet, with the HTTP status that carries it. */
export const ERROR_STATUS = {
  invalid: 400,
  unknown_event: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
} as const;

/** A key of {@linkcode ERROR_STATUS}; `internal` is never thrown, it is how anything unforeseen is shown. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** What a {@linkcode ChatError} may carry besides its code and message. */
export interface ChatErrorOptions extends ErrorOptions {
  /** Milliseconds after which the same call may succeed. */
  retryAfterMs?: number;
}

/**
 * A failure that its client is told of: the code is for programs, the message for people.
 *
 * The message is shown as it is, so it never holds a secret, a path, a query or another user's data; those go in `cause`, which is logged.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ChatError("rate_limited", "Slow down.", { retryAfterMs: 1_500 });
 * assertEquals(error.toReply(), { reason: "rate_limited", message: "Slow down.", retry_after: 1.5 });
 * ```
 */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ChatErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The response of an error reply: `{ reason, message, retry_after? }`, `retry_after` in decimal seconds. */
  toReply(): { reason: ErrorCode; message: string; retry_after?: number } {
    return { reason: this.code, message: this.message, ...this.#retryAfter() };
  }

  /** The `error` member of an HTTP answer: `{ code, message, retry_after? }`. */
  toBody(): { code: ErrorCode; message: string; retry_after?: number } {
    return { code: this.code, message: this.message, ...this.#retryAfter() };
  }

  #retryAfter(): { retry_after?: number } {
    return this.retryAfterMs === undefined ? {} : { retry_after: this.retryAfterMs / 1_000 };
  }
}
