/**
 * WebSocket transport of Phoenix Channels at `/socket/websocket` (protocol sections 1, 5 and 6).
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Connection } from "../phoenix/connection.ts";
import type { Clients, ClientTransport } from "./clients.ts";
import { type Admitted, type Handshake, searchParamsOf } from "./handshake.ts";

/** What a {@linkcode SocketServer} is made of. */
export interface SocketServerOptions {
  readonly handshake: Handshake;
  readonly clients: Clients;
  readonly maxFrameBytes: number;
  /** Bytes that may wait for a client; one with more is closed with 1013. */
  readonly sendBufferBytes: number;
  /** Time without received data after which a socket is closed. */
  readonly idleTimeoutMs: number;
  readonly now?: () => number;
}

/** Turns upgrade requests into connections. */
export class SocketServer {
  readonly #options: SocketServerOptions;

  constructor(options: SocketServerOptions) {
    this.#options = options;
  }

  /**
   * Answers an upgrade request. What is refused gets its HTTP status and an empty body (protocol section 1.4): browsers show no more of it anyway;
   * a request that is no upgrade is `invalid`.
   */
  async upgrade(request: Request, address: string | undefined): Promise<Response> {
    const { handshake, clients } = this.#options;
    const { headers } = request;
    const isUpgrade = headers.get("upgrade")?.toLowerCase() === "websocket" &&
      headers.get("sec-websocket-version") === "13";
    if (request.method !== "GET" || !isUpgrade) {
      throw new ChatError("invalid", "This address takes WebSocket upgrades; phoenix.js finds it from /socket.");
    }
    const protocols = (headers.get("sec-websocket-protocol") ?? "").split(",").map((protocol) => protocol.trim());
    const { signal } = request; // as it is now: reading it later would not tell of the past
    try {
      clients.assertRoom();
      const token = tokenOf(protocols) ?? searchParamsOf(request).get("token") ?? undefined;
      const admitted = await handshake.admit(request, address, token);
      clients.assertRoom();
      // A client that left meanwhile must not be upgraded: Deno would never tell that it is gone.
      return signal.aborted ? new Response(null, { status: 403 }) : this.#accept(request, admitted, protocols);
    } catch (error) {
      return refuse(error);
    }
  }

  #accept(request: Request, { version, identity }: Admitted, protocols: readonly string[]): Response {
    const { clients } = this.#options;
    let upgraded: Deno.WebSocketUpgrade;
    try {
      // Deno's own pings would keep a mute client for ever; the idle time counts received data only.
      upgraded = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    } catch (cause) {
      throw new ChatError("invalid", "This is not a valid WebSocket handshake.", { cause });
    }
    const { socket, response } = upgraded;
    // Deno's own negotiation fails where the list has no blanks.
    if (protocols.includes("phoenix")) response.headers.set("sec-websocket-protocol", "phoenix");
    new SocketTransport(socket, this.#options, (transport) => clients.add(version, identity, transport));
    return response;
  }
}

/** How often the bytes that wait for a client are looked up: asking costs more than adding. */
const CHECK_EVERY_BYTES = 65_536;

/** How long a client must be quiet before its socket is closed, and how often that is waited for. */
const CLOSE_TICK_MS = 50;
const MAX_CLOSE_TICKS = 10;

/** A constant of our own: the global is looked up anew at each use. */
const { OPEN } = WebSocket;

class SocketTransport implements ClientTransport {
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  readonly #options: SocketServerOptions;
  readonly #now: () => number;
  readonly #connection: Connection;
  #heardAt: number;
  #heard = false;
  #closing: ReturnType<typeof setTimeout> | undefined;
  #unchecked = 0;

  constructor(socket: WebSocket, options: SocketServerOptions, connect: (transport: ClientTransport) => Connection) {
    this.#socket = socket;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#heardAt = this.#now();
    const connection = this.#connection = connect(this);
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onerror = () => connection.end(1006, "transport error");
    this.closed = new Promise((resolve) => {
      socket.onclose = () => {
        clearTimeout(this.#closing);
        connection.end(1006, "transport closed");
        options.clients.remove(connection);
        resolve();
      };
    });
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    const socket = this.#socket;
    if (socket.readyState !== OPEN) return;
    this.#unchecked += data.length;
    if (this.#unchecked >= CHECK_EVERY_BYTES) {
      this.#unchecked = 0;
      if (socket.bufferedAmount > this.#options.sendBufferBytes) return this.#connection.end(1013, "too slow");
    }
    socket.send(data);
  }

  /**
   * Closes when the client has been quiet for a moment. Deno drops the TCP connection at the first frame that comes after a close, which resets it:
   * a client that was just sending would lose the close code.
   */
  close(code: number, reason: string, ticks = 0): void {
    const socket = this.#socket;
    // Of a client that left before its upgrade was answered Deno never tells.
    if (socket.readyState === WebSocket.CONNECTING) return void socket.dispatchEvent(new CloseEvent("close"));
    if (socket.readyState !== OPEN) return;
    if ((ticks > 0 && !this.#heard) || ticks > MAX_CLOSE_TICKS) return socket.close(code, reason);
    this.#heard = false;
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.close(code, reason, ticks + 1), CLOSE_TICK_MS);
  }

  isIdle(): boolean {
    return this.#now() - this.#heardAt > this.#options.idleTimeoutMs;
  }

  #take(data: string | ArrayBuffer): void {
    this.#heardAt = this.#now();
    this.#heard = true;
    if (isLarger(data, this.#options.maxFrameBytes)) this.#connection.end(1009, "frame too large");
    else this.#connection.receive(typeof data === "string" ? data : new Uint8Array(data));
  }
}

/** The HTTP status of a refusal: 403 for good, 429 and 503 for later; anything else is thrown on. */
function refuse(error: unknown): Response {
  if (!(error instanceof ChatError)) throw error;
  const { code, retryAfterMs = 1_000 } = error;
  if (code === "unauthorized" || code === "forbidden") return new Response(null, { status: 403 });
  if (code !== "rate_limited" && code !== "unavailable") throw error;
  const headers = { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) };
  return new Response(null, { status: code === "rate_limited" ? 429 : 503, headers });
}

/** The token that phoenix.js 1.8 hides in the subprotocols: base64 in either alphabet; none where there are several (section 1.8). */
function tokenOf(protocols: readonly string[]): string | undefined {
  const prefix = "base64url.bearer.phx.";
  const [token, ...others] = protocols.filter((protocol) => protocol.startsWith(prefix));
  if (token === undefined || others.length > 0) return undefined;
  try {
    return atob(token.slice(prefix.length).replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw new ChatError("unauthorized", "The token in the subprotocol is not base64.");
  }
}

/** Compares a frame's size with the cap, in bytes; most frames are decided by their length alone. */
export function isLarger(data: string | ArrayBuffer, maxBytes: number): boolean {
  if (typeof data !== "string") return data.byteLength > maxBytes;
  if (data.length * 3 <= maxBytes) return false;
  return data.length > maxBytes || new TextEncoder().encode(data).length > maxBytes;
}
