/**
 * JSON Web Tokens, and what a service in development lets pass.
 *
 * @module
 */

import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from "jose";
import { ChatError } from "../errors.ts";
import type { JwtAlgorithm } from "../jwt_algorithms.ts";
import type { Authenticate, Identity } from "./authenticator.ts";
import { identityOf, userId } from "./claims.ts";
import type { TokenHeader, TokenKeys } from "./jwt_keys.ts";

/** How clients prove who they are. */
export interface JwtOptions {
  /** What tokens are checked with; where undefined a token is not checked but is the user id itself. */
  readonly keys: TokenKeys | undefined;
  /** Lets a client without a token in as `anonymous_<n>`. */
  readonly anonymous: boolean;
  /** What `iss` must be. */
  readonly issuer?: string | undefined;
  /** One of these must be in `aud`. */
  readonly audience?: readonly string[] | undefined;
  /** How far the issuer's clock may be off; none by default. */
  readonly leewayMs?: number;
  /** The wall clock. */
  readonly now?: () => number;
}

/** More is refused before a byte of it is decoded. */
const MAX_TOKEN_LENGTH = 8_192;
const MAX_KID_LENGTH = 256;

/** Members with which a token brings its own key, says where to get one, or asks for another reading of itself. */
const REFUSED_MEMBERS = ["jwk", "jku", "x5u", "x5c", "crit", "b64"];

/**
 * Makes the authenticator for JSON Web Tokens with `sub` (the user id) and `exp`.
 *
 * The header only ever chooses among the keys and algorithms of `keys`: a token that names another algorithm, or none, is refused before its signature
 * is looked at.
 */
export function jwtAuthenticator(options: JwtOptions): Authenticate {
  const { keys, anonymous } = options;
  return async (token) => {
    if (token === undefined || token === "") {
      if (!anonymous) throw new ChatError("unauthorized", "A token is required.");
      return { userId: `anonymous_${crypto.getRandomValues(new Uint32Array(1))[0]}` };
    }
    if (token.length > MAX_TOKEN_LENGTH) {
      throw new ChatError("unauthorized", `A token has at most ${MAX_TOKEN_LENGTH} characters.`);
    }
    return keys ? await verify(token, keys, options) : { userId: userId(token) };
  };
}

async function verify(token: string, keys: TokenKeys, options: JwtOptions): Promise<Identity> {
  const nowMs = (options.now ?? Date.now)();
  try {
    return identityOf(await verifiedClaims(token, keys, verifyOptions(keys, options, nowMs)), nowMs);
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    throw new ChatError("unauthorized", explain(cause), { cause });
  }
}

function verifyOptions(
  keys: TokenKeys,
  { issuer, audience, leewayMs = 0 }: JwtOptions,
  nowMs: number,
): JWTVerifyOptions {
  return {
    algorithms: [...keys.algorithms],
    clockTolerance: leewayMs / 1_000,
    currentDate: new Date(nowMs),
    ...(issuer !== undefined && { issuer }),
    ...(audience && { audience: [...audience] }),
  };
}

async function verifiedClaims(token: string, keys: TokenKeys, options: JWTVerifyOptions): Promise<JWTPayload> {
  const header = headerOf(token, keys.algorithms);
  for (const key of await keys.find(header)) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** The header of a token that may be looked at further. */
function headerOf(token: string, algorithms: readonly JwtAlgorithm[]): TokenHeader {
  const header = decodeProtectedHeader(token);
  const alg = algorithms.find((algorithm) => algorithm === header.alg);
  const kid: unknown = header.kid;
  if (!alg || REFUSED_MEMBERS.some((member) => Object.hasOwn(header, member))) throw new errors.JWSInvalid();
  if (kid === undefined) return { alg };
  if (typeof kid !== "string" || kid.length > MAX_KID_LENGTH) throw new errors.JWSInvalid();
  return { alg, kid };
}

/** What a client may know; of a signature that is wrong nothing more. */
function explain(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "The token has expired.";
  if (!(error instanceof errors.JWTClaimValidationFailed) || error.reason !== "check_failed") {
    return "The token is not valid.";
  }
  if (error.claim === "nbf") return "The token is not valid yet.";
  if (error.claim === "iss") return "The token is of another issuer.";
  return error.claim === "aud" ? "The token is for another service." : "The token is not valid.";
}
