/**
 * The long-poll transport over a real chat behind a port, with a window and a clock that the test sets.
 *
 * @module
 */

import { FailureBudget } from "../../src/auth/failure_budget.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { originCheck } from "../../src/auth/origin.ts";
import { SessionTokens } from "../../src/auth/session_tokens.ts";
import { roomRouter } from "../../src/chat/room.ts";
import { Clients } from "../../src/http/clients.ts";
import { Handshake } from "../../src/http/handshake.ts";
import { LongPollServer, type LongPollServerOptions } from "../../src/http/longpoll.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { ChatWith } from "../chat/support/chat_with.ts";
import { NO_SESSION_PEERS } from "./alone.ts";

/** Has the channels `general` and `random`; `await using` ends its sessions. */
export class PollStage implements AsyncDisposable {
  readonly clients: Clients;
  readonly tokens = new SessionTokens("secret", "salt");
  /** What the sessions take for the time. */
  now = 0;
  readonly server: LongPollServer;
  readonly #chat: ChatWith;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;

  private constructor(chat: ChatWith, options: Partial<LongPollServerOptions>) {
    this.#chat = chat;
    const log = openLog("error", () => {});
    const limits = { maxClients: 100, maxTopics: 100, closeRefusedJoins: true, drainWindowMs: 0 };
    const authenticate = jwtAuthenticator({ keys: undefined, anonymous: true });
    const clients = this.clients = new Clients({ route: roomRouter(chat.chat, authenticate), ...limits, log });
    const handshake = new Handshake({
      authenticate,
      checkOrigin: originCheck([], { loopback: true }),
      failures: new FailureBudget(0),
      log,
    });
    const server = this.server = new LongPollServer({
      handshake,
      clients,
      tokens: this.tokens,
      peers: NO_SESSION_PEERS,
      maxFrameBytes: 65_536,
      maxBatchBytes: 1_048_576,
      sendBufferBytes: 1_048_576,
      windowMs: 10_000,
      now: () => this.now,
      ...options,
    });
    this.#http = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => server.handle(request, "127.0.0.1"),
    );
  }

  static async start(options: Partial<LongPollServerOptions> = {}): Promise<PollStage> {
    return new PollStage(await ChatWith.open({ channels: ["general", "random"] }), options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#http.addr.port}`;
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `${this.url.replace("http", "ws")}/socket`;
  }

  /** Lets the sessions' time go by and looks for idle ones. */
  pass(ms: number): void {
    this.now += ms;
    this.clients.sweep(); // the first after a pause finds nobody, because the process may have slept
    this.clients.sweep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clients.drain(0);
    await this.#http.shutdown();
    await this.#chat[Symbol.asyncDispose]();
  }
}
