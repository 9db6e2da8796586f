/**
 * The settings that say which tokens are taken, and what of them does not go together.
 *
 * @module
 */

import { HMAC_ALGORITHMS, type JwtAlgorithm, parsePublicKey, PUBLIC_ALGORITHMS } from "./jwt_algorithms.ts";

/** Which tokens are taken. */
export interface JwtSettings {
  /** The secret that tokens are signed with; absent: the `secretKeyBase`. */
  readonly jwtSecret?: string;
  /** The public key, in PEM, that tokens are checked with in place of a secret. */
  readonly jwtPublicKey?: string;
  /** Where the public keys are that tokens are checked with in place of a secret. */
  readonly jwtJwksUrl?: string;
  /** The algorithms taken; absent: the usual ones for the key. */
  readonly jwtAlgorithms?: readonly JwtAlgorithm[];
  /** What `iss` must be; absent: anything. */
  readonly jwtIssuer?: string;
  /** One of these must be in `aud`; absent: anything. */
  readonly jwtAudience?: readonly string[];
  /** How far the clocks of this service and of the issuer may differ. */
  readonly jwtLeewayMs: number;
  /** The secret before the present one. */
  readonly jwtPreviousSecret?: string;
  /** Until when tokens signed with it are taken, in Unix milliseconds. */
  readonly jwtPreviousUntil?: number;
}

type Settings = Partial<JwtSettings> & { readonly env?: string; readonly secretKeyBase?: string };

/** RFC 7518 3.2: a secret has no fewer bytes than the hash. */
const SECRET_BYTES: Readonly<Partial<Record<JwtAlgorithm, number>>> = { HS256: 32, HS384: 48, HS512: 64 };

const NEEDS_A_KEY: Readonly<Partial<Record<keyof Settings, string>>> = {
  jwtAlgorithms: "CHAT_JWT_ALGORITHMS",
  jwtIssuer: "CHAT_JWT_ISSUER",
  jwtAudience: "CHAT_JWT_AUDIENCE",
  jwtPreviousSecret: "CHAT_JWT_PREVIOUS_SECRET",
  jwtPreviousUntil: "CHAT_JWT_PREVIOUS_UNTIL",
};

/**
 * Complains of settings that contradict each other, though each is right by itself; `given` names those that were set, right or not, so that one
 * mistake makes one complaint. No complaint holds a secret.
 */
export function jwtContradictions(settings: Settings, given: ReadonlySet<string>): string[] {
  const sources = ["CHAT_JWT_SECRET", "CHAT_JWT_PUBLIC_KEY", "CHAT_JWT_JWKS_URL"].filter((name) => given.has(name));
  if (sources.length > 1) {
    return [`${sources.join(" and ")} are set: tokens are checked with one of them, so the others must not be set`];
  }
  const [source = "SECRET_KEY_BASE"] = sources;
  if (!given.has(source)) return withoutKey(settings);
  return [...misfits(settings, source), ...previous(settings, source, given)];
}

function withoutKey(settings: Settings): string[] {
  if (settings.env === "production") return []; // which needs a secret in any case, and says so
  const pointless = Object.entries(NEEDS_A_KEY).filter(([key]) => settings[key as keyof Settings] !== undefined);
  return pointless.map(([, name]) =>
    `${name} is set, but no token is checked: it needs SECRET_KEY_BASE, CHAT_JWT_SECRET, CHAT_JWT_PUBLIC_KEY or CHAT_JWT_JWKS_URL`
  );
}

function misfits(settings: Settings, source: string): string[] {
  const { jwtAlgorithms = [], jwtPublicKey } = settings;
  const secret = source === "SECRET_KEY_BASE" ? settings.secretKeyBase : settings.jwtSecret;
  let fit: readonly JwtAlgorithm[] = HMAC_ALGORITHMS;
  if (source === "CHAT_JWT_JWKS_URL") fit = PUBLIC_ALGORITHMS;
  if (source === "CHAT_JWT_PUBLIC_KEY") fit = jwtPublicKey ? parsePublicKey(jwtPublicKey).algorithms : jwtAlgorithms;
  const wrong = jwtAlgorithms.filter((name) => !fit.includes(name));
  const complaints = wrong.length === 0 ? [] : [
    `CHAT_JWT_ALGORITHMS holds ${wrong.join(", ")}: does not fit ${source}, for which it must be of ${fit.join(", ")}`,
  ];
  if (!fit.includes("HS256")) return complaints;
  for (const [name, text] of [[source, secret], ["CHAT_JWT_PREVIOUS_SECRET", settings.jwtPreviousSecret]] as const) {
    const bytes = new TextEncoder().encode(text).length;
    const needed = Math.max(...jwtAlgorithms.map((algorithm) => SECRET_BYTES[algorithm] ?? 0));
    if (text !== undefined && bytes < needed) {
      complaints.push(`${name} has ${bytes} bytes: CHAT_JWT_ALGORITHMS ${jwtAlgorithms.join(", ")} needs ${needed}`);
    }
  }
  return complaints;
}

function previous(settings: Settings, source: string, given: ReadonlySet<string>): string[] {
  const [secret, until] = ["CHAT_JWT_PREVIOUS_SECRET", "CHAT_JWT_PREVIOUS_UNTIL"] as const;
  const current = source === "SECRET_KEY_BASE" ? settings.secretKeyBase : settings.jwtSecret;
  if (!given.has(secret)) return given.has(until) ? [`${until} is set without ${secret}`] : [];
  if (!source.includes("SECRET")) {
    return [`${secret} is set, but tokens are checked with ${source}, which has no secret`];
  }
  if (!given.has(until)) return [`${secret} is set without ${until}, which says how long it is taken`];
  return current !== undefined && settings.jwtPreviousSecret === current ? [`${secret} is the same as ${source}`] : [];
}
