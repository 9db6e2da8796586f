/**
 * The connection that writes, on a thread of its own, so that waiting for the disk never holds up the sockets.
 *
 * @module
 */

import { ChatError, type ErrorCode } from "../errors.ts";
import type { SqliteOptions } from "./sqlite_connection.ts";
import type { WriteOperation, WriteResult } from "./sqlite_database.ts";

/** Runs operations in order in one transaction; never rejects: each operation has its own result. */
export interface SqliteWriter extends AsyncDisposable {
  write(operations: readonly WriteOperation[]): Promise<WriteResult[]>;
}

/** An error as it crosses threads: a structured clone would lose its class. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: string;
}

/** To the thread: open the file, write a batch, close the file. */
export type WriterRequest =
  | { readonly open: SqliteOptions }
  | { readonly write: readonly WriteOperation[] }
  | { readonly close: true };

/** From the thread: that it takes requests, for one that comes sooner can be lost; then one for each request. */
export type WriterResponse =
  | { readonly ready: true }
  | { readonly done: true }
  | { readonly results: readonly ({ readonly value: unknown } | { readonly error: PlainError })[] }
  | { readonly failed: PlainError };

/** The front of the thread in `sqlite_writer_thread.ts`; a thread that died is replaced at the next write. */
export class SqliteWriterThread implements SqliteWriter {
  readonly #options: SqliteOptions;
  #worker: Worker | undefined;

  private constructor(options: SqliteOptions) {
    this.#options = options;
  }

  /** Starts the thread and opens the file there; rejects with `unavailable` and its reason. */
  static async open(options: SqliteOptions): Promise<SqliteWriterThread> {
    const writer = new SqliteWriterThread(options);
    await writer.#start();
    return writer;
  }

  async write(operations: readonly WriteOperation[]): Promise<WriteResult[]> {
    try {
      const response = await this.#call(this.#worker ?? await this.#start(), { write: operations });
      if (!("results" in response)) throw new Error("the writer gave another answer than results");
      return response.results.map((result) => "error" in result ? { error: revive(result.error) } : result);
    } catch (cause) {
      const error = cause instanceof ChatError ? cause : new ChatError("unavailable", "The storage failed.", { cause });
      return operations.map(() => ({ error }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#worker) await this.#call(this.#worker, { close: true });
    this.#stop();
  }

  async #start(): Promise<Worker> {
    const worker = new Worker(new URL("./sqlite_writer_thread.ts", import.meta.url), { type: "module" });
    this.#worker = worker;
    await this.#call(worker);
    const response = await this.#call(worker, { open: this.#options });
    if ("failed" in response) {
      this.#stop();
      throw revive(response.failed);
    }
    return worker;
  }

  #stop(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** One request at a time: the store sends the next batch when the one before is done. Without one it waits for what the thread says by itself. */
  #call(worker: Worker, request?: WriterRequest): Promise<WriterResponse> {
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#stop();
        reject(new Error(`the writer thread died: ${event.message}`));
      };
      if (request) worker.postMessage(request);
    });
  }
}

function revive({ code, message, cause }: PlainError): ChatError {
  return new ChatError(code, message, { cause });
}
