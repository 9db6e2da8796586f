/**
 * The network between clients and a server that may be gone and come back.
 *
 * @module
 */

/** Passes connections on to one port, or to several in turn, leaving out those where nobody is; `await using` cuts everything and stops listening. */
export class Network implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #targets: readonly number[];
  #next = 0;
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;

  constructor(...targets: readonly number[]) {
    this.#targets = targets;
    this.#accepting = this.#accept();
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#listener.addr.port}/socket`;
  }

  /** Cuts every connection there is now, when so many more bytes have come from the server: in the middle of a frame, or between two. */
  cut(afterBytes = 0): void {
    for (const link of this.#links) link.cut(afterBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const ended: Promise<void>[] = [];
    for await (const client of this.#listener) ended.push(this.#pass(client));
    await Promise.all(ended);
  }

  async #connect(): Promise<Deno.TcpConn | undefined> {
    for (let tried = 0; tried < this.#targets.length; tried++) {
      try {
        const port = this.#targets[this.#next++ % this.#targets.length] ?? 0;
        return await Deno.connect({ hostname: "127.0.0.1", port });
      } catch {
        // The next one, then.
      }
    }
    return undefined;
  }

  async #pass(client: Deno.TcpConn): Promise<void> {
    const server = await this.#connect();
    if (!server) return client.close(); // nobody is there
    const link = new Link(client, server);
    this.#links.add(link);
    await link.ended;
    this.#links.delete(link);
  }
}

class Link {
  readonly ended: Promise<void>;
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  #left = Infinity;
  #closed = false;

  constructor(client: Deno.TcpConn, server: Deno.TcpConn) {
    this.#client = client;
    this.#server = server;
    this.ended = Promise.all([
      this.#pump(client, (chunk) => writeAll(server, chunk)),
      this.#pump(server, (chunk) => this.#toClient(chunk)),
    ]).then(() => {});
  }

  cut(afterBytes: number): void {
    this.#left = Math.min(this.#left, afterBytes);
    if (this.#left === 0) this.#end();
  }

  async #toClient(chunk: Uint8Array): Promise<void> {
    const passed = chunk.subarray(0, this.#left);
    this.#left -= passed.length;
    await writeAll(this.#client, passed);
    if (this.#left === 0) this.#end();
  }

  async #pump(from: Deno.TcpConn, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (let size; (size = await from.read(chunk)) !== null;) await take(chunk.subarray(0, size));
    } catch {
      // Cut, from here or from there.
    }
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.close();
    this.#server.close();
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}
