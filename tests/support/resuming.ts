/**
 * What a client keeps so that it can resume, and what it has shown.
 *
 * @module
 */

import type { JoinReply, Message, Stream } from "./checker.ts";

/** What a join is answered with that may resume. */
export interface ResumeReply extends JoinReply {
  readonly recovered?: boolean;
  readonly reason?: string;
}

/** How a client says where it left off. */
export type ResumeBy = "last_seq" | "last_seen_id";

/** The replies to a client's joins, in order. */
export function replies(streams: readonly Stream[]): ResumeReply[] {
  return streams.flatMap(({ reply }) => reply ?? []);
}

/** Everything a client was given, in the order in which it was. */
export function given(streams: readonly Stream[]): Message[] {
  return streams.flatMap(({ reply, live }) => [...reply?.messages ?? [], ...live]);
}

/** A join's payload of a client that saw this so far. */
export function resumePoint(by: ResumeBy, streams: readonly Stream[]): Record<string, unknown> {
  if (by === "last_seen_id") return { last_seen_id: given(streams).at(-1)?.id ?? null };
  const stream = streams.findLast(({ reply }) => reply !== undefined);
  if (!stream?.reply) return { last_seq: null, epoch: null };
  return { last_seq: stream.live.at(-1)?.version ?? stream.reply.head_seq, epoch: stream.reply.epoch };
}
