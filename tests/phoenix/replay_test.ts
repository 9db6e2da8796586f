import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import type { Join } from "../../src/phoenix/channel.ts";
import { Broadcast } from "../../src/phoenix/frame.ts";
import { type Conversation, conversations, dataOf, type Step } from "./support/captured.ts";
import { Client, ended, ok, refused, unmatched } from "./support/client.ts";
import { FakeRoom } from "./support/fake_room.ts";

/** Conversations that are not replayed, by section, and why. */
const ELSEWHERE: Record<string, string> = {
  "2.1": "two clients: who gets what of a message and of typing is chat's",
  "2.16": "rooms that stop themselves: membership_test.ts",
  "2.17": "disconnect belongs to http/, and closes with 1001 (6.4)",
  "2.24": "two clients: connection_test.ts, end()",
  "3.2": "rooms answer with bytes, they do not broadcast them",
  "3.3": "rooms answer with bytes, they do not push them",
  "4.1": "two clients: who gets what of a message and of typing is chat's",
  "4.5": "rooms answer with bytes, they do not broadcast them",
};

/** Where this server deliberately says something else than Phoenix 1.7.21 to the nth frame (from 1) of a conversation. */
interface Difference {
  readonly section: string;
  readonly frame: number;
  readonly rule: string;
  readonly said: readonly unknown[];
}

const unauthorized = { reason: "unauthorized", message: "No." };
const invalid = { reason: "invalid", message: "No." };

const DIFFERENCES: readonly Difference[] = [
  {
    section: "2.3",
    frame: 1,
    rule: "3.3: a refusal has a message for people besides its reason",
    said: [refused("1", "1", "text_channel:__denied__", unauthorized)],
  },
  {
    section: "2.7",
    frame: 3,
    rule: "4.1: every push is replied to",
    said: [
      [null, null, "text_channel:dup", "new_message", { content: "after second join" }],
      ok("2", "3", "text_channel:dup"),
    ],
  },
  { section: "2.9", frame: 2, rule: "3.8: a stale join_ref is dropped, as from Phoenix 1.8.3", said: [] },
  {
    section: "2.10",
    frame: 3,
    rule: "3.7: phx_leave with join_ref null is taken, as from Phoenix 1.8.12",
    said: [ok("5", "7", "text_channel:stale"), ended("phx_close", "5", "text_channel:stale")],
  },
  {
    section: "2.10",
    frame: 4,
    rule: "3.5: that leave has been done",
    said: [unmatched("8", "text_channel:stale")],
  },
  {
    section: "2.10",
    frame: 5,
    rule: "3.6: that leave has been done",
    said: [ok("5", "9", "text_channel:stale")],
  },
  {
    section: "2.13",
    frame: 2,
    rule: "4.1: every push is replied to",
    said: [
      [null, null, "text_channel:c13", "new_message", { content: { a: [1, 2.5, null, true] } }],
      ok("3", "4", "text_channel:c13"),
    ],
  },
  {
    section: "2.13",
    frame: 3,
    rule: "4.1: every push is replied to",
    said: [
      [null, null, "text_channel:c13", "new_message", { content: null }],
      ok("3", "5", "text_channel:c13"),
    ],
  },
  {
    section: "2.14",
    frame: 3,
    rule: "4.1: an error reply is what a ChatError says",
    said: [refused("1", "3", "text_channel:rep", invalid)],
  },
  {
    section: "2.14",
    frame: 5,
    rule: "4.1: an error reply is what a ChatError says",
    said: [refused("1", "5", "text_channel:rep", invalid)],
  },
  {
    section: "2.15",
    frame: 2,
    rule: "4.1: every push is replied to",
    said: [["1", null, "text_channel:sp", "pushed", { a: 1 }], ok("1", "2", "text_channel:sp")],
  },
  {
    section: "2.15",
    frame: 3,
    rule: "4.1: every push is replied to",
    said: [[null, null, "text_channel:sp", "broadcasted", { a: 1 }], ok("1", "3", "text_channel:sp")],
  },
  {
    section: "2.19.15",
    frame: 1,
    rule: "2.1: a response is never null",
    said: [ok("1", "2", "text_channel:bad")],
  },
  {
    section: "2.21",
    frame: 4,
    rule: "2.1: of a key that is there twice JSON.parse takes the last",
    said: [ok("1", "4", "text_channel:uni", { b: 6, a: 2, aa: 3, Z: 4, 1: 5 })],
  },
  {
    section: "2.22.1",
    frame: 2,
    rule: "2.4: a lone surrogate is JSON; chat/ refuses it as content",
    said: [ok("1", "2", "text_channel:uni2", { s: "\ud83d" })],
  },
  {
    section: "3.1",
    frame: 4,
    rule: "4.1: an error reply is what a ChatError says, never bytes",
    said: [refused("1", "4", "text_channel:b", invalid)],
  },
  {
    section: "4.2",
    frame: 3,
    rule: "3.3: a refusal has a message for people besides its reason",
    said: [{
      topic: "text_channel:__denied__",
      event: "phx_reply",
      payload: { status: "error", response: unauthorized },
      ref: "3",
    }],
  },
];

