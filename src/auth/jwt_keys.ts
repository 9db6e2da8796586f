/**
 * The keys that tokens are checked with: a secret, a public key, or a set behind a URL.
 *
 * @module
 */

import type { KeyObject } from "node:crypto";
import type { JwtAlgorithm } from "../jwt_algorithms.ts";
import { HMAC_ALGORITHMS, parsePublicKey } from "../jwt_algorithms.ts";
import { Jwks } from "./jwks.ts";

/** What of a token's header may choose a key. */
export interface TokenHeader {
  readonly alg: JwtAlgorithm;
  readonly kid?: string;
}

/** The keys of one issuer. */
export interface TokenKeys {
  /** The only algorithms that are ever tried with these keys: of secrets, or of public keys, never of both. */
  readonly algorithms: readonly JwtAlgorithm[];
  /** The keys that may have signed a token, the likeliest first. Rejects with `unavailable` where they cannot be had. */
  find(header: TokenHeader): Promise<readonly (Uint8Array | KeyObject | CryptoKey)[]>;
}

/** Where the keys come from: the first of `jwksUrl`, `publicKey` and `secret` that is there. */
export interface TokenKeysOptions {
  readonly secret?: string | undefined;
  /** The secret before, and until when (Unix milliseconds) it is taken. */
  readonly previous?: { readonly secret: string; readonly until: number } | undefined;
  /** In PEM. */
  readonly publicKey?: string | undefined;
  readonly jwksUrl?: string | undefined;
  /** Must fit the key; by default HS256, RS256, or what its curve is for. */
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
  /** Is told when the set behind the URL could not be had. */
  readonly onFault?: (error: Error) => void;
  /** The wall clock. */
  readonly now?: () => number;
}

/** Opens the keys; undefined where there are none. */
export function tokenKeys(options: TokenKeysOptions): TokenKeys | undefined {
  const { secret, publicKey, jwksUrl, algorithms, onFault } = options;
  if (jwksUrl !== undefined) return new Jwks(jwksUrl, { algorithms, onFault });
  if (publicKey !== undefined) return publicKeyOf(publicKey, algorithms);
  return secret === undefined ? undefined : secretsOf(secret, options);
}

function publicKeyOf(pem: string, wanted: readonly JwtAlgorithm[] | undefined): TokenKeys {
  const { key, algorithms } = parsePublicKey(pem);
  return { algorithms: wanted ?? algorithms.slice(0, 1), find: () => Promise.resolve([key]) };
}

function secretsOf(secret: string, { previous, algorithms, now = Date.now }: TokenKeysOptions): TokenKeys {
  const encoder = new TextEncoder();
  const [key, keyBefore] = [encoder.encode(secret), encoder.encode(previous?.secret)];
  const isTaken = () => previous !== undefined && now() < previous.until;
  return {
    algorithms: algorithms ?? HMAC_ALGORITHMS.slice(0, 1),
    find: () => Promise.resolve(isTaken() ? [key, keyBefore] : [key]),
  };
}
