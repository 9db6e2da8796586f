/**
 * Users who send, edit, delete, react and pin at random, and the record of what they were told became of it.
 *
 * @module
 */

import type { Message } from "./checker.ts";

/** How a push ended; nothing where the connection ended before. */
export type Push = (
  event: string,
  payload: object,
) => Promise<{ readonly status: string; readonly response: Record<string, unknown> } | undefined>;

interface Draft {
  readonly userId: string;
  readonly content: string;
  readonly nonce: string;
  /** What it answers; taken away where that was deleted before. */
  replyTo?: string | undefined;
  id?: string;
}

/** The record of one channel. */
export class Commotion {
  readonly #random: (min: number, max: number) => number;
  readonly #drafts: Draft[] = [];
  readonly #deleted = new Set<string>();
  /** What the content of a message may be: as its author was told at last, or as an edit without an answer wanted it. */
  readonly #contents = new Map<string, { told?: string; readonly wanted: Set<string> }>();
  readonly #findings: string[] = [];
  /** Acts that were answered. */
  acts = 0;
  resent = 0;
  #count = 0;

  constructor(random: (min: number, max: number) => number) {
    this.#random = random;
  }

  /** Does so many things, one after the other; stops where the connection ends. */
  async stir(userId: string, push: Push, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      if (!await this.#act(userId, push)) return;
      this.acts++;
    }
  }

  /** Sends messages again that were sent before, acknowledged or not. */
  async resend(userId: string, push: Push, count: number): Promise<void> {
    const drafts = this.#drafts.filter((draft) => draft.userId === userId);
    for (let n = 0; n < count && drafts.length > 0; n++) {
      await this.#send(drafts[this.#random(0, drafts.length - 1)], push);
      this.resent++;
    }
  }

  /** Sends everything again that was not acknowledged. */
  async finish(userId: string, push: Push): Promise<void> {
    for (const draft of this.#drafts) {
      if (draft.userId === userId && draft.id === undefined) await this.#send(draft, push);
    }
  }

  /** Everything that is wrong with a history: each draft is there once, what was deleted is, and contents are as their authors were told. */
  findings(history: readonly Message[]): string[] {
    const byId = new Map(history.map((message) => [message.id, message]));
    const found = [...this.#findings];
    if (byId.size !== history.length) found.push("an id is there twice");
    if (history.length !== this.#drafts.length) {
      found.push(`${history.length} messages of ${this.#drafts.length} drafts`);
    }
    for (const { id = "none", userId, content } of this.#drafts) {
      const message = byId.get(id);
      if (message?.user_id !== userId) {
        found.push(`${content}: acknowledged as ${id}, stored as ${JSON.stringify(message)}`);
      }
      if (!message || message.deleted) continue;
      if (this.#deleted.has(id)) found.push(`${content}: deleted, and there`);
      const { told = content, wanted } = this.#contents.get(id) ?? { wanted: new Set() };
      if (message.content !== told && !wanted.has(message.content)) {
        found.push(`${content}: is ${message.content}, its author was told ${told}`);
      }
    }
    return found;
  }

  async #act(userId: string, push: Push): Promise<boolean> {
    const all = this.#drafts.flatMap(({ id }) => id ?? []);
    const own = this.#drafts.flatMap((draft) => draft.userId === userId && draft.id !== undefined ? draft.id : []);
    const [any, mine] = [this.#one(all), this.#one(own)];
    const kind = this.#random(1, 20);
    if (any === undefined || mine === undefined || kind <= 8) {
      const nonce = `n${++this.#count}`;
      const draft = { userId, content: `line ${this.#count}`, nonce, replyTo: kind <= 2 ? any : undefined };
      this.#drafts.push(draft);
      return await this.#send(draft, push);
    }
    if (kind <= 12) return await this.#edit(mine, push);
    if (kind === 13) return await this.#delete("delete_message", { id: mine }, [mine], push);
    if (kind === 14) {
      const ids = [...new Set([mine, this.#one(own) ?? mine, this.#one(own) ?? mine])];
      if (ids.length > 1) return await this.#delete("delete_messages", { ids }, ids, push);
    }
    if (kind <= 17) {
      const event = this.#random(0, 2) > 0 ? "add_reaction" : "remove_reaction";
      return this.#isExpected(await push(event, { id: any, emoji: this.#random(0, 1) ? "👍" : ":party:" }));
    }
    return this.#isExpected(await push(this.#random(0, 1) ? "pin_message" : "unpin_message", { id: any }));
  }

  async #send(draft: Draft | undefined, push: Push): Promise<boolean> {
    if (!draft) return true;
    const { content, nonce, replyTo } = draft;
    const reply = await push("new_message", { content, nonce, reply_to: replyTo ?? null });
    if (reply?.status === "error" && reply.response.reason === "invalid" && replyTo !== undefined) {
      draft.replyTo = undefined;
      return await this.#send(draft, push);
    }
    if (reply?.status !== "ok") return this.#isExpected(reply);
    const id = String(reply.response.id);
    if (draft.id !== undefined && draft.id !== id) this.#findings.push(`${content}: was ${draft.id}, then ${id}`);
    draft.id = id;
    return true;
  }

  async #edit(id: string, push: Push): Promise<boolean> {
    const content = `edited ${++this.#count}`;
    const known = this.#contents.get(id) ?? { wanted: new Set<string>() };
    this.#contents.set(id, known);
    known.wanted.add(content);
    const reply = await push("edit_message", { id, content });
    if (reply?.status === "ok") {
      known.told = content;
      known.wanted.delete(content);
      if (reply.response.content !== content) this.#findings.push(`${content}: answered ${reply.response.content}`);
    }
    return this.#isExpected(reply);
  }

  async #delete(event: string, payload: object, ids: string[], push: Push): Promise<boolean> {
    const reply = await push(event, payload);
    if (reply?.status === "ok") ids.forEach((id) => this.#deleted.add(id));
    return this.#isExpected(reply);
  }

  /** Whether to go on; what may not be refused is noted. */
  #isExpected(reply: Awaited<ReturnType<Push>>): boolean {
    if (reply === undefined || reply.status === "timeout") return false;
    if (reply.status === "error" && reply.response.reason !== "not_found") {
      this.#findings.push(`refused: ${JSON.stringify(reply.response)}`);
    }
    return true;
  }

  #one<T>(values: readonly T[]): T | undefined {
    return values[this.#random(0, Math.max(0, values.length - 1))];
  }
}
