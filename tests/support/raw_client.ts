/**
 * A client that speaks frames by hand, for what phoenix.js does not show.
 *
 * @module
 */

import { eventually } from "./eventually.ts";

/** A V2 frame as an array, or whatever the server sent. */
export type RawFrame = [unknown, unknown, string, string, Record<string, unknown>];

/** A WebSocket that keeps what it received. */
export class RawClient implements AsyncDisposable {
  readonly received: RawFrame[] = [];
  readonly binary: Uint8Array[] = [];
  readonly socket: WebSocket;
  closed: CloseEvent | undefined;
  #ref = 100;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.received.push(JSON.parse(data));
      else this.binary.push(new Uint8Array(data));
    };
    socket.onclose = (event) => this.closed = event;
    socket.onerror = () => {};
  }

  /** Connects to the end point of phoenix.js; rejects where the upgrade is refused. */
  static async connect(
    socketUrl: string,
    params: Record<string, string> = {},
    protocols?: string[],
  ): Promise<RawClient> {
    const query = new URLSearchParams({ vsn: "2.0.0", ...params });
    const client = new RawClient(new WebSocket(`${socketUrl}/websocket?${query}`, protocols ?? []));
    await eventually(() => {
      if (client.closed) throw new Error("refused");
      return client.socket.readyState === WebSocket.OPEN;
    });
    return client;
  }

  /** Sends text or bytes as they are. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  /** Sends a V2 frame and resolves with the payload of its reply. */
  async push(
    topic: string,
    event: string,
    payload: unknown = {},
    joinRef: string | null = "1",
  ): Promise<{ status: string; response: Record<string, unknown> }> {
    const ref = String(this.#ref++);
    this.send(JSON.stringify([joinRef, ref, topic, event, payload]));
    const reply = await eventually(
      () => this.received.find((frame) => frame[1] === ref && frame[3] === "phx_reply"),
      15_000,
    );
    return reply[4] as { status: string; response: Record<string, unknown> };
  }

  /** Joins a channel; rejects where that is refused. */
  async join(channelId: string, payload: unknown = {}): Promise<Record<string, unknown>> {
    const { status, response } = await this.push(`text_channel:${channelId}`, "phx_join", payload);
    if (status !== "ok") throw new Error(JSON.stringify(response));
    return response;
  }

  /** The payloads of an event received so far. */
  events(event: string): Record<string, unknown>[] {
    return this.received.filter((frame) => frame[3] === event).map((frame) => frame[4]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close();
    await eventually(() => this.closed);
  }
}
