/**
 * What an instance hears on a bus.
 *
 * @module
 */

import type { Bus, GapTopics } from "../../../src/pubsub/bus.ts";
import { eventually } from "../../support/eventually.ts";

/** Keeps what comes. */
export class Inbox {
  /** `topic from message`, as it came. */
  readonly lines: string[] = [];
  readonly gaps: GapTopics[] = [];
  readonly #bus: Bus;

  private constructor(bus: Bus) {
    this.#bus = bus;
    bus.onGap((topics) => this.gaps.push(topics));
  }

  /** Subscribes to topics. */
  static async of(bus: Bus, ...topics: string[]): Promise<Inbox> {
    const inbox = new Inbox(bus);
    await Promise.all(topics.map((topic) => inbox.subscribe(topic)));
    return inbox;
  }

  subscribe(topic: string): Promise<void> {
    return this.#bus.subscribe(topic, (message, from) => this.lines.push(`${topic} ${from} ${message}`));
  }

  /** Resolves when a line is there. */
  async until(line: string, ms = 15_000): Promise<void> {
    await eventually(() => this.lines.includes(line) || `${this.lines.slice(-5)} without ${line}` === line, ms);
  }
}
