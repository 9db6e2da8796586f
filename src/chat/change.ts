/**
 * What members are told of a change: one event, serialized once.
 *
 * @module
 */

import { Broadcast, Json } from "../phoenix/frame.ts";
import type { Message } from "../store/store.ts";
import type { Change } from "./feed.ts";
import { messagePayload } from "./payload.ts";

/** The topic of a channel is this and its id. */
export const TOPIC_PREFIX = "text_channel:";

/** The change that a message has just had. */
export function changeOf(message: Message): Change {
  const { channelId, version } = message;
  if (message.deleted) return { seq: version, broadcast: event(channelId, "message_deleted", deletion(message)) };
  const name = message.version === message.seq ? "new_message" : "message_updated";
  return { seq: version, broadcast: event(channelId, name, messagePayload(message)) };
}

/** The change of a message that was read later: to whom it is new, it comes as a new one. */
export function changeRead(message: Message): Change {
  const change = changeOf(message);
  if (message.deleted || message.version === message.seq) return change;
  const broadcast = event(message.channelId, "new_message", messagePayload(message));
  return { ...change, unseen: { born: message.seq, broadcast } };
}

/** Deletions made at once, in the order of their `version`, as one change. */
export function bulkDeletion(channelId: string, stubs: readonly Message[]): Change | undefined {
  const [first, last] = [stubs[0], stubs.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  if (first === last) return changeOf(first);
  const payload = { channel_id: channelId, ids: stubs.map(({ id }) => id), version: last.version };
  return { first: first.version, seq: last.version, broadcast: event(channelId, "messages_deleted", payload) };
}

function deletion({ id, channelId, seq, version, userId }: Message) {
  return { id, channel_id: channelId, seq, version, user_id: userId };
}

function event(channelId: string, name: string, payload: object): Broadcast {
  return new Broadcast(TOPIC_PREFIX + channelId, name, new Json(JSON.stringify(payload)));
}
