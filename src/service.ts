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
import { LongPollServer, type SessionRequest } from "./http/longpoll.ts";
import { SessionTokens } from "./auth/session_tokens.ts";
import { Listener } from "./http/listener.ts";
import { SocketServer } from "./http/socket.ts";
import { openBus } from "./pubsub/open_bus.ts";
import { Peers } from "./pubsub/peers.ts";
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
const CHECK_MS = 10_000;
const BUS_LOG_MS = 10_000;
const STORE_CLOSE_MS = 5_000;

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

/** What several instances of one process share. */
export interface Shared {
  /** Joins the worker threads, where nothing else joins instances. */
  readonly busUrl: string;
  /** Signs the tokens of long-poll sessions where no secret is set. */
  readonly sessionSecret: string;
}

/** Opens the store and the bus and listens; rejects with what stands in the way. `shared` makes it one of several instances on one port. */
export async function startService(config: Config, version: string, log: Log, shared?: Shared): Promise<Service> {
  const node = config.nodeName ?? `chat_${crypto.randomUUID().slice(0, 8)}`;
  const onFault = (error: unknown) => log.error("background work failed", { error: describe(error) });
  await using opened = new AsyncDisposableStack();
  const store = await openStore({ url: config.storeUrl, synchronous: config.sqliteSynchronous });
  opened.defer(() => within(STORE_CLOSE_MS, store[Symbol.asyncDispose]()).then(() => {}));
  const instance = crypto.randomUUID().slice(-12);
  const busUrl = config.busUrl === "local:" ? shared?.busUrl ?? config.busUrl : config.busUrl;
  let toldAt = -Infinity;
  const bus = await openBus({
    url: busUrl,
    instance,
    onFault(error) {
      if (performance.now() - toldAt < BUS_LOG_MS) return; // it tries again several times a second
      toldAt = performance.now();
      log.warn("the bus fails, this instance goes on by itself: {reason}", { reason: String(error) });
    },
  });
  const storeName = await store.identity();
  const hasPeers = () => peers.discovery.peers.length > 0;
  const { adHocChannels, presenceList: maxListed } = config;
  const chat = new Chat({ store, bus, storeName, adHocChannels, maxListed, onFault, hasPeers });
  const { maxTopics, maxFrameBytes, maxBatchBytes, sendBufferBytes, idleTimeoutMs } = config;
  const { maxSockets: maxClients, closeRefusedJoins, drainWindowMs, jwtLeewayMs: leewayMs } = config;
  const authenticate = authenticator(config, log);
  const route = roomRouter(chat, authenticate);
  const clients = new Clients({ route, maxClients, maxTopics, closeRefusedJoins, drainWindowMs, leewayMs, log });
  const peers = await Peers.open({
    bus,
    node,
    store: storeName,
    onLost: (instance) => chat.dropInstance(instance),
    onBack: () => chat.askInstances(),
    onRoundTrip: (ms) => health.measured(ms),
    disconnect: (userId) => clients.disconnect(userId),
  });
  opened.use(peers);
  const health = new Health({ store, bus, discovery: peers.discovery, node, version });
  const development = config.env === "development";
  const checkOrigin = originCheck(config.allowedOrigins, { loopback: development });
  const failures = new FailureBudget(config.loginFailures);
  const handshake = new Handshake({ authenticate, checkOrigin, failures, log });
  const sockets = new SocketServer({ handshake, clients, maxFrameBytes, sendBufferBytes, idleTimeoutMs });
  const secret = config.secretKeyBase ?? shared?.sessionSecret ?? crypto.randomUUID();
  const polls = new LongPollServer({
    handshake,
    clients,
    tokens: new SessionTokens(secret, config.signingSalt),
    peers: {
      home: instance,
      ask: async (home, request, timeoutMs) =>
        JSON.parse(await peers.ask(home, "session", JSON.stringify(request), timeoutMs)),
    },
    maxFrameBytes,
    maxBatchBytes,
    sendBufferBytes,
  });
  peers.answer("session", async (body) => JSON.stringify(await polls.answer(JSON.parse(body) as SessionRequest)));
  const app = createApp({ chat, checkOrigin, handshake, sockets, polls, health, maxBodyBytes: maxFrameBytes, log });
  await chat.ensureFirstChannels(FIRST_CHANNELS);
  const server = new Listener(
    { host: config.host, port: config.port, reusePort: shared !== undefined, onFault },
    app.fetch,
  );
  chat.sweepStore();
  const timers = [
    setInterval(() => {
      chat.sweep();
      clients.sweep();
      clients.expire();
    }, SWEEP_MS),
    setInterval(() => chat.sweepStore(), SWEEP_STORE_MS),
    setInterval(() => {
      chat.keepInstances((instance) => peers.discovery.has(instance));
      if (hasPeers()) chat.check();
    }, CHECK_MS),
  ];
  const parts = opened.move();
  return {
    port: server.port,
    node,
    disconnect: (userId) => peers.disconnect(userId),
    async stop() {
      health.drain();
      server.stopListeningAgain();
      await clients.drain(config.drainTimeoutMs);
      await server.stop();
      for (const timer of timers) clearInterval(timer);
      await parts[Symbol.asyncDispose](); // what a store that hangs still holds was never acknowledged
    },
  };
}
