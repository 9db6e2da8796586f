/**
 * Reactions to a message that many react to at once.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Message, Reacted, ReactionRequest } from "../store/store.ts";

/** After a change of a message's reactions the next ones are gathered for so long. */
const GATHER_MS = 200;
/** Reactions to one message that may wait. */
const MAX_WAITING = 1_000;

interface Waiting {
  readonly request: ReactionRequest;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: unknown) => void;
}

interface HotMessage {
  changedAt: number;
  readonly waiting: Waiting[];
}

/** Stores several requests as one change. */
export type React = (channelId: string, id: string, requests: readonly ReactionRequest[]) => Promise<Reacted>;

/**
 * Takes the first reaction at once and those that follow closely together: a message that a thousand people react to changes five times a second, not
 * a thousand. Each is answered when it is durable, all the same.
 */
export class ReactionQueue {
  readonly #react: React;
  readonly #now: () => number;
  readonly #hot = new Map<string, HotMessage>();

  constructor(react: React, now: () => number = Date.now) {
    this.#react = react;
    this.#now = now;
  }

  /** Resolves with the message as the reaction left it; rejects with `conflict` where it has as many kinds as it may. */
  add(channelId: string, id: string, request: ReactionRequest): Promise<Message> {
    const key = `${channelId} ${id}`;
    const hot = this.#hot.get(key) ?? { changedAt: 0, waiting: [] };
    this.#hot.set(key, hot);
    if (hot.waiting.length >= MAX_WAITING) {
      const options = { retryAfterMs: GATHER_MS };
      return Promise.reject(new ChatError("unavailable", "Too many reactions to this message are waiting.", options));
    }
    return new Promise((resolve, reject) => {
      hot.waiting.push({ request, resolve, reject });
      if (hot.waiting.length > 1) return;
      // A clock that was set back must not make them wait until it has caught up.
      const wait = Math.min(hot.changedAt + GATHER_MS - this.#now(), GATHER_MS);
      if (wait <= 0) this.#flush(channelId, id, hot);
      else setTimeout(() => this.#flush(channelId, id, hot), wait);
    });
  }

  /** Forgets messages that nobody reacts to any more. */
  sweep(): void {
    const old = this.#now() - GATHER_MS;
    for (const [key, { changedAt, waiting }] of this.#hot) {
      if (waiting.length === 0 && changedAt < old) this.#hot.delete(key);
    }
  }

  async #flush(channelId: string, id: string, hot: HotMessage): Promise<void> {
    const batch = hot.waiting.splice(0);
    hot.changedAt = this.#now();
    try {
      const { message, refused } = await this.#react(channelId, id, batch.map(({ request }) => request));
      for (const [index, { resolve, reject }] of batch.entries()) {
        if (refused[index]) reject(new ChatError("conflict", "This message has as many kinds of reactions as it may."));
        else resolve(message);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
