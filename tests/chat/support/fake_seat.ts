/**
 * A client's place in a topic that keeps what it is told.
 *
 * @module
 */

import type { Identity } from "../../../src/auth/authenticator.ts";
import type { Seat } from "../../../src/phoenix/channel.ts";
import { type Broadcast, stringify } from "../../../src/phoenix/frame.ts";

/** Something the client got to hear. */
export interface Heard {
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

/** A {@linkcode Seat} of one user, in `text_channel:a` where nothing else is said. */
export class FakeSeat implements Seat {
  readonly topic: string;
  identity: Identity;
  /** What was relayed or pushed, in order. */
  readonly heard: Heard[] = [];
  /** With what the membership was ended, each time. */
  readonly closes: unknown[] = [];
  /** Called when something was relayed. */
  onRelay: () => void = () => {};
  /** Called when the membership is ended, as a connection then calls `leave()`. */
  onClose: () => void = () => {};

  constructor(userId: string, channelId = "a") {
    this.topic = `text_channel:${channelId}`;
    this.identity = { userId };
  }

  relay(broadcast: Broadcast): void {
    const [, , topic, event, payload] = JSON.parse(broadcast.text(2));
    if (topic !== this.topic) throw new Error(`${topic} was relayed to ${this.topic}`);
    this.heard.push({ event, payload });
    this.onRelay();
  }

  push(event: string, payload: unknown): void {
    this.heard.push({ event, payload: JSON.parse(stringify(payload)) });
  }

  renew(identity: Identity): void {
    this.identity = identity;
  }

  close(payload?: unknown): void {
    this.closes.push(payload);
    this.onClose();
  }

  /** The payloads of an event, in order. */
  of(event: string): Record<string, unknown>[] {
    return this.heard.filter((heard) => heard.event === event).map(({ payload }) => payload);
  }

  /** The `seq` of the messages that came live. */
  get seqs(): unknown[] {
    return this.of("new_message").map(({ seq }) => seq);
  }
}
