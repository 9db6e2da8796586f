/**
 * Long polling by hand: every request is the test's own.
 *
 * @module
 */

import { eventually } from "./eventually.ts";
import type { RawFrame } from "./raw_client.ts";

/** What the body of an answer says. */
export interface PollAnswer {
  readonly status: number;
  readonly token?: string;
  readonly messages?: readonly string[];
}

/** Sends one request; rejects where its HTTP status is not 200. */
export async function ask(url: string, query: string, init: RequestInit = {}): Promise<PollAnswer> {
  const response = await fetch(`${url}/socket/longpoll?${query}`, init);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** A session, which polls only when it is told to. */
export class PollSession {
  /** Every message that was polled, in order. */
  readonly messages: string[] = [];
  readonly url: string;
  /** As the last answer gave it. */
  token: string;
  readonly #params: string;
  #ref = 100;

  private constructor(url: string, params: string, token: string) {
    this.url = url;
    this.#params = params;
    this.token = token;
  }

  /** Opens a session; rejects where that is refused. */
  static async open(url: string, params = "vsn=2.0.0", init: RequestInit = {}): Promise<PollSession> {
    const { status, token } = await ask(url, `${params}&`, init);
    if (status !== 410 || token === undefined) throw new Error(`refused with ${status}`);
    return new PollSession(url, params, token);
  }

  /** Opens a session of a user and joins a channel. */
  static async join(url: string, userId: string, channelId = "general", payload: object = {}): Promise<PollSession> {
    const session = await PollSession.open(url, `token=${userId}&vsn=2.0.0`);
    await session.push("phx_join", payload, channelId);
    return session;
  }

  /** The query of its requests, as phoenix.js writes it. */
  get query(): string {
    return `${this.#params}&token=${this.token}`;
  }

  /** The messages as V2 frames. */
  get frames(): RawFrame[] {
    return this.messages.map((message) => JSON.parse(message));
  }

  async poll(init: RequestInit = {}): Promise<PollAnswer> {
    const answer = await ask(this.url, this.query, init);
    this.messages.push(...answer.messages ?? []);
    this.token = answer.token ?? this.token;
    return answer;
  }

  /** Resolves with the status; a body of bytes goes without a content-type. */
  async post(body: BodyInit | null, contentType?: string): Promise<number> {
    const data = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const headers: HeadersInit = contentType === undefined ? {} : { "content-type": contentType };
    return (await ask(this.url, this.query, { method: "POST", body: data, headers })).status;
  }

  /** Posts lines as phoenix.js from 1.7 on does. */
  batch(lines: readonly string[]): Promise<number> {
    return this.post(lines.join("\n"), "application/x-ndjson");
  }

  /** Pushes and polls until the reply is here. */
  async push(event: string, payload: object = {}, channelId = "general"): Promise<Record<string, unknown>> {
    const ref = String(this.#ref++);
    const status = await this.post(JSON.stringify(["1", ref, `text_channel:${channelId}`, event, payload]));
    if (status !== 200) throw new Error(`${event} was answered with ${status}`);
    return await this.until(() => this.frames.find((frame) => frame[1] === ref && frame[3] === "phx_reply")?.[4]);
  }

  /** The payloads of an event polled so far. */
  events(event: string): Record<string, unknown>[] {
    return this.frames.filter((frame) => frame[3] === event).map((frame) => frame[4]);
  }

  get contents(): unknown[] {
    return this.events("new_message").map(({ content }) => content);
  }

  /** Polls until something is true; rejects where the session has ended. */
  async until<T>(seen: () => T | undefined | false): Promise<NonNullable<T>> {
    return await eventually(async () => {
      const now = seen();
      if (now) return now;
      const { status } = await this.poll();
      if (status !== 200 && status !== 204) throw new Error(`the poll was answered with ${status}`);
      return seen() || undefined;
    }, 10_000) as NonNullable<T>;
  }
}
