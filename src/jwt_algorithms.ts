/**
 * The algorithms that tokens may be signed with, and which of them fit a key.
 *
 * @module
 */

import { createPublicKey, type KeyObject } from "node:crypto";

/** Those that a secret signs with; the first is taken where none is set. */
export const HMAC_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;

/** Those that a public key verifies. */
export const PUBLIC_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

/** An algorithm by the name it has in a token's header. */
export type JwtAlgorithm = typeof HMAC_ALGORITHMS[number] | typeof PUBLIC_ALGORITHMS[number];

/** A public key and the algorithms that fit it; the first is taken where none is set. */
export interface PublicKey {
  readonly key: KeyObject;
  readonly algorithms: readonly JwtAlgorithm[];
}

const BY_CURVE: Readonly<Record<string, readonly JwtAlgorithm[]>> = {
  prime256v1: ["ES256"],
  secp384r1: ["ES384"],
  secp521r1: ["ES512"],
};

/**
 * Reads a public key in PEM, whose line breaks may be written as `\n`.
 *
 * Throws an `Error` whose message says what would be right and holds nothing of the text.
 */
export function parsePublicKey(text: string): PublicKey {
  const pem = text.replaceAll("\\n", "\n").trim();
  if (/-----BEGIN [\w ]*PRIVATE KEY-----/.test(pem)) throw new Error("is a private key; must be the public one");
  if (!/^-----BEGIN PUBLIC KEY-----[\w+/=\s]+-----END PUBLIC KEY-----$/.test(pem)) {
    throw new Error("must be one public key in PEM, which begins with -----BEGIN PUBLIC KEY-----");
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error("is damaged; must be a public key in PEM");
  }
  return { key, algorithms: fitting(key) };
}

function fitting(key: KeyObject): readonly JwtAlgorithm[] {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa" && modulusLength < 2_048) {
    throw new Error(`has ${modulusLength} bits; an RSA key must have at least 2048`);
  }
  if (key.asymmetricKeyType === "rsa") return PUBLIC_ALGORITHMS.filter((name) => /^[RP]S/.test(name));
  if (key.asymmetricKeyType === "ed25519") return ["EdDSA"];
  const algorithms = key.asymmetricKeyType === "ec" ? BY_CURVE[namedCurve] : undefined;
  if (!algorithms) throw new Error("is of a kind that signs no tokens; must be RSA, P-256, P-384, P-521 or Ed25519");
  return algorithms;
}
