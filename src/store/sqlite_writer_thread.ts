/**
 * The thread behind `SqliteWriterThread`: owns the writing connection and answers each request with one message.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { ChatError } from "../errors.ts";
import { SqliteDatabase } from "./sqlite_database.ts";
import type { PlainError, WriterRequest, WriterResponse } from "./sqlite_writer.ts";

let database: SqliteDatabase | undefined;

self.onmessage = ({ data }: MessageEvent<WriterRequest>) => self.postMessage(answer(data));
self.postMessage({ ready: true } satisfies WriterResponse);

function answer(request: WriterRequest): WriterResponse {
  try {
    if ("open" in request) database = new SqliteDatabase(request.open);
    else if ("close" in request) database?.[Symbol.dispose]();
    else {
      const results = database?.write(request.write) ?? [];
      return { results: results.map((result) => "error" in result ? { error: plain(result.error) } : result) };
    }
    return { done: true };
  } catch (error) {
    return { failed: plain(error) };
  }
}

function plain(error: unknown): PlainError {
  const { code, message, cause } = error instanceof ChatError
    ? error
    : new ChatError("unavailable", "The storage failed.", { cause: error });
  return { code, message, cause: String(cause ?? "") };
}
