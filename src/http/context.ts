/**
 * What handlers find in a request.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import { ChatError } from "../errors.ts";

/** What the handlers of the app find in their context. */
export interface AppEnv {
  Variables: { requestId: string; identity: Identity; maxBodyBytes: number };
  /** What `Deno.serve` hands over with a request; absent where the app is called without a server. */
  Bindings: Partial<Deno.ServeHandlerInfo<Deno.NetAddr>>;
}

/** The token of an `Authorization` header; another scheme than `Bearer` is `unauthorized`. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
  if (token === undefined) throw new ChatError("unauthorized", "Authorization must be: Bearer <token>.");
  return token;
}
