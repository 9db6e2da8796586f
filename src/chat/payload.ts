/**
 * What clients see: the JSON shapes of the contract, the same live, in history, in a join reply and over REST.
 *
 * @module
 */

import { Json } from "../phoenix/frame.ts";
import type { Channel, History, Message } from "../store/store.ts";

/** A channel on the wire. */
export interface ChannelPayload {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly head_seq: number;
  readonly kind: "open";
}

/** A message on the wire; fields that do not apply are absent. */
export interface MessagePayload {
  readonly id: string;
  readonly channel_id: string;
  readonly user_id: string;
  readonly content: string;
  readonly timestamp: string;
  readonly seq: number;
  readonly version: number;
  readonly nonce?: string;
}

/** Renders a channel. */
export function channelPayload(channel: Channel): ChannelPayload {
  const { id, name, description, createdAt, updatedAt, headSeq } = channel;
  return {
    id,
    name,
    description,
    created_at: timestamp(createdAt),
    updated_at: timestamp(updatedAt),
    head_seq: headSeq,
    kind: "open",
  };
}

/** Renders a message. */
export function messagePayload(message: Message): MessagePayload {
  const { id, channelId, userId, content, createdAt, seq, version, nonce } = message;
  return {
    id,
    channel_id: channelId,
    user_id: userId,
    content,
    timestamp: timestamp(createdAt),
    seq,
    version,
    ...(nonce === undefined ? {} : { nonce }),
  };
}

/** Whether a client that came back got all it had missed, and why not. */
export type Recovery =
  | { readonly recovered: true }
  | { readonly recovered: false; readonly reason: "gap_too_large" | "unknown_id" | "epoch_changed" };

/** Renders what a join is answered with: the messages, where live events continue, and the channel. */
export function welcomePayload(channel: Channel, { messages, headSeq, epoch }: History, recovery?: Recovery): Json {
  return new Json(JSON.stringify({
    messages: messages.map(messagePayload),
    head_seq: headSeq,
    epoch,
    ...recovery,
    channel: channelPayload({ ...channel, headSeq }),
  }));
}

/** ISO 8601, UTC, milliseconds. */
export function timestamp(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
