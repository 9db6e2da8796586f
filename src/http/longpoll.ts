/**
 * Long-poll transport of Phoenix Channels at `/socket/longpoll` (protocol section 7).
 *
 * @module
 */

import type { SessionTokens } from "../auth/session_tokens.ts";
import { ChatError } from "../errors.ts";
import type { Connection } from "../phoenix/connection.ts";
import { readText } from "./body.ts";
import type { Clients, ClientTransport } from "./clients.ts";
import { type Handshake, searchParamsOf } from "./handshake.ts";
import { isLarger } from "./socket.ts";

/** What a {@linkcode LongPollServer} is made of. */
export interface LongPollServerOptions {
  readonly handshake: Handshake;
  readonly clients: Clients;
  readonly tokens: SessionTokens;
  readonly peers: SessionPeers;
  readonly maxFrameBytes: number;
  /** Bytes of one POST, with all its frames. */
  readonly maxBatchBytes: number;
  /** Bytes that may wait for the next poll; a session with more is ended. */
  readonly sendBufferBytes: number;
  /** How long a poll waits for the first message; well below the 20 s after which phoenix.js gives up. */
  readonly windowMs?: number;
  readonly now?: () => number;
}

/** How sessions at other instances are reached, so that a load balancer may send each request wherever it likes. */
export interface SessionPeers {
  /** This instance, as tokens name it. */
  readonly home: string;
  /** Asks the instance at which a session lives; rejects where it does not answer in time. */
  ask(home: string, request: SessionRequest, timeoutMs: number): Promise<unknown>;
}

/** A request for a session, on its way to the instance at which that lives. */
export type SessionRequest =
  | { readonly poll: string; readonly seen: number | null }
  | { readonly post: string; readonly lines: readonly string[] };

/** The status is in the body; the HTTP status is 200 nearly always (section 7.1). */
interface Answer {
  readonly status: 200 | 204 | 403 | 408 | 410 | 413;
  readonly token?: string;
  readonly messages?: readonly string[];
}

/**
 * What a poll of a session that has ended is answered with: 403 makes every phoenix.js connect and join again. At 410 those before 1.8.2 would go on
 * in a new session in which nothing is joined.
 */
const GONE: Answer = { status: 403 };

/** How long an answer of another instance may take beyond the time that a poll waits. */
const PEER_MS = 3_000;
const WINDOW_MS = 10_000;

