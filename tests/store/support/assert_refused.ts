/**
 * What is refused, and how.
 *
 * @module
 */

import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ChatError, type ErrorCode } from "../../../src/errors.ts";

/** Passes where `run` throws or rejects with a {@linkcode ChatError} of this code, whose message has `words` in it; resolves with that error. */
export async function assertRefused(code: ErrorCode, run: () => unknown, words = ""): Promise<ChatError> {
  let outcome: unknown;
  try {
    outcome = await run();
  } catch (error) {
    assertInstanceOf(error, ChatError);
    assertEquals(error.code, code, error.message);
    assertStringIncludes(error.message, words);
    return error;
  }
  throw new Error(`not refused: ${JSON.stringify(outcome)}`);
}
