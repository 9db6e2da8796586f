/**
 * A room that does what a test says and remembers what it was told.
 *
 * @module
 */

import type { Join, LeaveReason, Seat } from "../../../src/phoenix/channel.ts";
import { Broadcast } from "../../../src/phoenix/frame.ts";

/** Answers with a value or its promise, or throws. */
export type Answer = (payload: unknown, seat: Seat) => unknown;

/** What a {@linkcode FakeRoom} does; what is left out is let in, echoed and forgotten. */
export interface Script {
  readonly join?: Answer;
  readonly leave?: (reason: LeaveReason) => void;
  /** Events besides `echo`; one that is not here crashes. */
  readonly on?: Record<string, Answer>;
}

/** A room whose members are numbered in the order they asked to join. */
export class FakeRoom {
  /** What happened, such as `1 joins`, `1 echo`, `1 left: closed`. */
  readonly log: string[] = [];
  readonly seats: Seat[] = [];
  readonly join: Join;
  readonly #live = new Set<Seat>();

  constructor(script: Script = {}) {
    const on: Record<string, Answer> = { echo: (payload) => payload, ...script.on };
    this.join = async (seat, payload) => {
      const who = this.seats.push(seat);
      this.log.push(`${who} joins`);
      this.#live.add(seat);
      const welcome = await script.join?.(payload, seat) ?? {};
      return {
        welcome,
        handle: (event, payload) => {
          this.log.push(`${who} ${event}`);
          const answer = on[event];
          if (!answer) throw new Error(`no ${event}`);
          return Promise.resolve(answer(payload, seat));
        },
        leave: (reason) => {
          this.log.push(`${who} left: ${reason}`);
          this.#live.delete(seat);
          script.leave?.(reason);
        },
      };
    };
  }

  /** Relays to every member that has not left, from the moment it asked to join. */
  publish(event: string, payload: unknown, topic = "room:a"): void {
    const broadcast = new Broadcast(topic, event, payload);
    for (const seat of this.#live) seat.relay(broadcast);
  }
}
