/**
 * Gathers what one turn of the event loop publishes.
 *
 * @module
 */

/** The messages of a turn by topic, each topic's in the order in which they were published. */
export type Turn = ReadonlyMap<string, readonly string[]>;

/** Hands the messages of each turn over together. */
export class Outbox {
  readonly #send: (turn: Turn) => void;
  #waiting = new Map<string, string[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (turn: Turn) => void) {
    this.#send = send;
  }

  add(topic: string, message: string): void {
    const messages = this.#waiting.get(topic);
    if (messages) messages.push(message);
    else this.#waiting.set(topic, [message]);
    this.#timer ??= setTimeout(() => this.flush(), 0);
  }

  /** Hands over what waits, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const turn = this.#waiting;
    this.#waiting = new Map();
    this.#send(turn);
  }
}
