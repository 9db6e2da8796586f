/**
 * The service put together: every part named once, and nothing of the process it runs in.
 *
 * @module
 */

import type { Authenticate } from "./auth/authenticator.ts";
import { jwtAuthenticator } from "./auth/jwt.ts";
import { tokenKeys } from "./auth/jwt_keys.ts";
import { FailureBudget } from "./auth/failure_budget.ts";
import { originCheck } from "./auth/origin.ts";
import { Chat } from "./chat/chat.ts";
import { roomRouter } from "./chat/room.ts";
import type { Config } from "./config.ts";
import { createApp } from "./http/app.ts";
import { Clients } from "./http/clients.ts";
import { Handshake } from "./http/handshake.ts";
import { Health } from "./http/health.ts";
import { LongPollServer } from "./http/longpoll.ts";
import { SessionTokens } from "./auth/session_tokens.ts";
import { SocketServer } from "./http/socket.ts";
import { openStore } from "./store/open_store.ts";
import { within } from "./deadline.ts";
import { describe, type Log } from "./telemetry/log.ts";

/** A running service. */
export interface Service {
  /** The port it listens on: the one asked for, or the free one that was found. */
  readonly port: number;
  readonly node: string;
  /** Ends all clients of a user (`user_socket:<user_id>`) with 1001; returns how many there were. */
  disconnect(userId: string): number;
  /**
   * Stops it: takes nothing new, answers what is in flight, closes sockets with 1012, commits, closes the store. Bounded by the drain time-out
   * whatever clients do.
   */
  stop(): Promise<void>;
}

/** Channels that a fresh service has. */
const FIRST_CHANNELS = [
  { id: "general", name: "general", description: "Everything that has no place of its own" },
  { id: "random", name: "random", description: "Off topic" },
  { id: "tech", name: "tech", description: "Code, tools and machines" },
];

const SWEEP_MS = 1_000;
const SWEEP_STORE_MS = 30_000;
const STORE_CLOSE_MS = 5_000;
const RELISTEN_MS = 100;

/** Who may come in, by the settings. */
function authenticator(config: Config, log: Log): Authenticate {
  const { jwtPreviousSecret, jwtPreviousUntil, jwtLeewayMs: leewayMs } = config;
  const keys = tokenKeys({
    secret: config.jwtSecret ?? config.secretKeyBase,
    previous: jwtPreviousSecret !== undefined && jwtPreviousUntil !== undefined
      ? { secret: jwtPreviousSecret, until: jwtPreviousUntil }
      : undefined,
    publicKey: config.jwtPublicKey,
    jwksUrl: config.jwtJwksUrl,
    algorithms: config.jwtAlgorithms,
    onFault: (error) => log.warn("the keys of tokens were not fetched: {reason}", { reason: error.message }),
  });
  const anonymous = config.env === "development";
  return jwtAuthenticator({ keys, anonymous, issuer: config.jwtIssuer, audience: config.jwtAudience, leewayMs });
}

/** Opens the store and listens; rejects with what stands in the way. */
export async function startService(config: Config, version: string, log: Log): Promise<Service> {
  const node = config.nodeName ?? `chat_${crypto.randomUUID().slice(0, 8)}`;
  const onFault = (error: unknown) => log.error("background work failed", { error: describe(error) });
  const store = await openStore({ url: config.storeUrl, synchronous: config.sqliteSynchronous });
  const chat = new Chat({ store, adHocChannels: config.adHocChannels, maxListed: config.presenceList, onFault });
  const development = config.env === "development";
  const authenticate = authenticator(config, log);
  const checkOrigin = originCheck(config.allowedOrigins, { loopback: development });
  const failures = new FailureBudget(config.loginFailures);
  const handshake = new Handshake({ authenticate, checkOrigin, failures, log });
  const health = new Health({ store, node, version });
  const { maxTopics, maxFrameBytes, maxBatchBytes, sendBufferBytes, idleTimeoutMs } = config;
  const { maxSockets: maxClients, closeRefusedJoins, drainWindowMs } = config;
  const route = roomRouter(chat);
  const clients = new Clients({ route, maxClients, maxTopics, closeRefusedJoins, drainWindowMs, log });
  const sockets = new SocketServer({ handshake, clients, maxFrameBytes, sendBufferBytes, idleTimeoutMs });
  const tokens = new SessionTokens(config.secretKeyBase ?? crypto.randomUUID(), config.signingSalt);
  const polls = new LongPollServer({ handshake, clients, tokens, maxFrameBytes, maxBatchBytes, sendBufferBytes });
  const app = createApp({ chat, checkOrigin, handshake, sockets, polls, health, maxBodyBytes: maxFrameBytes, log });

  let server: Deno.HttpServer<Deno.NetAddr>;
  let stopping = false;
  const listen = (port: number) => {
    const listening = Deno.serve({ hostname: config.host, port, onListen: () => {} }, app.fetch);
    // Out of file descriptors, Deno stops accepting for good; those that are connected live on.
    listening.finished.catch((error) => {
      if (stopping) return;
      onFault(error);
      setTimeout(() => stopping || relisten(), RELISTEN_MS);
    });
    return listening;
  };
  const relisten = () => {
    try {
      server = listen(server.addr.port);
    } catch (error) {
      onFault(error);
      setTimeout(() => stopping || relisten(), RELISTEN_MS);
    }
  };
  try {
    await chat.ensureFirstChannels(FIRST_CHANNELS);
    server = listen(config.port);
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }

  chat.sweepStore();
  const timer = setInterval(() => {
    chat.sweep();
    clients.sweep();
  }, SWEEP_MS);
  const storeTimer = setInterval(() => chat.sweepStore(), SWEEP_STORE_MS);
  return {
    port: server.addr.port,
    node,
    disconnect: (userId) => clients.disconnect(userId),
    async stop() {
      stopping = true;
      health.drain();
      await clients.drain(config.drainTimeoutMs);
      await within(2_000, server.shutdown());
      clearInterval(timer);
      clearInterval(storeTimer);
      // What a store that hangs still holds was never acknowledged.
      await within(STORE_CLOSE_MS, store[Symbol.asyncDispose]());
    },
  };
}
