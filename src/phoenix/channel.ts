/**
 * What a room implements and what it is given: the whole surface between the wire and an application.
 *
 * A room never sees a ref: what it returns is the ok reply, what it throws is the error reply, so each push is answered exactly once.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import type { Broadcast } from "./frame.ts";

/** A client's place in a topic: how a room speaks to that one client. Nothing reaches the client before the join's reply. */
export interface Seat {
  readonly topic: string;
  readonly identity: Identity;
  /** Sends an event that all members get; serialized once, whoever asks for the text. */
  relay(broadcast: Broadcast): void;
  /** Sends an event to this client alone. */
  push(event: string, payload: unknown): void;
  /** Takes over what a newer token of the same user says, for all of the client's topics; throws `forbidden` for another's. */
  renew(identity: Identity): void;
  /** Ends the membership for good: `phx_close`, after which phoenix.js does not rejoin. Calls {@linkcode Member.leave}. */
  close(payload?: unknown): void;
}

/** Why a membership ended. */
export type LeaveReason = "left" | "closed" | "rejoined" | "crashed";

/** A client in a room. */
export interface Member {
  /** The response of the join's ok reply. */
  readonly welcome: unknown;
  /**
   * Answers a push. Called in the order in which pushes arrived, not waiting for earlier ones to settle.
   *
   * Resolves with the response of the ok reply; a `ChatError` is the error reply; anything else ends the membership with `phx_error`.
   */
  handle(event: string, payload: unknown): Promise<unknown>;
  /** Called exactly once, when the client no longer is in the room. */
  leave(reason: LeaveReason): void;
}

/** Lets a client in; rejects with a `ChatError` to refuse it. */
export type Join = (seat: Seat, payload: unknown) => Promise<Member>;
