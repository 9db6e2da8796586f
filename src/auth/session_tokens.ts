/**
 * The tokens that name long-poll sessions.
 *
 * @module
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { deriveKey } from "./key_derivation.ts";

/** Makes and recognises tokens: 24 random bytes and their HMAC, so that nobody can guess one and any instance with the same secret knows its own. */
export class SessionTokens {
  readonly #key: Uint8Array;

  constructor(secret: string, salt: string) {
    this.#key = deriveKey(secret, salt, "long-poll session");
  }

  make(): string {
    const id = randomBytes(24).toString("base64url");
    return `${id}.${this.#sign(id)}`;
  }

  /** Whether this or another instance with the same secret made the token, be the session alive or not. */
  verify(token: string): boolean {
    const [id = "", signature = "", ...rest] = token.split(".");
    const encoder = new TextEncoder();
    const [given, expected] = [encoder.encode(signature), encoder.encode(this.#sign(id))];
    return rest.length === 0 && given.length === expected.length && timingSafeEqual(given, expected);
  }

  #sign(id: string): string {
    return createHmac("sha256", this.#key).update(id).digest("base64url");
  }
}
