import { assertEquals } from "@std/assert";
import { bulkDeletion, changeOf, changeRead } from "../../src/chat/change.ts";
import { messagePayload } from "../../src/chat/payload.ts";
import type { Broadcast } from "../../src/phoenix/frame.ts";
import type { Message } from "../../src/store/store.ts";

const FRESH: Message = { id: "m1", channelId: "a", userId: "alice", content: "hi", createdAt: 0, seq: 3, version: 3 };
const EDITED: Message = { ...FRESH, content: "ho", version: 5, editedAt: 9 };
const STUB: Message = { ...FRESH, content: "", version: 6, deleted: true };
const DELETION = { id: "m1", channel_id: "a", seq: 3, version: 6, user_id: "alice" };

function told(broadcast: Broadcast | undefined): unknown {
  return broadcast && JSON.parse(broadcast.text(2)).slice(2);
}

Deno.test("changeOf() tells of a new message as new_message", () => {
  const { seq, first, broadcast, unseen } = changeOf(FRESH);
  assertEquals([seq, first, unseen], [3, undefined, undefined]);
  assertEquals(told(broadcast), ["text_channel:a", "new_message", messagePayload(FRESH)]);
});

Deno.test("changeOf() tells of a changed message as message_updated", () => {
  const { seq, broadcast, unseen } = changeOf(EDITED);
  assertEquals([seq, unseen], [5, undefined]);
  assertEquals(told(broadcast), ["text_channel:a", "message_updated", messagePayload(EDITED)]);
});

Deno.test("changeOf() tells of a deleted message as message_deleted", () => {
  const { seq, broadcast } = changeOf(STUB);
  assertEquals([seq, told(broadcast)], [6, ["text_channel:a", "message_deleted", DELETION]]);
});

Deno.test("changeRead() has a changed message as a new one too", () => {
  const { seq, broadcast, unseen } = changeRead(EDITED);
  assertEquals([seq, unseen?.born], [5, 3]);
  assertEquals(told(broadcast), ["text_channel:a", "message_updated", messagePayload(EDITED)]);
  assertEquals(told(unseen?.broadcast), ["text_channel:a", "new_message", messagePayload(EDITED)]);
});

for (const message of [FRESH, STUB]) {
  Deno.test(`changeRead() is changeOf() where the message is ${message.deleted ? "deleted" : "new"}`, () => {
    const [read, plain] = [changeRead(message), changeOf(message)];
    assertEquals([read.seq, read.unseen, told(read.broadcast)], [plain.seq, undefined, told(plain.broadcast)]);
  });
}

Deno.test("bulkDeletion() is one change from the first to the last", () => {
  const stubs = [STUB, { ...STUB, id: "m0", seq: 1, version: 7 }, { ...STUB, id: "m2", seq: 4, version: 8 }];
  const change = bulkDeletion("a", stubs);
  assertEquals([change?.first, change?.seq, change?.unseen], [6, 8, undefined]);
  const payload = { channel_id: "a", ids: ["m1", "m0", "m2"], version: 8 };
  assertEquals(told(change?.broadcast), ["text_channel:a", "messages_deleted", payload]);
});

Deno.test("bulkDeletion() of one is message_deleted", () => {
  const change = bulkDeletion("a", [STUB]);
  assertEquals([change?.first, change?.seq], [undefined, 6]);
  assertEquals(told(change?.broadcast), ["text_channel:a", "message_deleted", DELETION]);
});

Deno.test("bulkDeletion() of none is nothing", () => assertEquals(bulkDeletion("a", []), undefined));
