/**
 * Questions from one instance to another, over the bus.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Bus } from "./bus.ts";

/** Answers a question; what it rejects with, the asker gets as `unavailable`. */
export type Answer = (body: string) => Promise<string>;

interface Asked {
  readonly resolve: (answer: string) => void;
  readonly reject: (error: ChatError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  /** What has come of a long answer. */
  readonly parts: string[];
}

/** A longer answer travels in parts, none of which is too long for a bus. */
const PART = 256 * 1_024;

/** Questions that may wait for their answers. */
const MAX_ASKED = 20_000;

/** One inbox an instance; a question that is lost on its way ends by its deadline. */
export class Rpc implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #answers = new Map<string, Answer>();
  readonly #asked = new Map<string, Asked>();
  #count = 0;

  private constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Resolves when questions come in. */
  static async open(bus: Bus): Promise<Rpc> {
    const rpc = new Rpc(bus);
    await bus.subscribe(inboxOf(bus.instance), (message, from) => rpc.#hear(message, from));
    return rpc;
  }

  /** Answers the questions of a name from now on. */
  answer(name: string, answer: Answer): void {
    this.#answers.set(name, answer);
  }

  /** Asks an instance; rejects with `unavailable` where no answer has come within `timeoutMs`. */
  ask(instance: string, name: string, body: string, timeoutMs: number): Promise<string> {
    if (this.#asked.size >= MAX_ASKED) return Promise.reject(new ChatError("unavailable", "Too many questions wait."));
    const id = `${this.#count++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        reject(new ChatError("unavailable", "Another instance did not answer."));
      }, timeoutMs);
      this.#asked.set(id, { resolve, reject, timer, parts: [] });
      this.#bus.publish(inboxOf(instance), `${id} ${name}\n${body}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus.unsubscribe(inboxOf(this.#bus.instance));
    for (const { reject, timer } of this.#asked.values()) {
      clearTimeout(timer);
      reject(new ChatError("unavailable", "The instance stops."));
    }
    this.#asked.clear();
  }

  #hear(message: string, from: string): void {
    const end = message.indexOf("\n");
    const [id = "", name = "", length] = message.slice(0, end).split(" ");
    const body = message.slice(end + 1);
    if (name === "part") return void this.#asked.get(id)?.parts.push(body);
    if (name === "answer" || name === "failure") return this.#settle(id, name, body, Number(length));
    const answer = this.#answers.get(name);
    if (!answer) return;
    answer(body).then(
      (text) => this.#reply(from, id, text),
      () => this.#bus.publish(inboxOf(from), `${id} failure\n`),
    );
  }

  #reply(to: string, id: string, text: string): void {
    let at = 0;
    for (; text.length - at > PART; at += PART) {
      this.#bus.publish(inboxOf(to), `${id} part\n${text.slice(at, at + PART)}`);
    }
    this.#bus.publish(inboxOf(to), `${id} answer ${text.length}\n${text.slice(at)}`);
  }

  #settle(id: string, outcome: "answer" | "failure", body: string, length: number): void {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    clearTimeout(asked.timer);
    const whole = asked.parts.join("") + body;
    if (outcome === "answer" && whole.length === length) asked.resolve(whole);
    else asked.reject(new ChatError("unavailable", "Another instance could not answer."));
  }
}

function inboxOf(instance: string): string {
  return `instance:${instance}`;
}
