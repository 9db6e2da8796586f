/**
 * The keys of what the service itself signs.
 *
 * @module
 */

import { hkdfSync } from "node:crypto";

/**
 * Derives 32 bytes (HKDF with SHA-256) from the service's secret and salt; another `purpose` gives a key that tells nothing of this one.
 *
 * @example
 * ```ts
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(deriveKey("secret", "salt", "a"), deriveKey("secret", "salt", "a"));
 * assertNotEquals(deriveKey("secret", "salt", "a"), deriveKey("secret", "salt", "b"));
 * ```
 */
export function deriveKey(secret: string, salt: string, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, purpose, 32));
}
