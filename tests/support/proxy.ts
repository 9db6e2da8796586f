/**
 * A TCP proxy that cuts connections, so that a client never hears what became of what it sent.
 *
 * @module
 */

/** Where a connection is cut; nothing reaches the client any more from the moment it is set. */
export type Cut =
  /** After so many more bytes to the server: in the middle of a frame, or right behind it. */
  | { readonly afterBytes: number }
  /** When the server's answer is here; the client does not get it. */
  | { readonly at: "answer" };

/** Stands before one port; `await using` cuts everything and stops listening. */
export class Proxy implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;

  constructor(target: number) {
    this.#target = target;
    this.#accepting = this.#accept();
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#listener.addr.port}/socket`;
  }

  /** Cuts every connection there is now at this point. */
  cut(cut: Cut): void {
    for (const link of this.#links) link.cut(cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const link of this.#links) link.end();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const ended: Promise<void>[] = [];
    for await (const client of this.#listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      const link = new Link(client, server);
      this.#links.add(link);
      ended.push(link.ended.then(() => void this.#links.delete(link)));
    }
    await Promise.all(ended);
  }
}

class Link {
  readonly ended: Promise<void>;
  readonly #client: Deno.Conn;
  readonly #server: Deno.Conn;
  #cut: Cut | undefined;
  #left = Infinity;
  #closed = false;

  constructor(client: Deno.Conn, server: Deno.Conn) {
    this.#client = client;
    this.#server = server;
    this.ended = Promise.all([
      this.#pump(client, (chunk) => this.#toServer(chunk)),
      this.#pump(server, (chunk) => this.#toClient(chunk)),
    ]).then(() => {});
  }

  cut(cut: Cut): void {
    this.#cut = cut;
    if ("afterBytes" in cut) this.#left = cut.afterBytes;
    if (this.#left === 0) this.end();
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.close();
    this.#server.close();
  }

  async #pump(from: Deno.Conn, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (let size; (size = await from.read(chunk)) !== null;) await take(chunk.subarray(0, size));
    } catch {
      // Cut, from here or from there.
    }
    this.end();
  }

  async #toServer(chunk: Uint8Array): Promise<void> {
    const passed = chunk.subarray(0, this.#left);
    this.#left -= passed.length;
    for (let at = 0; at < passed.length;) at += await this.#server.write(passed.subarray(at));
    if (this.#left === 0) this.end();
  }

  async #toClient(chunk: Uint8Array): Promise<void> {
    if (this.#cut === undefined) {
      for (let at = 0; at < chunk.length;) at += await this.#client.write(chunk.subarray(at));
    } else if ("at" in this.#cut) this.end();
  }
}
