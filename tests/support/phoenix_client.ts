/**
 * The official JavaScript clients, each version as applications use it.
 *
 * @module
 */

// @ts-types="./phoenix.d.ts"
import { Socket as Socket1_6 } from "phoenix-1.6";
// @ts-types="./phoenix.d.ts"
import { Socket as Socket1_7 } from "phoenix-1.7";
// @ts-types="./phoenix.d.ts"
import { Socket as Socket1_8 } from "phoenix-1.8";
import type { Channel, PhoenixFrame, Push, Socket, SocketOptions } from "./phoenix.d.ts";
import type { JoinReply, Message, Stream } from "./checker.ts";
import { inTime } from "./in_time.ts";
import type { Seen } from "./picture.ts";

const SOCKETS = { "1.6": Socket1_6, "1.7": Socket1_7, "1.8": Socket1_8 };

/** A version of phoenix.js that is tried. */
export type PhoenixVersion = keyof typeof SOCKETS;

export const PHOENIX_VERSIONS = Object.keys(SOCKETS) as PhoenixVersion[];

/** How a push ended. */
export interface Reply {
  readonly status: "ok" | "error" | "timeout";
  readonly response: Record<string, unknown>;
}

/** A phoenix.js socket that connects at once and again whenever it is cut off; `await using` leaves none of its timers behind. */
export class PhoenixClient implements AsyncDisposable {
  /** Everything the server sent, also what phoenix.js keeps from its channel objects. */
  readonly frames: PhoenixFrame[] = [];
  readonly closes: CloseEvent[] = [];
  opens = 0;
  errors = 0;
  readonly #version: PhoenixVersion;
  readonly #socket: Socket;
  readonly #rooms: PhoenixRoom[] = [];

  constructor(version: PhoenixVersion, socketUrl: string, options: SocketOptions = {}) {
    this.#version = version;
    this.#socket = new SOCKETS[version](socketUrl, options);
    this.#socket.onOpen(() => this.opens++);
    this.#socket.onClose((event) => this.closes.push(event));
    this.#socket.onError(() => this.errors++);
    this.#socket.onMessage((frame) => this.frames.push(frame));
    this.#socket.connect();
  }

  get connected(): boolean {
    return this.#socket.isConnected();
  }

  /** Joins a channel in a new channel object; whether that succeeds is seen in the room. */
  room(channelId: string, params: object = {}): PhoenixRoom {
    const channel = this.#socket.channel(`text_channel:${channelId}`, params);
    const room = new PhoenixRoom(channel, `phoenix.js ${this.#version} in ${channelId}`);
    this.#rooms.push(room);
    return room;
  }

  /** Joins a channel and resolves when it is joined; rejects where that is refused. */
  async join(channelId: string, params: object = {}): Promise<PhoenixRoom> {
    const room = this.room(channelId, params);
    const { status, response } = await inTime(room.joined, () => `${channelId}: the join was not answered`);
    if (status !== "ok") throw new Error(`join of ${channelId}: ${status} ${JSON.stringify(response)}`);
    return room;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.disconnect(resolve));
    this.#socket.clearHeartbeats();
    for (const room of this.#rooms) room.cancel();
  }
}

/** A phoenix.js channel object and everything that reached it. */
export class PhoenixRoom {
  /** How the first join ended. */
  readonly joined: Promise<Reply>;
  /** What it saw, one stream for each time it joined. */
  readonly streams: Stream[] = [];
  /** Hears of everything that reached it, in order; the reply to a join is `joined`. */
  onSeen: (seen: Seen) => void = () => {};
  readonly #events: { readonly event: string; readonly payload: unknown }[] = [];
  readonly #channel: Channel;
  readonly #name: string;
  readonly #pushes = new Set<Push>();
  readonly #broken = new Set<() => void>();
  #stream: Stream | undefined;

  constructor(channel: Channel, name: string) {
    this.#channel = channel;
    this.#name = name;
    channel.onMessage = (event, payload) => {
      this.#receive(event, payload);
      return payload;
    };
    const push = channel.join();
    push.receive("ok", (response) => this.#begin(response as unknown as JoinReply));
    this.joined = this.#outcome(push);
  }

  /** The messages that came live, through all streams. */
  get messages(): Message[] {
    return this.streams.flatMap(({ live }) => live);
  }

  get contents(): string[] {
    return this.messages.map(({ content }) => content);
  }

  /** The payloads of an event, `phx_close` and `phx_error` included. */
  payloads(event: string): unknown[] {
    return this.#events.filter((seen) => seen.event === event).map(({ payload }) => payload);
  }

  /** Whether it is in the channel right now. */
  get isIn(): boolean {
    return this.#stream !== undefined;
  }

  /** Pushes and resolves with the reply, or with nothing where the membership ended before it. */
  async tryPush(event: string, payload: object): Promise<Reply | undefined> {
    if (!this.isIn) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const broken = () => resolve(undefined);
    this.#broken.add(broken);
    const reply = await Promise.race([this.#outcome(this.#channel.push(event, payload)), promise]);
    this.#broken.delete(broken);
    return reply;
  }

  push(event: string, payload: object = {}): Promise<Reply> {
    return inTime(this.#outcome(this.#channel.push(event, payload)), () => `${event}: not answered`);
  }

  leave(): Promise<Reply> {
    return inTime(this.#outcome(this.#channel.leave()), () => "leave: not answered");
  }

  /** Gives up on every reply that is still to come, and on joining. */
  cancel(): void {
    this.#channel.rejoinTimer.reset();
    for (const push of this.#pushes) push.cancelTimeout();
  }

  #begin(reply: JoinReply | undefined): void {
    this.#stream = { client: this.#name, reply, live: [] };
    this.streams.push(this.#stream);
    if (reply) this.onSeen({ event: "joined", payload: reply });
  }

  #receive(event: string | null, payload: unknown): void {
    if (event === null) return; // a push that phoenix.js had reset timed out
    if (event === "phx_reply" || event.startsWith("chan_reply_")) return;
    this.#events.push({ event, payload });
    this.onSeen({ event, payload });
    if (event === "phx_error" || event === "phx_close") {
      this.#stream = undefined;
      for (const broken of this.#broken) broken();
    }
    if (event !== "new_message") return;
    if (!this.#stream) this.#begin(undefined);
    this.#stream?.live.push(payload as Message);
  }

  #outcome(push: Push): Promise<Reply> {
    this.#pushes.add(push);
    return new Promise((resolve) => {
      for (const status of ["ok", "error", "timeout"] as const) {
        push.receive(status, (response) => resolve({ status, response }));
      }
    });
  }
}