/** Long-poll sessions, one for each client that cannot keep a WebSocket. */
export class LongPollServer {
  readonly #options: LongPollServerOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: LongPollServerOptions) {
    this.#options = options;
  }

  /** Answers any request to the address; `address` is the client's, as far as it is known. */
  async handle(request: Request, address: string | undefined): Promise<Response> {
    switch (request.method) {
      case "GET":
        return respond(await this.#get(request, address));
      case "POST":
        return respond(await this.#post(request));
      case "OPTIONS":
        return preflight(request);
      default:
        return new Response(null, { status: 400 });
    }
  }

  /** Answers another instance's request for a session that lives here. */
  async answer(request: SessionRequest): Promise<unknown> {
    if ("post" in request) return { status: this.#sessions.get(request.post)?.take(request.lines) ?? 410 };
    return await this.#sessions.get(request.poll)?.poll(undefined, request.seen ?? undefined) ?? GONE;
  }

  async #get(request: Request, address: string | undefined): Promise<Answer> {
    const { handshake, tokens, clients } = this.#options;
    try {
      const { token: candidate, seen } = sessionTokenOf(request);
      const session = candidate === undefined ? undefined : this.#sessions.get(candidate);
      if (session) {
        handshake.check(request);
        return await session.poll(request.signal, seen);
      }
      const home = candidate === undefined ? undefined : tokens.homeOf(candidate);
      if (candidate !== undefined && home !== undefined) {
        handshake.check(request);
        return await this.#forward(home, { poll: candidate, seen: seen ?? null }) ?? GONE;
      }
      clients.assertRoom();
      const { version, identity } = await handshake.admit(request, address, userTokenOf(request));
      clients.assertRoom();
      const token = tokens.make(this.#options.peers.home);
      const opened = new Session(token, this.#options, (transport) => clients.add(version, identity, transport));
      this.#sessions.set(token, opened);
      opened.closed.then(() => {
        this.#sessions.delete(token);
        clients.remove(opened.connection);
      });
      return { status: 410, token: numbered(token, 0), messages: [] };
    } catch (error) {
      if (error instanceof ChatError && error.code !== "internal") return { status: 403 };
      throw error;
    }
  }

  async #post(request: Request): Promise<Answer> {
    const { token } = sessionTokenOf(request);
    const session = token === undefined ? undefined : this.#sessions.get(token);
    const home = token === undefined || session ? undefined : this.#options.tokens.homeOf(token);
    if (token === undefined || (!session && home === undefined)) return { status: 410 };
    let body: string;
    try {
      this.#options.handshake.check(request);
      body = await readText(request, this.#options.maxBatchBytes);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      return { status: error.code === "too_large" ? 413 : error.code === "forbidden" ? 403 : 408 };
    }
    const batch = /^application\/x-ndjson\b/i.test(request.headers.get("content-type") ?? "");
    const lines = batch ? body.split("\n") : [body];
    if (session) return { status: session.take(lines) };
    return await this.#forward(home ?? "", { post: token, lines }) ?? { status: 410 };
  }

  /** Undefined where the instance at which the session lives is not there or does not answer: its client connects again. */
  async #forward(home: string, request: SessionRequest): Promise<Answer | undefined> {
    const { peers, windowMs = WINDOW_MS } = this.#options;
    if (home === peers.home) return undefined;
    try {
      return await peers.ask(home, request, ("poll" in request ? windowMs : 0) + PEER_MS) as Answer;
    } catch (error) {
      if (error instanceof ChatError && error.code === "unavailable") return undefined;
      throw error;
    }
  }
}

/** How many windows a session outlives its last poll. */
const IDLE_WINDOWS = 1.5;

class Session implements ClientTransport {
  readonly connection: Connection;
  readonly closed: Promise<void>;
  readonly #token: string;
  readonly #options: LongPollServerOptions;
  readonly #now: () => number;
  readonly #windowMs: number;
  #messages: string[] = [];
  #bytes = 0;
  #largest = 0;
  #polledAt: number;
  #ended = false;
  /** How many answers had messages; each carries this number in its token, so that the next poll tells whether it arrived. */
  #answers = 0;
  /** The messages of the last answer, until the next poll. */
  #last: readonly string[] = [];
  /** Answers the poll that waits. */
  #release: (() => void) | undefined;
  #close: () => void = () => {};

  constructor(token: string, options: LongPollServerOptions, connect: (transport: ClientTransport) => Connection) {
    this.#token = token;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#windowMs = options.windowMs ?? WINDOW_MS;
    this.#polledAt = this.#now();
    this.closed = new Promise((resolve) => this.#close = resolve);
    this.connection = connect(this);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const message = typeof data === "string" ? data : new TextDecoder().decode(data);
    this.#messages.push(message);
    this.#bytes += message.length;
    this.#largest = Math.max(this.#largest, message.length);
    // One message may be larger than all that may wait, as the answer to a join after a long time away.
    if (this.#bytes - this.#largest > this.#options.sendBufferBytes) return this.connection.end(1013, "too slow");
    // What else is sent in this turn goes along.
    if (this.#release) queueMicrotask(this.#release);
  }

  close(): void {
    this.#ended = true;
    this.#messages = [];
    this.#last = [];
    this.#release?.();
    this.#close();
  }

  isIdle(): boolean {
    return this.#release === undefined && this.#now() - this.#polledAt > this.#windowMs * IDLE_WINDOWS;
  }

  /**
   * Waits for messages, for one window at the most; an earlier poll that still waits gives way.
   *
   * `seen` is how many answers the client has had, where its token says so: the last one comes again where it did not arrive. Phoenix loses it, and
   * HTTP clients repeat a GET by themselves.
   */
  async poll(signal: AbortSignal | undefined, seen: number | undefined): Promise<Answer> {
    this.#release?.();
    // A client that keeps its first token for good is given the first answer twice, and none after it.
    const lost = seen !== undefined && seen < this.#answers && (seen > 0 || this.#answers === 1);
    const again = lost ? this.#last : [];
    this.#last = [];
    this.#messages.unshift(...again);
    if (this.#messages.length === 0 && !this.#ended) await this.#wait(signal);
    this.#polledAt = this.#now();
    if (this.#ended) return GONE;
    const messages = signal?.aborted ? [] : this.#messages; // a client that has left takes nothing
    if (messages.length > 0) {
      this.#answers++;
      this.#last = messages;
      this.#messages = [];
      this.#bytes = this.#largest = 0;
    }
    return { status: messages.length > 0 ? 200 : 204, token: numbered(this.#token, this.#answers), messages };
  }

  /** Takes the lines of a POST in order; blank ones are nothing, a line of base64 is a binary frame (section 7.4). */
  take(lines: readonly string[]): 200 | 410 | 413 {
    for (const line of lines.map((line) => line.trim())) {
      if (this.#ended) return 410;
      if (line === "") continue;
      if (isLarger(line, this.#options.maxFrameBytes)) {
        this.connection.end(1009, "frame too large");
        return 413;
      }
      this.connection.receive(line.startsWith("[") || line.startsWith("{") ? line : fromBase64(line));
    }
    return this.#ended ? 410 : 200;
  }

  /** Ends when the client leaves, too: what is sent later is for its next poll. */
  async #wait(signal: AbortSignal | undefined): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const release = await new Promise<() => void>((resolve) => {
      const release = () => resolve(release);
      this.#release = release;
      timer = setTimeout(release, this.#windowMs);
      signal?.addEventListener("abort", release);
    });
    clearTimeout(timer);
    signal?.removeEventListener("abort", release); // Deno aborts it after a successful answer too
    if (this.#release === release) this.#release = undefined;
  }
}

/**
 * The session's token: in its header, else the last `token` of the query, because a user's token may come before (section 7.2). phoenix.js takes over
 * the token of each answer, which ends in `~` and how many answers it has `seen`.
 */
function sessionTokenOf(request: Request): { token: string | undefined; seen: number | undefined } {
  const given = request.headers.get("x-phoenix-longpoll-token") ?? searchParamsOf(request).getAll("token").at(-1);
  const [, token = given, seen] = /^([^~]*)~(\d{1,15})$/.exec(given ?? "") ?? [];
  return { token, seen: seen === undefined ? undefined : Number(seen) };
}

/** A session's token as answer `n` gives it, from 0: what opened the session counts, for the first answer with messages can be lost too. */
function numbered(token: string, n: number): string {
  return `${token}~${n}`;
}

/** The user's token: the first `token` of the query, else the header of phoenix.js 1.8. */
function userTokenOf(request: Request): string | undefined {
  return searchParamsOf(request).get("token") ?? request.headers.get("x-phoenix-authtoken") ?? undefined;
}

/** Bytes of a line, or none where it is no base64: the connection closes on those. */
function fromBase64(line: string): Uint8Array {
  try {
    return Uint8Array.from(atob(line), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

const HEADERS = { "access-control-allow-origin": "*", "cache-control": "no-store" };

function respond(answer: Answer): Response {
  return Response.json(answer, { headers: { ...HEADERS, "content-type": "application/json; charset=utf-8" } });
}

function preflight(request: Request): Response {
  const allowed = request.headers.get("access-control-request-headers");
  return new Response(null, {
    headers: {
      ...HEADERS,
      ...(allowed === null ? {} : { "access-control-allow-headers": allowed }),
      "access-control-allow-methods": "get, post, options",
      "access-control-max-age": "3600",
    },
  });
}
