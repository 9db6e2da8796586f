/**
 * A network that loses what one side says, while both sides believe that they are connected.
 *
 * @module
 */

/** Passes connections on to one port; `await using` cuts everything and stops listening. */
export class Valve implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;
  #closed = false;

  constructor(target: number) {
    this.#target = target;
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Loses from now on what the server says on each connection there is on which `marker` was sent; returns how many these are. */
  silence(marker: string): number {
    const links = [...this.#links].filter(({ sent }) => sent.toLowerCase().includes(marker));
    for (const link of links) link.silent = true;
    return links.length;
  }

  /** Cuts every connection, and each new one until {@linkcode Valve.restore}. */
  cut(): void {
    this.#closed = true;
    for (const link of this.#links) link.end();
  }

  restore(): void {
    this.#closed = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const ended: Promise<void>[] = [];
    for await (const client of this.#listener) {
      if (this.#closed) {
        client.close();
        continue;
      }
      const link = new Link(client, await Deno.connect({ hostname: "127.0.0.1", port: this.#target }));
      this.#links.add(link);
      ended.push(link.ended.then(() => void this.#links.delete(link)));
    }
    await Promise.all(ended);
  }
}

class Link {
  readonly ended: Promise<void>;
  readonly #connections: readonly [Deno.Conn, Deno.Conn];
  silent = false;
  /** What the client said. */
  sent = "";
  #closed = false;

  constructor(client: Deno.Conn, server: Deno.Conn) {
    this.#connections = [client, server];
    const decoder = new TextDecoder();
    this.ended = Promise.all([
      this.#pump(client, async (chunk) => {
        this.sent += decoder.decode(chunk, { stream: true });
        await writeAll(server, chunk);
      }),
      this.#pump(server, async (chunk) => {
        if (!this.silent) await writeAll(client, chunk);
      }),
    ]).then(() => {});
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
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
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}
