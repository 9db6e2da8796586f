/**
 * Conversations captured from Phoenix 1.7.21 (tests/fixtures/phoenix_frames.json).
 *
 * @module
 */

import type { Version } from "../../../src/phoenix/frame.ts";

/** One frame, as text or as hex, or the end of the connection. */
export interface Step {
  readonly from: "client" | "server";
  readonly who: string;
  /** Where this client speaks another version than the conversation. */
  readonly version?: Version;
  readonly text?: string;
  readonly binary?: string;
  readonly close?: number;
}

/** What was said on one connection, or by two clients in one topic. */
export interface Conversation {
  readonly section: string;
  readonly title: string;
  readonly version: Version;
  readonly steps: readonly Step[];
}

export const conversations: readonly Conversation[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../fixtures/phoenix_frames.json", import.meta.url)),
);

/** What a step carried; `undefined` for a close. */
export function dataOf({ text, binary }: Step): string | Uint8Array | undefined {
  return binary === undefined ? text : Uint8Array.fromHex(binary);
}
