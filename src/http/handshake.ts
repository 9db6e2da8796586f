/**
 * What every connect must pass, over whichever transport (protocol section 1).
 *
 * @module
 */

import type { Authenticate, Identity } from "../auth/authenticator.ts";
import type { FailureBudget } from "../auth/failure_budget.ts";
import type { CheckOrigin } from "../auth/origin.ts";
import { ChatError } from "../errors.ts";
import { parseVsn, type Version } from "../phoenix/frame.ts";
import type { Log } from "../telemetry/log.ts";

/** What a {@linkcode Handshake} is made of. */
export interface HandshakeOptions {
  readonly authenticate: Authenticate;
  readonly checkOrigin: CheckOrigin;
  readonly failures: FailureBudget;
  readonly log: Log;
}

/** A client that may connect. */
export interface Admitted {
  readonly version: Version;
  readonly identity: Identity;
}

/** The checks, cheapest first. */
export class Handshake {
  readonly #options: HandshakeOptions;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /**
   * Admits a client or rejects: `forbidden` for its `vsn` or its origin, `rate_limited` where its address has failed too often, `unauthorized` for its
   * token.
   */
  async admit(request: Request, address: string | undefined, token: string | undefined): Promise<Admitted> {
    const version = this.check(request);
    return { version, identity: await this.login(address, token) };
  }

  /**
   * Finds out who a token belongs to; an address that has failed too often is `rate_limited` before its token is looked at. An unknown address has no
   * budget: counted for a proxy's, one client with a stale token would lock out everybody.
   */
  async login(address: string | undefined, token: string | undefined): Promise<Identity> {
    const { authenticate, failures, log } = this.#options;
    const retryAfterMs = address === undefined ? 0 : failures.retryAfterMs(address);
    if (retryAfterMs > 0) throw new ChatError("rate_limited", "Too many refused logins.", { retryAfterMs });
    try {
      return await authenticate(token);
    } catch (error) {
      if (error instanceof ChatError && error.code === "unauthorized") {
        if (address !== undefined) failures.charge(address);
        log.info("login refused: {reason}", { reason: error.message });
      }
      throw error;
    }
  }

  /** The checks that need no token: origin and `vsn`; returns the version to speak. */
  check(request: Request): Version {
    const { headers } = request;
    const searchParams = searchParamsOf(request);
    const list = [...searchParams.keys()].some((key) => key.startsWith("vsn["));
    const version = list ? undefined : parseVsn(searchParams.get("vsn"));
    if (version === undefined) throw new ChatError("forbidden", "This vsn is not spoken here.");
    if (!this.#options.checkOrigin(headers.get("origin"), headers.get("host"))) {
      throw new ChatError("forbidden", "This origin is not allowed.");
    }
    return version;
  }
}

/** The query of a request; the host before it may be anything, so the whole may be no URL. */
export function searchParamsOf(request: Request): URLSearchParams {
  return new URLSearchParams(/\?.*/.exec(request.url)?.[0]);
}
