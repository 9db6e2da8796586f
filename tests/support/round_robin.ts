/**
 * A load balancer that sends each HTTP request to another instance.
 *
 * @module
 */

/** Passes requests on, each to the next port in turn; `await using` stops it. */
export class RoundRobin implements AsyncDisposable {
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #ports: readonly number[];
  #next = 0;

  constructor(...ports: readonly number[]) {
    this.#ports = ports;
    this.#http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => this.#pass(request));
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#http.addr.port}/socket`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.shutdown();
  }

  async #pass(request: Request): Promise<Response> {
    const url = new URL(request.url);
    url.port = String(this.#ports[this.#next++ % this.#ports.length]);
    const body = request.method === "POST" ? await request.bytes() : null;
    try {
      const answer = await fetch(url, {
        method: request.method,
        headers: request.headers,
        body,
        signal: request.signal,
      });
      return new Response(await answer.bytes(), { status: answer.status, headers: answer.headers });
    } catch {
      return new Response(null, { status: 502 }); // nobody is there, or the client has left
    }
  }
}
