/**
 * The tokens that name long-poll sessions.
 *
 * @module
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { deriveKey } from "./key_derivation.ts";

/**
 * Makes and recognises tokens: the instance at which the session lives, 24 random bytes, and the HMAC of both, so that nobody can guess one and any
 * instance with the same secret knows where to ask.
 */
export class SessionTokens {
  readonly #key: Uint8Array;

  constructor(secret: string, salt: string) {
    this.#key = deriveKey(secret, salt, "long-poll session");
  }

  /** Makes a token of a session that lives at `home`, an instance whose name holds no dot. */
  make(home: string): string {
    const id = `${home}.${randomBytes(24).toString("base64url")}`;
    return `${id}.${this.#sign(id)}`;
  }

  /** At which instance the session of a token lives or lived; undefined where no instance with the same secret made it. */
  homeOf(token: string): string | undefined {
    const [home = "", random = "", signature = "", ...rest] = token.split(".");
    const encoder = new TextEncoder();
    const [given, expected] = [encoder.encode(signature), encoder.encode(this.#sign(`${home}.${random}`))];
    const isOurs = rest.length === 0 && given.length === expected.length && timingSafeEqual(given, expected);
    return isOurs ? home : undefined;
  }

  #sign(id: string): string {
    return createHmac("sha256", this.#key).update(id).digest("base64url");
  }
}
