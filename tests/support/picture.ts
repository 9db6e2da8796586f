/**
 * What a client shows of a channel, put together from everything it was told as an application does it: by id, the highest version counts.
 *
 * @module
 */

import type { JoinReply, Message } from "./checker.ts";
import type { ResumeBy } from "./resuming.ts";

/** Something that reached a client. */
export interface Seen {
  /** `joined` for the reply to a join. */
  readonly event: string;
  readonly payload: unknown;
}

interface Deletion {
  readonly id: string;
  readonly channel_id: string;
  readonly seq: number;
  readonly version: number;
  readonly user_id: string;
}

/** One client's messages. */
export class Picture {
  readonly #name: string;
  readonly #messages = new Map<string, Message>();
  readonly findings: string[] = [];
  /** Up to which change it has everything; undefined before its first join. */
  head: number | undefined;
  /** How the joins after the first ended. */
  readonly resumed: unknown[] = [];
  /** Changes that were not there before the message was. */
  updates = 0;
  #epoch = "";

  constructor(name: string) {
    this.#name = name;
  }

  /** Oldest first. */
  get messages(): Message[] {
    return [...this.#messages.values()].sort((a, b) => a.id < b.id ? -1 : 1);
  }

  /** A join's payload that goes on from here. */
  resumePoint(by: ResumeBy): Record<string, unknown> {
    if (this.head === undefined) return {};
    if (by === "last_seq") return { last_seq: this.head, epoch: this.#epoch };
    return { last_seen_id: this.messages.at(-1)?.id ?? null };
  }

  take({ event, payload }: Seen): void {
    if (event === "joined") this.#join(payload as JoinReply & { recovered?: boolean; reason?: string });
    if (event === "new_message" || event === "message_updated") this.#takeLive(event, payload as Message);
    if (event === "message_deleted") this.#delete(payload as Deletion);
    if (event === "messages_deleted") this.#deleteMany(payload as { ids: string[]; version: number });
  }

  /** Everything that differs from the history; a quote is the quoted message's, which may have changed since. */
  differences(history: readonly Message[]): string[] {
    const shown = new Map(this.messages.map((message) => [message.id, comparable(message)]));
    const stored = new Map(history.map((message) => [message.id, comparable(message)]));
    const wrong = [...new Set([...shown.keys(), ...stored.keys()])].filter((id) => shown.get(id) !== stored.get(id));
    if (wrong.length === 0 && this.messages.map(({ id }) => id).join() !== history.map(({ id }) => id).join()) {
      wrong.push("order");
    }
    return wrong.map((id) => `${this.#name}: shows ${shown.get(id)}, stored is ${stored.get(id)}`).slice(0, 5);
  }

  #join({ messages, head_seq, epoch, recovered, reason }: JoinReply & { recovered?: boolean; reason?: string }): void {
    if (this.head !== undefined) this.resumed.push(recovered === true ? "recovered" : reason);
    if (this.head !== undefined && head_seq < this.head) this.#complain(`joined at ${head_seq}, was at ${this.head}`);
    let last = 0;
    for (const message of messages) {
      if (recovered && message.version <= last) this.#complain(`${show(message)} came after version ${last}`);
      last = message.version;
      this.#keep(message);
    }
    this.head = head_seq;
    this.#epoch = epoch;
  }

  #takeLive(event: string, message: Message): void {
    this.#advance(message.version, show(message));
    const isKnown = this.#messages.has(message.id);
    if (event === "new_message" && isKnown) this.#complain(`${show(message)} came as a new one again`);
    if (event === "message_updated") this.updates++;
    if (event === "message_updated" && !isKnown) this.#complain(`${show(message)} changed and was never new`);
    this.#keep(message);
  }

  #delete(deletion: Deletion): void {
    this.#advance(deletion.version, show(deletion));
    this.updates++;
    const known = this.#messages.get(deletion.id);
    if (!known) return; // gone before this client heard of it
    const { id, channel_id, user_id, timestamp, seq } = known;
    this.#keep({ id, channel_id, user_id, content: "", timestamp, seq, version: deletion.version, deleted: true });
  }

  #deleteMany({ ids, version }: { ids: string[]; version: number }): void {
    this.#advance(version, show(ids));
    this.updates++;
    for (const [index, id] of ids.entries()) {
      const known = this.#messages.get(id);
      if (!known) continue;
      const { channel_id, user_id, timestamp, seq } = known;
      const own = version - (ids.length - 1 - index);
      this.#keep({ id, channel_id, user_id, content: "", timestamp, seq, version: own, deleted: true });
    }
  }

  #advance(version: number, what: string): void {
    if (this.head === undefined) this.#complain(`${what} came before the join was answered`);
    if (version <= (this.head ?? 0)) this.#complain(`${what} came after version ${this.head}`);
    this.head = Math.max(this.head ?? 0, version);
  }

  #keep(message: Message): void {
    const known = this.#messages.get(message.id);
    if (known === undefined || message.version >= known.version) this.#messages.set(message.id, message);
  }

  #complain(finding: string): void {
    this.findings.push(`${this.#name}: ${finding}`);
  }
}

function comparable({ reply_to, ...message }: Message): string {
  const entries = Object.entries({ ...message, ...(reply_to ? { reply_to: reply_to.id } : {}) });
  return JSON.stringify(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

function show(value: unknown): string {
  return JSON.stringify(value);
}