/** The captured server without its chat: an event it has no clause for crashes, there as here. */
function captured(topic: string): Join | undefined {
  if (!topic.startsWith("text_channel:")) return undefined;
  const no = () => {
    throw new ChatError("invalid", "No.");
  };
  return new FakeRoom({
    join: () => {
      if (topic === "text_channel:__denied__") throw new ChatError("unauthorized", "No.");
      if (topic === "text_channel:__crash__") throw new Error("raised");
      return { messages: [] };
    },
    on: {
      echo_error: no,
      reply_atom: () => undefined,
      reply_error_atom: no,
      new_message: (payload, seat) => {
        const { content } = payload as { content?: unknown };
        if (content === undefined) throw new Error("no clause");
        seat.relay(new Broadcast(topic, "new_message", { content }));
      },
      server_push: (payload, seat) => seat.push("pushed", payload),
      server_broadcast: (payload, seat) => seat.relay(new Broadcast(topic, "broadcasted", payload)),
    },
  }).join;
}

/** Each client frame with what was said to it. */
function exchanges({ section, steps }: Conversation): { frame: Step; said: unknown[] }[] {
  const result: { frame: Step; said: unknown[] }[] = [];
  for (const step of steps) {
    if (step.from === "client") result.push({ frame: step, said: [] });
    else result.at(-1)?.said.push(step.close === undefined ? comparable(section, dataOf(step)) : { close: step.close });
  }
  return result;
}

/** A captured server frame as it is said here whatever it answers. */
function comparable(section: string, data: string | Uint8Array | undefined): unknown {
  if (typeof data !== "string") return data;
  const frame = JSON.parse(data);
  const [event, payload] = section.startsWith("4.") ? [frame.event, frame.payload] : [frame[3], frame[4]];
  if (payload.response?.messages) payload.response.messages = []; // the history is chat's, and so are ids and times
  if (event === "new_message") ["id", "timestamp", "user_id", "channel_id"].forEach((key) => delete payload[key]);
  if (event === "phx_error") payload.reason = "channel_crash"; // 2.1: as from Phoenix 1.8.10
  return frame;
}

for (const conversation of conversations) {
  const { section, title, version } = conversation;
  if (ELSEWHERE[section]) continue;
  Deno.test(`Connection answers like Phoenix in ${section} ${title}`, async () => {
    const client = new Client({ version, route: captured });
    if (section.startsWith("2.19.")) await client.join("text_channel:bad");
    for (const [index, { frame, said }] of exchanges(conversation).entries()) {
      const difference = DIFFERENCES.find((entry) => entry.section === section && entry.frame === index + 1);
      if (difference) assertNotEquals(difference.said, said, `no difference: ${difference.rule}`);
      client.send(dataOf(frame));
      const heard = [...await client.hear(), ...client.closes.splice(0).map(([close]) => ({ close }))];
      assertEquals(heard, [...difference?.said ?? said], `to ${frame.text ?? frame.binary}`);
    }
  });
}

Deno.test("Connection differs from Phoenix only in conversations that are replayed", () => {
  for (const { section, frame } of DIFFERENCES) {
    const conversation = conversations.find((entry) => entry.section === section);
    assert(conversation && !ELSEWHERE[section] && exchanges(conversation)[frame - 1], `${section}, frame ${frame}`);
  }
});
