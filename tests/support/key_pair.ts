/**
 * Key pairs of issuers, and the tokens they sign.
 *
 * @module
 */

import {
  type CompactJWSHeaderParameters,
  CompactSign,
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  type JWK,
} from "jose";
import { inSeconds } from "./jwt.ts";

/** A key pair and what it is called. */
export interface Keys {
  readonly alg: string;
  readonly kid: string;
  readonly publicPem: string;
  readonly privatePem: string;
  /** The public key as a key set holds it: with `kid`, without `alg`. */
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
}

/** Makes a key pair for an algorithm. */
export async function newKeys(alg: string, kid = `${alg}-1`): Promise<Keys> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const [publicPem, privatePem, jwk] = await Promise.all([
    exportSPKI(publicKey),
    exportPKCS8(privateKey),
    exportJWK(publicKey),
  ]);
  return { alg, kid, publicPem, privatePem, jwk: { ...jwk, kid }, privateKey };
}

/** Signs a token of alice, for an hour; `header` and `claims` replace and add. */
export function signWith(
  keys: Keys,
  header: Partial<CompactJWSHeaderParameters> = {},
  claims: Record<string, unknown> = {},
): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify({ sub: "alice", exp: inSeconds(3_600), ...claims }));
  return new CompactSign(payload).setProtectedHeader({ alg: keys.alg, kid: keys.kid, ...header }).sign(keys.privateKey);
}
