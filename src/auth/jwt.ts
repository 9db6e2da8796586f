/**
 * Tokens as they come first: HS256 with one secret, and what a service in development lets pass.
 *
 * @module
 */

import { errors, jwtVerify } from "jose";
import { ChatError } from "../errors.ts";
import type { Authenticate, Identity } from "./authenticator.ts";

/** How clients prove who they are. */
export interface JwtOptions {
  /** The HS256 secret, as UTF-8 bytes; without it a token is not checked but is the user id itself. */
  readonly secret: string | undefined;
  /** Lets a client without a token in as `anonymous_<n>`. */
  readonly anonymous: boolean;
}

/**
 * Makes the authenticator for JSON Web Tokens with `sub` (the user id) and `exp`.
 *
 * Only HS256 is taken: a token that names another algorithm, or none, is refused before its signature is looked at.
 */
export function jwtAuthenticator({ secret, anonymous }: JwtOptions): Authenticate {
  const key = secret === undefined ? undefined : new TextEncoder().encode(secret);
  return async (token) => {
    if (token === undefined || token === "") {
      if (!anonymous) throw new ChatError("unauthorized", "A token is required.");
      return { userId: `anonymous_${crypto.getRandomValues(new Uint32Array(1))[0]}` };
    }
    if (key) return await verify(token, key);
    return { userId: userId(token) };
  };
}

async function verify(token: string, key: Uint8Array): Promise<Identity> {
  try {
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"], requiredClaims: ["sub", "exp"] });
    return { userId: userId(payload.sub), expiresAt: Number(payload.exp) * 1_000 };
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    const message = cause instanceof errors.JWTExpired ? "The token has expired." : "The token is not valid.";
    throw new ChatError("unauthorized", message, { cause });
  }
}

function userId(value: unknown): string {
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (typeof value !== "string" || !/^[^\u0000-\u001f\u007f-\u009f]{1,128}$/u.test(value) || !value.isWellFormed()) {
    throw new ChatError("unauthorized", "A user id is 1 to 128 characters without control characters.");
  }
  return value;
}
