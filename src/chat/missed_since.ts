/**
 * What a client that comes back has missed.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Channel, History, Message, Store } from "../store/store.ts";
import type { ResumePoint } from "./input.ts";
import type { Recovery } from "./payload.ts";

/** Changes that a client is given; one that missed more starts anew. */
const MAX_MISSED = 1_000;
/** UTF-16 units in them, about: on a slow line a larger answer would count as a client that does not read. */
const MAX_MISSED_LENGTH = 524_288;

/** Why a client must start anew. */
export type StartAnew = Extract<Recovery, { recovered: false }>["reason"];

/** Reads all that changed in the channel since a client left off, or tells why that cannot be said; never a part. */
export async function missedSince(store: Store, channel: Channel, resume: ResumePoint): Promise<History | StartAnew> {
  let after: number;
  try {
    after = "lastSeq" in resume ? resume.lastSeq : (await store.getMessage(channel.id, resume.lastSeenId)).seq;
  } catch (error) {
    if (error instanceof ChatError && error.code === "not_found") return "unknown_id";
    throw error;
  }
  const missed = await store.changes(channel.id, { after, limit: MAX_MISSED });
  // Without an epoch of the client's it is the one just read: deleted and made again in between, the channel is another.
  const epoch = "epoch" in resume ? resume.epoch : channel.epoch;
  if (epoch !== missed.epoch || after > missed.headSeq) return "epoch_changed";
  if (after > 0 && after < missed.purgedSeq) return "gap_too_large";
  const length = missed.messages.reduce((sum, message) => sum + lengthOf(message), 0);
  return missed.hasMore || length > MAX_MISSED_LENGTH ? "gap_too_large" : missed;
}

function lengthOf({ content, replyTo, metadata, mentions, reactions }: Message): number {
  const more = replyTo ?? metadata ?? mentions ?? reactions;
  return content.length + (more === undefined ? 0 : JSON.stringify([replyTo, metadata, mentions, reactions]).length);
}
