/**
 * A fast client by hand, in either version of the wire, for load: replies are promises and nothing is polled.
 *
 * @module
 */

import type { Ack, JoinReply, Ledger, Message, Stream } from "./checker.ts";
import { inTime } from "./in_time.ts";
import type { Seen } from "./picture.ts";

/** How a push was answered. */
export interface Reply {
  readonly status: string;
  readonly response: Record<string, unknown>;
}

/** How a {@linkcode Talker} connects. */
export interface TalkerOptions {
  /** The user it is, as a development server takes it. */
  readonly userId: string;
  readonly version?: 1 | 2;
}

/** A WebSocket in one channel. */
export class Talker implements AsyncDisposable {
  readonly userId: string;
  readonly version: 1 | 2;
  /** What it saw, one stream for each time it joined. */
  readonly streams: Stream[] = [];
  /** Hears of everything that reached it, in order; the reply to a join is `joined`. */
  onSeen: (seen: Seen) => void = () => {};
  /** Resolves when the socket is closed, by whichever side. */
  readonly closed: Promise<CloseEvent>;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (reply?: Reply) => void>();
  #topic = "";
  #joinRef = "";
  #ref = 0;
  #listeners: (() => void)[] = [];

  private constructor(socket: WebSocket, { userId, version = 2 }: TalkerOptions) {
    this.#socket = socket;
    this.userId = userId;
    this.version = version;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onerror = (event) => event.preventDefault();
    this.closed = new Promise((resolve) => {
      socket.onclose = (event) => {
        for (const resolve of this.#waiting.values()) resolve();
        this.#waiting.clear();
        this.#changed();
        resolve(event);
      };
    });
  }

  /** Connects to the end point of phoenix.js; rejects where that fails. */
  static async connect(socketUrl: string, options: TalkerOptions): Promise<Talker> {
    const query = new URLSearchParams({ token: options.userId, vsn: `${options.version ?? 2}.0.0` });
    const socket = new WebSocket(`${socketUrl}/websocket?${query}`);
    const talker = new Talker(socket, options);
    const open = new Promise<void>((resolve) => socket.onopen = () => resolve());
    await Promise.race([open, talker.closed]);
    if (socket.readyState !== WebSocket.OPEN) throw new Error(`${options.userId} could not connect`);
    return talker;
  }

  /** Connects and joins. */
  static async join(socketUrl: string, options: TalkerOptions, channelId: string, payload = {}): Promise<Talker> {
    const talker = await Talker.connect(socketUrl, options);
    await talker.join(channelId, payload);
    return talker;
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** The messages that came live. */
  get messages(): Message[] {
    return this.streams.flatMap(({ live }) => live);
  }

  get contents(): string[] {
    return this.messages.map(({ content }) => content);
  }

  async join(channelId: string, payload: object = {}): Promise<JoinReply> {
    this.#topic = `text_channel:${channelId}`;
    this.#joinRef = String(this.#ref + 1);
    const reply = await this.push("phx_join", payload);
    if (reply?.status !== "ok") throw new Error(`${this.userId} could not join: ${JSON.stringify(reply)}`);
    return reply.response as unknown as JoinReply;
  }

  /** Resolves with the reply, or with nothing where the socket closes before it comes. */
  async push(event: string, payload: object = {}): Promise<Reply | undefined> {
    if (!this.open) return undefined;
    const ref = String(++this.#ref);
    this.#socket.send(
      this.version === 1
        ? JSON.stringify({ topic: this.#topic, event, payload, ref, join_ref: this.#joinRef })
        : JSON.stringify([this.#joinRef, ref, this.#topic, event, payload]),
    );
    const reply = new Promise<Reply | undefined>((resolve) => this.#waiting.set(ref, resolve));
    return await inTime(reply, () => `${this.userId}: no reply to ${event} ${JSON.stringify(payload)}`);
  }

  /** Resolves once `seen` is true, looked at after each frame; rejects where the socket closes before. */
  async until(seen: (talker: this) => boolean): Promise<void> {
    const wait = async () => {
      while (!seen(this)) {
        if (this.#socket.readyState === WebSocket.CLOSED) throw new Error(`${this.userId}: closed before it was seen`);
        await new Promise<void>((resolve) => this.#listeners.push(resolve));
      }
    };
    await inTime(wait(), () => `${this.userId}: not seen among ${this.messages.length} messages: ${seen}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.open) this.#socket.close();
    await this.closed;
  }

  #receive(frame: unknown): void {
    const [ref, event, payload] = this.version === 1
      ? [(frame as V1Frame).ref, (frame as V1Frame).event, (frame as V1Frame).payload]
      : [(frame as V2Frame)[1], (frame as V2Frame)[3], (frame as V2Frame)[4]];
    if (event === "phx_reply" && ref !== null) this.#answer(ref, payload as unknown as Reply);
    else this.onSeen({ event, payload });
    if (event === "new_message") {
      if (this.streams.length === 0) this.streams.push({ client: this.userId, reply: undefined, live: [] });
      this.streams.at(-1)?.live.push(payload as unknown as Message);
    }
    this.#changed();
  }

  #answer(ref: string, reply: Reply): void {
    if (ref === this.#joinRef && reply.status === "ok") {
      this.streams.push({ client: this.userId, reply: reply.response as unknown as JoinReply, live: [] });
      this.onSeen({ event: "joined", payload: reply.response });
    }
    this.#waiting.get(ref)?.(reply);
    this.#waiting.delete(ref);
  }

  #changed(): void {
    for (const resolve of this.#listeners.splice(0)) resolve();
  }
}

interface V1Frame {
  readonly ref: string | null;
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

type V2Frame = readonly [string | null, string | null, string, string, Record<string, unknown>];

/** Sends a message and notes it and its ok reply; resolves with the reply, or with nothing where the socket closed before it. */
export async function say(talker: Talker, ledger: Ledger, content: string): Promise<Reply | undefined> {
  ledger.send(talker.userId, content);
  const reply = await talker.push("new_message", { content });
  if (reply?.status === "ok") ledger.acknowledge(content, reply.response as unknown as Ack);
  return reply;
}

/** Says line after line, `window` unanswered at the most, until there are no more or the socket is closed. */
export async function sayAll(talker: Talker, ledger: Ledger, lines: Iterator<string>, window = 8): Promise<void> {
  const next = async () => {
    while (talker.open) {
      const line = lines.next();
      if (line.done) return;
      await say(talker, ledger, line.value);
    }
  };
  await Promise.all(Array.from({ length: window }, next));
}

/** `alice 1`, `alice 2`, …, so many or without end. */
export function* linesOf(userId: string, count = Infinity): Generator<string, undefined> {
  for (let n = 1; n <= count; n++) yield `${userId} ${n}`;
}
