/**
 * A client on bare TCP: every byte is the test's own, and it reads only when it wants to.
 *
 * @module
 */

/** The head of an HTTP answer. */
export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** A WebSocket frame as it came. */
export interface WireFrame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** The opcodes of RFC 6455. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A connection; `using` cuts it. */
export class TcpClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(0);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects to a port of this machine. */
  static async connect(port: number): Promise<TcpClient> {
    return new TcpClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Connects and upgrades; rejects with the status where that is refused. */
  static async upgrade(port: number, query = "vsn=2.0.0", headers: Record<string, string> = {}): Promise<TcpClient> {
    const client = await TcpClient.connect(port);
    const { status } = await client.request("GET", `/socket/websocket?${query}`, { ...HANDSHAKE, ...headers });
    if (status === 101) return client;
    client[Symbol.dispose]();
    throw new Error(`the upgrade was answered with ${status}`);
  }

  /** Sends a request as it is written here and reads the head of its answer; an empty header is not sent. */
  async request(method: string, target: string, headers: Record<string, string> = {}, body = ""): Promise<Head> {
    const lines = Object.entries({ Host: "127.0.0.1", ...headers }).filter(([, value]) => value !== "");
    await this.write(
      `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
    );
    return await this.head();
  }

  /** Writes everything. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Writes a masked frame. */
  async writeFrame(opcode: number, payload: string | Uint8Array = "", fin = true): Promise<void> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const size = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 255];
    if (bytes.length > 65_535) size.splice(0, 3, 127, 0, 0, 0, 0, ...size32(bytes.length));
    const header = [(fin ? 0x80 : 0) | opcode, 0x80 | (size[0] ?? 0), ...size.slice(1), 0, 0, 0, 0];
    const frame = new Uint8Array(header.length + bytes.length);
    frame.set(header);
    frame.set(bytes, header.length);
    await this.write(frame);
  }

  /** Reads the head of an answer. */
  async head(): Promise<Head> {
    let end = -1;
    const text = () => new TextDecoder("latin1").decode(this.#buffer);
    while ((end = text().indexOf("\r\n\r\n")) < 0) {
      if (!await this.#fill()) throw new Error("the connection ended before an answer");
    }
    const [status = "", ...lines] = text().slice(0, end).split("\r\n");
    this.#buffer = this.#buffer.slice(end + 4);
    const headers = new Headers(lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }));
    return { status: Number(status.split(" ")[1]), headers };
  }

  /** Reads so many bytes as a text; fewer where the connection ends. */
  async text(length: number): Promise<string> {
    while (this.#buffer.length < length && await this.#fill());
    return new TextDecoder().decode(this.#take(Math.min(length, this.#buffer.length)));
  }

  /** Reads a frame; undefined where the connection ends before it. */
  async frame(): Promise<WireFrame | undefined> {
    const head = await this.#bytes(2);
    if (!head) return undefined;
    const [first = 0, second = 0] = head;
    const extended = second === 127 ? 8 : second === 126 ? 2 : 0;
    const size = await this.#bytes(extended);
    const length = extended === 0 ? second : size?.reduce((sum, byte) => sum * 256 + byte, 0);
    const payload = length === undefined ? undefined : await this.#bytes(length);
    return payload && { fin: (first & 0x80) !== 0, opcode: first & 0x0f, payload };
  }

  /** Reads frames until one is accepted; undefined where the connection ends before it. */
  async find(accept: (frame: WireFrame) => boolean): Promise<WireFrame | undefined> {
    for (;;) {
      const frame = await this.frame();
      if (!frame || accept(frame)) return frame;
    }
  }

  /** Reads to the close frame and returns its code; undefined where the connection ends without one. */
  async closeCode(): Promise<number | undefined> {
    const close = await this.find(({ opcode }) => opcode === OPCODE.close);
    return close && new DataView(close.payload.buffer).getUint16(close.payload.byteOffset);
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #bytes(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (this.#buffer.length < length) if (!await this.#fill()) return undefined;
    return this.#take(length);
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#buffer.slice(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return bytes;
  }

  /** Waits for more; false at the end of the connection, however it came. */
  async #fill(): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    const size = await this.#connection.read(chunk).catch(() => null);
    if (size === null) return false;
    const buffer = new Uint8Array(this.#buffer.length + size);
    buffer.set(this.#buffer);
    buffer.set(chunk.subarray(0, size), this.#buffer.length);
    this.#buffer = buffer;
    return true;
  }
}

/** The headers of a WebSocket handshake. */
export const HANDSHAKE: Readonly<Record<string, string>> = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

function size32(size: number): number[] {
  return [size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255];
}
