import { assertEquals } from "@std/assert";
import { channelPayload, messagePayload, readStatePayload, timestamp, welcomePayload } from "../../src/chat/payload.ts";
import type { Channel, Message } from "../../src/store/store.ts";

const message: Message = {
  id: "01KDWDQEG0ABCDEFGHJKMNPQRS",
  channelId: "general",
  userId: "alice",
  content: "hi",
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  seq: 7,
  version: 9,
};

const channel: Channel = {
  id: "general",
  name: "General",
  description: "Everything",
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  updatedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 70),
  headSeq: 3,
  epoch: "e",
};

Deno.test("messagePayload() has the fields of the contract", () => {
  assertEquals<unknown>(messagePayload({ ...message, nonce: "n" }), {
    id: "01KDWDQEG0ABCDEFGHJKMNPQRS",
    channel_id: "general",
    user_id: "alice",
    content: "hi",
    timestamp: "2026-01-02T03:04:05.006Z",
    seq: 7,
    version: 9,
    nonce: "n",
  });
});

Deno.test("messagePayload() leaves out a nonce that there is not", () => {
  assertEquals(Object.keys(messagePayload(message)).includes("nonce"), false);
});

Deno.test("messagePayload() has everything that a message may have", () => {
  const whole: Message = {
    ...message,
    nonce: "n",
    replyTo: { id: "q", userId: "bob", content: "" },
    metadata: {},
    mentions: ["bob"],
    reactions: [{ emoji: "👍", count: 21, userIds: ["bob"] }],
    editedAt: 0,
    pinnedAt: 1,
  };
  assertEquals<unknown>(messagePayload(whole), {
    ...messagePayload(message),
    nonce: "n",
    reply_to: { id: "q", user_id: "bob", content: "" },
    metadata: {},
    mentions: ["bob"],
    reactions: [{ emoji: "👍", count: 21, user_ids: ["bob"] }],
    edited_at: "1970-01-01T00:00:00.000Z",
    pinned_at: "1970-01-01T00:00:00.001Z",
  });
});

Deno.test("messagePayload() of a deleted message leaves out its nonce", () => {
  const stub = { ...message, content: "", nonce: "n", deleted: true } as const;
  assertEquals<unknown>(messagePayload(stub), { ...messagePayload(message), content: "", deleted: true });
});

Deno.test("messagePayload() quotes a deleted message as deleted", () => {
  const { reply_to } = messagePayload({ ...message, replyTo: { id: "q" } });
  assertEquals(reply_to, { id: "q", deleted: true });
});

Deno.test("readStatePayload() has the fields of the contract", () => {
  const state = { channelId: "a", headSeq: 5, lastReadSeq: 2, unread: 3, mentions: 1 };
  const payload = { channel_id: "a", head_seq: 5, last_read_seq: 2, unread: 3, mentions: 1 };
  assertEquals(readStatePayload(state), payload);
});

Deno.test("channelPayload() has the fields of the contract", () => {
  assertEquals<unknown>(channelPayload(channel), {
    id: "general",
    name: "General",
    description: "Everything",
    created_at: "2026-01-02T03:04:05.006Z",
    updated_at: "2026-01-02T03:04:05.070Z",
    head_seq: 3,
    kind: "open",
  });
});

Deno.test("welcomePayload() has the page, the head, the epoch and the channel", () => {
  const { text } = welcomePayload(channel, {
    messages: [message],
    hasMore: true,
    headSeq: 8,
    epoch: "f",
    purgedSeq: 0,
  });
  assertEquals(JSON.parse(text), {
    messages: [messagePayload(message)],
    head_seq: 8,
    epoch: "f",
    channel: { ...channelPayload(channel), head_seq: 8 },
  });
});

Deno.test("timestamp() is ISO 8601 in UTC with milliseconds", () => {
  assertEquals(timestamp(0), "1970-01-01T00:00:00.000Z");
  assertEquals(timestamp(Date.UTC(2026, 11, 31, 23, 59, 59, 999)), "2026-12-31T23:59:59.999Z");
});
