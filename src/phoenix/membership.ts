/**
 * One client in one topic, from `phx_join` to its end.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import type { LeaveReason, Member, Seat } from "./channel.ts";
import type { Broadcast, Frame, Scalar, Version } from "./frame.ts";
import type { Transport } from "./transport.ts";

/** What a {@linkcode Membership} needs of its connection. */
export interface MembershipHost {
  readonly version: Version;
  readonly identity: Identity;
  readonly transport: Transport;
  push(membership: Membership, event: string, payload: unknown): void;
  close(membership: Membership, payload: unknown): void;
  renew(identity: Identity): void;
  onCrash(error: unknown): void;
}

/**
 * The seat of a client and the state behind it.
 *
 * While `member` is undefined the join is under way: what the room sends is held back until the join's reply is out, and what the client
 * sends waits in `waiting`.
 */
export class Membership implements Seat {
  readonly topic: string;
  readonly joinRef: Scalar;
  /** The `join_ref` that replies carry: Phoenix takes the join's own ref where it came without one. */
  readonly replyRef: Scalar;
  /** Frames that arrived before the join was answered, in order. */
  readonly waiting: Frame[] = [];
  readonly #host: MembershipHost;
  // Both are the host's; held here because a delivery should touch as few objects as it can.
  readonly #transport: Transport;
  readonly #version: Version;
  #member: Member | undefined;
  #held: (() => void)[] | undefined = [];
  #ended: LeaveReason | undefined;
  #inFlight = 0;
  #whenSettled: (() => void)[] = [];

  constructor(host: MembershipHost, topic: string, join: Frame) {
    this.#host = host;
    this.#transport = host.transport;
    this.#version = host.version;
    this.topic = topic;
    this.joinRef = join.joinRef;
    this.replyRef = join.joinRef ?? join.ref;
  }

  get identity(): Identity {
    return this.#host.identity;
  }

  renew(identity: Identity): void {
    this.#host.renew(identity);
  }

  get joined(): boolean {
    return this.#held === undefined;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** The room said yes; `reply` sends the join's answer, then what was held back goes out. */
  welcome(member: Member, reply: () => void): void {
    this.#member = member;
    if (this.#ended !== undefined) return this.#tell(this.#ended);
    reply();
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const send of held) send();
  }

  relay(broadcast: Broadcast): void {
    if (this.#held === undefined) this.#transport.send(broadcast.text(this.#version));
    else this.#hold(() => this.relay(broadcast));
  }

  push(event: string, payload: unknown): void {
    if (this.#held === undefined) this.#host.push(this, event, payload);
    else this.#hold(() => this.push(event, payload));
  }

  close(payload: unknown = {}): void {
    if (this.#held === undefined) this.#host.close(this, payload);
    else this.#hold(() => this.close(payload));
  }

  /** Hands a push to the room and its outcome to one of the two functions, before {@linkcode settled} resolves. */
  async handle(frame: Frame, ok: (response: unknown) => void, failed: (error: unknown) => void): Promise<void> {
    this.#inFlight++;
    try {
      ok(await this.#member?.handle(String(frame.event), frame.payload));
    } catch (error) {
      failed(error);
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) { for (const resolve of this.#whenSettled.splice(0)) resolve(); }
    }
  }

  /** Tells the room once; nothing is sent to the client any more but the replies it is still owed. */
  leave(reason: LeaveReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#held = [];
    this.#tell(reason);
  }

  /** Resolves when every push handed to the room has been answered. */
  settled(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenSettled.push(resolve));
  }

  #hold(send: () => void): void {
    if (this.#ended === undefined) this.#held?.push(send);
  }

  #tell(reason: LeaveReason): void {
    try {
      this.#member?.leave(reason);
    } catch (error) {
      this.#host.onCrash(error);
    }
  }
}
