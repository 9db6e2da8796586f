import { assertEquals, assertNotEquals } from "@std/assert";
import { deriveKey } from "../../src/auth/key_derivation.ts";

Deno.test("deriveKey() is HKDF with SHA-256", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes("secret"), "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: bytes("salt"), info: bytes("purpose") };
  const expected = new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
  assertEquals(deriveKey("secret", "salt", "purpose"), expected);
});

Deno.test("deriveKey() gives another key for another secret, salt or purpose", () => {
  const key = deriveKey("a", "b", "c");
  const others = [["x", "b", "c"], ["a", "x", "c"], ["a", "b", "x"], ["ab", "", "c"], ["a", "bc", ""]] as const;
  for (const [secret, salt, purpose] of others) {
    assertNotEquals(deriveKey(secret, salt, purpose), key);
  }
});
