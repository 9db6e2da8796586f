/**
 * The REST interface as a client of it, with the whole of a history as the truth to compare with.
 *
 * @module
 */

import type { Message } from "./checker.ts";

/** A page of history. */
export interface Page {
  readonly messages: Message[];
  readonly has_more: boolean;
  readonly head_seq: number;
  readonly epoch: string;
}

/** One user of one server. */
export class RestClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Posts a message; the status says whether it is new (201) or was there (200). */
  async post(channelId: string, body: object): Promise<{ status: number; message: Message; error?: { code: string } }> {
    const { status, body: answer } = await this.#call(`channels/${channelId}/messages`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return { status, ...(answer as { message: Message }) };
  }

  async page(channelId: string, query: Record<string, string> = {}): Promise<Page> {
    const { body } = await this.#call(`channels/${channelId}/messages?${new URLSearchParams(query)}`);
    return body as Page;
  }

  /** The whole history, oldest first, read page by page from the newest back. */
  async history(channelId: string, limit = 100): Promise<Message[]> {
    let page = await this.page(channelId, { limit: String(limit) });
    const messages = [...page.messages];
    while (page.has_more) {
      page = await this.page(channelId, { limit: String(limit), before: messages[0]?.id ?? "" });
      messages.unshift(...page.messages);
    }
    return messages;
  }

  /** What is newer than a message, read page by page. */
  async since(channelId: string, id: string, limit = 100): Promise<Message[]> {
    const messages: Message[] = [];
    for (let after = id, more = true; more;) {
      const page = await this.page(channelId, { limit: String(limit), after });
      messages.push(...page.messages);
      after = page.messages.at(-1)?.id ?? after;
      more = page.has_more;
    }
    return messages;
  }

  /** Any other call; resolves with the status and the JSON of the answer. */
  call(method: string, path: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    return this.#call(path, init) as Promise<{ status: number; body: Record<string, unknown> }>;
  }

  async health(): Promise<{ status: number; body: Record<string, unknown> }> {
    const { status, body } = await this.#call("health");
    return { status, body: body as Record<string, unknown> };
  }

  async #call(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: `Bearer ${this.#token}`, "content-type": "application/json" };
    const response = await fetch(`${this.#url}/api/${path}`, { ...init, headers });
    return { status: response.status, body: await response.json() };
  }
}
