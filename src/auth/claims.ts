/**
 * What the claims of a verified token say of a user.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Identity, Role } from "./authenticator.ts";

/** How far ahead a token may end: a number beyond is a mistake, milliseconds for one. */
const MAX_LIFE_MS = 10 * 366 * 86_400_000;

const MAX_INFO_BYTES = 1_024;
const MAX_CHANNELS = 100;
const ROLES: readonly unknown[] = ["user", "moderator", "admin"] satisfies Role[];

/**
 * Reads the claims; `sub` and `exp` must be there, those of no meaning here are left alone. Rejects with `unauthorized` whatever is not as it should be,
 * save a `role` unknown here, which gives nothing: identity providers put words of their own there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(identityOf({ sub: "alice", exp: 60, role: "admin" }, 0), { userId: "alice", expiresAt: 60_000, role: "admin" });
 * ```
 */
export function identityOf(claims: Readonly<Record<string, unknown>>, nowMs: number): Identity {
  const { exp, iat, jti, name, info, channels, role } = claims;
  const expiresAt = milliseconds(exp, "exp");
  if (expiresAt > nowMs + MAX_LIFE_MS) throw refused("The token's exp is more than ten years ahead.");
  return {
    userId: userId(claims.sub),
    expiresAt,
    ...(iat !== undefined && { issuedAt: milliseconds(iat, "iat") }),
    ...(jti !== undefined && { jti: line(jti, 128, "The token's jti") }),
    ...(name !== undefined && { name: line(name, 100, "The token's name") }),
    ...(info !== undefined && { info: infoOf(info) }),
    ...(channels !== undefined && { channels: grants(channels) }),
    ...(isRole(role) && { role }),
  };
}

/** A user id, from a claim or from where a development service takes it. */
export function userId(value: unknown): string {
  return line(value, 128, "A user id");
}

function line(value: unknown, max: number, what: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  if (typeof value === "string" && /^[^\u0000-\u001f\u007f-\u009f]+$/u.test(value) && value.isWellFormed()) {
    if (value.length <= max || Array.from(value).length <= max) return value;
  }
  throw refused(`${what} is 1 to ${max} characters without control characters.`);
}

function milliseconds(value: unknown, claim: string): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw refused(`The token's ${claim} is a number of seconds since 1970.`);
  }
  return Math.floor(value * 1_000);
}

function infoOf(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || new TextEncoder().encode(JSON.stringify(value)).length > MAX_INFO_BYTES) {
    throw refused(`The token's info is a JSON object of at most ${MAX_INFO_BYTES} bytes.`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function grants(value: unknown): readonly string[] {
  const right = Array.isArray(value) && value.length <= MAX_CHANNELS &&
    value.every((entry) => typeof entry === "string" && /^(?:[\w-]{1,64}|[\w-]{0,63}\*)$/.test(entry));
  if (!right) {
    throw refused(`The token's channels are at most ${MAX_CHANNELS} channel ids, or beginnings of ids with * behind.`);
  }
  return value;
}

function isRole(value: unknown): value is Role {
  return ROLES.includes(value);
}

function refused(message: string): ChatError {
  return new ChatError("unauthorized", message);
}
