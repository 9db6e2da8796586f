/**
 * The far end of a connection: a test speaks through it and reads what came back.
 *
 * @module
 */

import type { Join } from "../../../src/phoenix/channel.ts";
import { Connection, type ConnectionOptions } from "../../../src/phoenix/connection.ts";

/** What a test may choose; otherwise V2, no rooms, a hundred topics. */
export interface ClientOptions extends Partial<Omit<ConnectionOptions, "transport">> {
  readonly rooms?: Record<string, { readonly join: Join }>;
  /** Called after each frame that the connection sends, as a transport would look at its backlog. */
  readonly sent?: () => void;
}

/** A {@linkcode Connection} and a transport that keeps what it is given. */
export class Client {
  readonly connection: Connection;
  readonly closes: [code: number, reason: string][] = [];
  readonly crashes: unknown[] = [];
  #received: unknown[] = [];

  constructor({ rooms = {}, sent, ...options }: ClientOptions = {}) {
    this.connection = new Connection({
      version: 2,
      identity: { userId: "alice" },
      transport: {
        send: (data) => {
          this.#received.push(typeof data === "string" ? JSON.parse(data) : data);
          sent?.();
        },
        close: (code, reason) => this.closes.push([code, reason]),
      },
      route: (topic) => rooms[topic]?.join,
      maxTopics: 100,
      onCrash: (error) => this.crashes.push(error),
      ...options,
    });
  }

  /** Sends bytes and text as they are, anything else as JSON. */
  send(frame: unknown): void {
    const raw = typeof frame === "string" || frame instanceof Uint8Array;
    this.connection.receive(raw ? frame : JSON.stringify(frame));
  }

  /** What came since the last call: JSON, or bytes. */
  async hear(): Promise<unknown[]> {
    await turn();
    return this.#received.splice(0);
  }

  /** Joins a topic with `ref` for a `join_ref` and forgets the answer. */
  async join(topic: string, ref = "1"): Promise<void> {
    this.send([ref, ref, topic, "phx_join", {}]);
    await this.hear();
  }
}

/** One turn of the event loop: whatever does not wait for the test has happened after it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** The V2 reply with status ok. */
export function ok(joinRef: unknown, ref: unknown, topic: unknown, response: unknown = {}): unknown[] {
  return [joinRef, ref, topic, "phx_reply", { status: "ok", response }];
}

/** The V2 reply with status error. */
export function refused(joinRef: unknown, ref: unknown, topic: unknown, response: unknown): unknown[] {
  return [joinRef, ref, topic, "phx_reply", { status: "error", response }];
}

/** The reply to what is sent to a topic that is not joined. */
export function unmatched(ref: unknown, topic: unknown): unknown[] {
  return refused(null, ref, topic, { reason: "unmatched topic" });
}

/** What ends a membership; Phoenix says the `join_ref` twice. */
export function ended(event: "phx_close" | "phx_error", joinRef: unknown, topic: string): unknown[] {
  return [joinRef, joinRef, topic, event, event === "phx_close" ? {} : { reason: "channel_crash" }];
}
