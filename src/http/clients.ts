/**
 * Every client of this instance, over whichever transport.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import { within } from "../deadline.ts";
import { ChatError } from "../errors.ts";
import type { Join } from "../phoenix/channel.ts";
import { Connection } from "../phoenix/connection.ts";
import type { Version } from "../phoenix/frame.ts";
import type { Transport } from "../phoenix/transport.ts";
import { describe, type Log } from "../telemetry/log.ts";

/** What a {@linkcode Clients} is made of. */
export interface ClientsOptions {
  readonly route: (topic: string) => Join | undefined;
  /** Clients at once; one more is refused with `unavailable`. */
  readonly maxClients: number;
  readonly maxTopics: number;
  /** Whether a join that is refused for good is ended with `phx_close`, so that phoenix.js does not try it for ever. */
  readonly closeRefusedJoins: boolean;
  /** Time over which a drain spreads the closes, so that the clients do not come back all at once. */
  readonly drainWindowMs: number;
  /** How long after its end a token is still good; 0 where absent. */
  readonly leewayMs?: number;
  readonly now?: () => number;
  readonly log: Log;
}

/** A transport that the registry can watch. */
export interface ClientTransport extends Transport {
  /** Whether the client has been silent for too long. */
  isIdle(): boolean;
  /** Resolves when the transport is gone. */
  readonly closed: Promise<void>;
}

/** A drain closes at least this many clients in a second. */
const DRAIN_RATE = 200;
const DRAIN_STEP_MS = 50;

/** A sweep, due every second, that comes this long after the one before tells that the process did not run in between. */
const LATE_MS = 2_000;

/** A client is told so long before its token ends. */
const WARNING_MS = 60_000;

/** Opens connections, finds them by user, ends them when they are idle or the service stops. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #open = new Map<Connection, ClientTransport>();
  readonly #users = new Map<string, Set<Connection>>();
  /** The tokens whose end their clients were told of. */
  readonly #warned = new WeakSet<Identity>();
  #draining = false;
  #sweptAt = Date.now();

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  /** How many clients there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Throws `unavailable` where one more client cannot be taken; asked before anything costly is done for it. */
  assertRoom(): void {
    if (!this.#draining && this.#open.size < this.#options.maxClients) return;
    const message = this.#draining ? "The service is about to stop." : "The service is full.";
    throw new ChatError("unavailable", message, { retryAfterMs: 1_000 });
  }

  /** Starts a client's connection; the transport calls {@linkcode remove} when it is gone. */
  add(version: Version, identity: Identity, transport: ClientTransport): Connection {
    const { route, maxTopics, closeRefusedJoins, log } = this.#options;
    const onCrash = (error: unknown) => log.error("a room crashed", { error: describe(error) });
    const connection = new Connection({ version, identity, transport, route, maxTopics, closeRefusedJoins, onCrash });
    this.#open.set(connection, transport);
    const ofUser = this.#users.get(identity.userId) ?? new Set();
    this.#users.set(identity.userId, ofUser.add(connection));
    return connection;
  }

  remove(connection: Connection): void {
    this.#open.delete(connection);
    const { userId } = connection.identity;
    const ofUser = this.#users.get(userId);
    ofUser?.delete(connection);
    if (ofUser?.size === 0) this.#users.delete(userId);
  }

  /** Ends all of a user's clients, as Phoenix does for a `disconnect` on `user_socket:<user_id>`; returns how many. */
  disconnect(userId: string): number {
    const connections = [...this.#users.get(userId) ?? []];
    for (const connection of connections) connection.end(1001, "disconnected");
    return connections.length;
  }

  /** Ends clients whose token has ended, with 4401, and tells those whose token will; called every second or so. */
  expire(): void {
    const { leewayMs = 0, now = Date.now } = this.#options;
    const nowMs = now();
    for (const connection of this.#open.keys()) {
      const { identity } = connection;
      const { expiresAt } = identity;
      if (expiresAt === undefined || nowMs < expiresAt - WARNING_MS) continue;
      if (nowMs >= expiresAt + leewayMs) connection.end(4401, "token expired");
      else if (!this.#warned.has(identity)) {
        this.#warned.add(identity);
        const message = "The token ends soon; renew it with access_token.";
        const expires_at = new Date(expiresAt).toISOString();
        connection.pushAll("system", { code: "token_expiring", message, expires_at });
      }
    }
  }

  /** Ends and forgets clients that have been silent for too long, also one whose transport never said that it is gone; called every second or so. */
  sweep(): void {
    const sweptAt = this.#sweptAt;
    this.#sweptAt = Date.now();
    // The process itself was asleep: what clients sent meanwhile has not been read yet, so nobody is called silent.
    if (this.#sweptAt - sweptAt > LATE_MS) return;
    for (const [connection, transport] of this.#open) {
      if (!transport.isIdle()) continue;
      connection.end(1001, "idle");
      this.remove(connection);
    }
  }

  /**
   * Takes no more clients, tells those here, lets what is in flight be answered, then closes them with 1012, spread over the drain window; at most
   * `timeoutMs`.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const deadline = Date.now() + timeoutMs;
    const open = [...this.#open];
    const windowMs = Math.min(this.#options.drainWindowMs, open.length / DRAIN_RATE * 1_000, timeoutMs / 2);
    const code = "draining";
    const message = "The service restarts; your client comes back by itself.";
    for (const [connection] of open) {
      connection.refuse();
      connection.pushAll("system", { code, message, reconnect_within_ms: Math.ceil(windowMs) });
    }
    await within((deadline - Date.now()) / 2, Promise.all(open.map(([connection]) => connection.settled())));
    await closeSpread(open.map(([connection]) => connection), Math.min(windowMs, deadline - Date.now()));
    await within(Math.min(deadline - Date.now(), 2_000), Promise.all(open.map(([, { closed }]) => closed)));
  }
}

async function closeSpread(connections: readonly Connection[], windowMs: number): Promise<void> {
  const startedAt = Date.now();
  for (let closed = 0; closed < connections.length;) {
    const elapsed = Date.now() - startedAt + DRAIN_STEP_MS;
    const due = elapsed >= windowMs ? connections.length : Math.ceil(connections.length * elapsed / windowMs);
    for (; closed < due; closed++) connections[closed]?.end(1012, "service restart");
    if (closed < connections.length) await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
  }
}
