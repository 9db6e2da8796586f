/**
 * The whole service inside the test's own process: a real port, messages in memory, its log in an array.
 *
 * @module
 */

import { type Config, loadConfig } from "../../src/config.ts";
import { type Service, startService } from "../../src/service.ts";
import { openLog } from "../../src/telemetry/log.ts";

/** What a request to a {@linkcode TestService} may carry. */
export interface CallOptions {
  /** Sent as it is where it is a text, bytes or a stream, else as JSON. */
  readonly body?: unknown;
  readonly headers?: HeadersInit;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body where it is a JSON object, else empty. */
  readonly body: Record<string, unknown>;
}

/** A running service; `await using` stops it. One at a time in a test file: the log is the process's. */
export class TestService implements AsyncDisposable {
  readonly #service: Service;
  /** The lines of its log so far, from `debug` on. */
  readonly log: readonly string[];

  private constructor(service: Service, log: readonly string[]) {
    this.#service = service;
    this.log = log;
  }

  /** Starts one with the settings of a fresh development service, save those given. */
  static async start(settings: Partial<Config> = {}): Promise<TestService> {
    const log: string[] = [];
    const config = { ...loadConfig({ PORT: "0", CHAT_STORE_URL: "memory:", CHAT_DRAIN_TIMEOUT: "1" }), ...settings };
    return new TestService(await startService(config, "0.0.0", openLog("debug", (line) => log.push(line))), log);
  }

  get port(): number {
    return this.#service.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The end point for phoenix.js. */
  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  /** Sends a request and reads its answer. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, token } = options;
    const headers = new Headers(options.headers);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    const init: RequestInit = { method, headers, redirect: "manual" };
    if (body !== undefined) init.body = isBody(body) ? body : JSON.stringify(body);
    return await read(await fetch(this.url + path, init));
  }

  /** Asks it to stop, as SIGTERM does, and resolves when it has. */
  stop(): Promise<void> {
    return this.#service.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Reads an answer to its end. */
export async function read(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  const json = headers.get("content-type")?.startsWith("application/json") === true && text !== "";
  return { status, headers, text, body: json ? JSON.parse(text) : {} };
}

function isBody(body: unknown): body is BodyInit {
  return typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
}
