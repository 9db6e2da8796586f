/**
 * JSON Web Tokens made by hand, so that wrong ones can be made too.
 *
 * @module
 */

/** The secret of the services that ask for tokens. */
export const SECRET = "kX9mQ2vR7tY4wZ1pL8nB5cD3fG6hJ0sA/Ue+iOxM=";

/** How a token is made, where not as it should be. */
export interface TokenOptions {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly secret?: string;
  readonly hash?: "SHA-256" | "SHA-384" | "SHA-512";
}

/** Signs `claims`; without other options as the service wants it: HS256 with {@linkcode SECRET}. */
export async function sign(claims: unknown, options: TokenOptions = {}): Promise<string> {
  const { header = { alg: "HS256", typ: "JWT" }, secret = SECRET, hash = "SHA-256" } = options;
  const signed = `${part(JSON.stringify(header))}.${
    part(typeof claims === "string" ? claims : JSON.stringify(claims))
  }`;
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), { name: "HMAC", hash }, false, ["sign"]);
  return `${signed}.${part(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(signed))))}`;
}

/** A token that the service takes, for an hour. */
export function tokenFor(sub: string): Promise<string> {
  return sign({ sub, exp: inSeconds(3_600) });
}

/** The Unix time so many seconds from now, as claims have it. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}

/** A part of a token: base64url without padding. */
export function part(data: string | Uint8Array<ArrayBuffer>): string {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
