/**
 * A middlebox between clients and a service that lets everything pass but WebSockets.
 *
 * @module
 */

/** What becomes of an upgrade: it is refused, or accepted and never answered. */
export type Blocking = "refuses" | "hangs";

/** Stands before one port; `await using` stops listening. */
export class BlockedSocket implements AsyncDisposable {
  /** How many upgrades were asked for. */
  upgrades = 0;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #hanging: WebSocket[] = [];
  readonly #closing = new AbortController();

  constructor(target: string, blocking: Blocking) {
    this.#http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/socket/websocket") {
        this.upgrades++;
        return blocking === "refuses" ? new Response(null, { status: 403 }) : this.#hang(request);
      }
      const { method, headers, body } = request;
      return fetch(`${target}${pathname}${search}`, { method, headers, body, signal: this.#closing.signal }).catch(
        () => {
          return new Response(null, { status: 502 });
        },
      );
    });
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#http.addr.port}/socket`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    for (const socket of this.#hanging) socket.close();
    await this.#http.shutdown();
  }

  #hang(request: Request): Response {
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#hanging.push(socket);
    return response;
  }
}
