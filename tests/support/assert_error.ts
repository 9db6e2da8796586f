/**
 * The one shape of an HTTP error.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ERROR_STATUS, type ErrorCode } from "../../src/errors.ts";
import type { Answer } from "./test_service.ts";

/** Holds an answer against the shape of an error; resolves with its message. */
export function assertError({ status, headers, body, text }: Answer, code: ErrorCode): string {
  const { error, request_id, ...rest } = body as {
    error?: { code?: unknown; message?: unknown };
    request_id?: unknown;
  };
  assertEquals([status, error?.code], [ERROR_STATUS[code], code], text);
  assertEquals(rest, {});
  assertEquals(Object.keys(error ?? {}).filter((key) => key !== "retry_after"), ["code", "message"]);
  assertEquals(request_id, headers.get("x-request-id"));
  assertEquals(headers.get("content-type"), "application/json");
  return String(error?.message);
}
