import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import {
  Broadcast,
  decodeBinary,
  decodeText,
  encodeReply,
  encodeText,
  type Frame,
  FrameError,
  Json,
  parseVsn,
  type Reply,
  type Scalar,
  stringify,
  type Version,
} from "../../src/phoenix/frame.ts";
import { conversations, type Step } from "./support/captured.ts";

/** Client frames on which Phoenix closes with 1011 and this layer does not, by section, and why. */
const ACCEPTED: Record<string, string> = {
  "2.22.1":
    "a lone surrogate (\\ud83d) is valid JSON; the chat layer refuses it as content, and an echo of it is valid JSON too",
};

/** Server frames that are never sent here, by section, and why. */
const UNSAID: Record<string, string> = {
  "2.19.15": "a null response: a reply to nothing says {} (2.1)",
  "3.2": "a binary broadcast (kind 2): rooms answer with bytes, they do not send them",
  "3.3": "a binary push (kind 0): rooms answer with bytes, they do not send them",
};

/** What the captured binary pushes say: join_ref, ref, topic, event, data as hex. */
const BINARY_PUSHES: Record<string, [Scalar, Scalar, string, string, string][]> = {
  "2.19.21": [["1", "2", "text_channel:bad", "echo", "6f6b"]],
  "3.1": [
    ["1", "2", "text_channel:b", "echo", "010203ff"],
    ["1", "3", "text_channel:b", "echo", ""],
    ["1", "4", "text_channel:b", "echo_error", "6e6f"],
    [null, null, "text_channel:b", "echo", "78"],
  ],
  "3.2": [["1", "2", "text_channel:b", "server_broadcast", "010203ff"]],
  "3.3": [["1", "2", "text_channel:b", "server_push", "010203ff"]],
  "3.4": [
    ["1", "2", "text_channel:b", "echo", "78"],
    ["1", "2", "text_channel:b", "new_message", "7b22636f6e74656e74223a2278227d"],
  ],
  "3.6": [
    [null, "1", "phoenix", "heartbeat", ""],
    ["1", "1", "text_channel:b", "phx_join", "7b7d"],
  ],
  "4.5": [["1", "2", "text_channel:v1b", "server_broadcast", "010203"]],
};

interface Captured {
  readonly section: string;
  readonly version: Version;
  readonly step: Step;
  /** Whether Phoenix closed the connection on it. */
  readonly fatal: boolean;
}

const captured = conversations.flatMap(({ section, version, steps }) =>
  steps.map((step, index): Captured => ({
    section,
    version: step.version ?? version,
    step,
    fatal: steps[index + 1]?.close === 1011,
  }))
);

function ofClient(form: "text" | "binary"): Captured[] {
  return captured.filter(({ step }) => step.from === "client" && step[form] !== undefined);
}

function ofServer(form: "text" | "binary"): Captured[] {
  return captured.filter(({ section, step }) => step.from === "server" && step[form] !== undefined && !UNSAID[section]);
}

/** What JSON says, read without the code under test. */
function fieldsOf(version: Version, text: string): Frame {
  const value = JSON.parse(text);
  if (version === 1) return { joinRef: value.join_ref ?? null, ...pick(value) };
  const [joinRef, ref, topic, event, payload] = value;
  return { joinRef, ref, topic, event, payload };
}

function pick({ ref, topic, event, payload }: Frame): Omit<Frame, "joinRef"> {
  return { ref, topic, event, payload };
}

Deno.test("decodeText() reads every captured frame that Phoenix reads", () => {
  for (const { section, version, step: { text = "" }, fatal } of ofClient("text")) {
    if (fatal && !ACCEPTED[section]) continue;
    assertEquals(decodeText(version, text), fieldsOf(version, text), `${section}: ${text}`);
  }
});

Deno.test("decodeText() refuses every captured frame that Phoenix closes on with 1011", () => {
  const fatal = ofClient("text").filter((frame) => frame.fatal && !ACCEPTED[frame.section]);
  assertEquals(fatal.length, 13);
  for (const { section, version, step: { text = "" } } of fatal) {
    assertThrows(() => decodeText(version, text), FrameError, "", `${section}: ${text}`);
  }
});

Deno.test("decodeText() accepts of these captured frames only what is listed", () => {
  const accepted = ofClient("text").filter(({ version, step: { text = "" }, fatal }) => {
    if (!fatal) return false;
    try {
      return decodeText(version, text);
    } catch {
      return false;
    }
  });
  assertEquals(accepted.map(({ section }) => section), Object.keys(ACCEPTED));
});

Deno.test("decodeBinary() reads every captured push", () => {
  const pushes = Map.groupBy(ofClient("binary").filter(({ fatal }) => !fatal), ({ section }) => section);
  const read = [...pushes].map(([section, frames]) => [
    section,
    frames.map(({ version, step: { binary = "" } }) => {
      const { joinRef, ref, topic, event, payload } = decodeBinary(version, Uint8Array.fromHex(binary));
      assertInstanceOf(payload, Uint8Array);
      return [joinRef, ref, topic, event, payload.toHex()];
    }),
  ]);
  assertEquals(Object.fromEntries(read), BINARY_PUSHES);
});

Deno.test("decodeBinary() refuses every captured frame that Phoenix closes on with 1011", () => {
  const fatal = ofClient("binary").filter((frame) => frame.fatal);
  assertEquals(fatal.length, 4);
  for (const { section, version, step: { binary = "" } } of fatal) {
    assertThrows(() => decodeBinary(version, Uint8Array.fromHex(binary)), FrameError, "", `${section}: ${binary}`);
  }
});

Deno.test("encodeReply() reproduces every captured phx_reply", () => {
  const replies = ofServer("text").filter(({ version, step: { text = "" } }) =>
    fieldsOf(version, text).event === "phx_reply"
  );
  assert(replies.length > 80);
  for (const { section, version, step: { text = "" } } of replies) {
    const { joinRef, ref, topic, payload } = fieldsOf(version, text);
    const { status, response } = payload as Pick<Reply, "status" | "response">;
    const said = encodeReply(version, { joinRef, ref, topic, status, response });
    assertEquals(JSON.parse(String(said)), JSON.parse(text), `${section}: ${text}`);
  }
});

Deno.test("encodeText() reproduces every other captured frame to one client", () => {
  const others = ofServer("text").filter(({ version, step: { text = "" } }) => {
    const { event, ref, joinRef } = fieldsOf(version, text);
    return event !== "phx_reply" && (version === 1 || ref !== null || joinRef !== null);
  });
  assert(others.length > 20);
  for (const { section, version, step: { text = "" } } of others) {
    assertEquals(JSON.parse(encodeText(version, fieldsOf(version, text))), JSON.parse(text), `${section}: ${text}`);
  }
});

Deno.test("Broadcast text() reproduces every captured broadcast", () => {
  const broadcasts = ofServer("text").filter(({ version, step: { text = "" } }) => {
    const { joinRef, ref, event } = fieldsOf(version, text);
    return joinRef === null && ref === null && event !== "phx_reply";
  });
  assert(broadcasts.length > 15);
  for (const { section, version, step: { text = "" } } of broadcasts) {
    const { topic, event, payload } = fieldsOf(version, text);
    const said = new Broadcast(String(topic), String(event), payload).text(version);
    assertEquals(JSON.parse(said), JSON.parse(text), `${section}: ${text}`);
  }
});

Deno.test("encodeText() writes in V1 exactly topic, event, payload and ref", () => {
  const text = encodeText(1, { joinRef: "1", ref: "2", topic: "a", event: "b", payload: {} });
  assertEquals(Object.keys(JSON.parse(text)).sort(), ["event", "payload", "ref", "topic"]);
});

Deno.test("encodeReply() writes in V1 exactly topic, event, payload and ref", () => {
  const text = encodeReply(1, { joinRef: "1", ref: "2", topic: "a", status: "ok", response: {} });
  assertEquals(Object.keys(JSON.parse(String(text))).sort(), ["event", "payload", "ref", "topic"]);
});

Deno.test("encodeReply() reproduces every captured binary reply byte for byte", () => {
  const replies: [Scalar, Scalar, string, Reply["status"], string][] = [
    ["1", "2", "text_channel:bad", "ok", "6f6b"],
    ["1", "2", "text_channel:b", "ok", "010203ff"],
    ["1", "3", "text_channel:b", "ok", ""],
    ["1", "4", "text_channel:b", "error", "6e6f"],
    ["1", null, "text_channel:b", "ok", "78"],
  ];
  const said = replies.map(([joinRef, ref, topic, status, data]) => {
    const bytes = encodeReply(2, { joinRef, ref, topic, status, response: Uint8Array.fromHex(data) });
    assertInstanceOf(bytes, Uint8Array);
    return bytes.toHex();
  });
  assertEquals(said, ofServer("binary").map(({ step }) => step.binary));
});

Deno.test("encodeReply() counts a binary header in UTF-8 bytes", () => {
  const bytes = encodeReply(2, { joinRef: null, ref: 7, topic: "é", status: "ok", response: new Uint8Array([9]) });
  assertEquals(bytes, new Uint8Array([1, 0, 1, 2, 2, 0x37, 0xc3, 0xa9, 0x6f, 0x6b, 9]));
});

Deno.test("encodeReply() takes a binary header field of 255 bytes", () => {
  const bytes = encodeReply(2, {
    joinRef: "1",
    ref: "2",
    topic: "é".repeat(127) + "x",
    status: "ok",
    response: new Uint8Array(),
  });
  assertInstanceOf(bytes, Uint8Array);
  assertEquals(bytes[3], 255);
});

Deno.test("encodeReply() refuses a binary header field of 256 bytes", () => {
  const reply: Reply = { joinRef: "1", ref: "2", topic: "é".repeat(128), status: "ok", response: new Uint8Array() };
  assertThrows(() => encodeReply(2, reply), FrameError);
});

Deno.test("encodeReply() refuses bytes in V1", () => {
  const reply: Reply = { joinRef: null, ref: "2", topic: "a", status: "ok", response: new Uint8Array() };
  assertThrows(() => encodeReply(1, reply), FrameError);
});

Deno.test("encodeReply() says {} for no response", () => {
  for (const response of [undefined, null]) {
    const text = encodeReply(2, { joinRef: "1", ref: "2", topic: "a", status: "ok", response });
    assertEquals(text, `["1","2","a","phx_reply",{"status":"ok","response":{}}]`);
  }
});

Deno.test("stringify() takes a Json as it is", () => {
  assertStrictEquals(stringify(new Json(`{ "spaced": 1 }`)), `{ "spaced": 1 }`);
});

Deno.test("encodeText() keeps the JSON type of a ref", () => {
  for (const ref of ["1", 1, 1.5, true, null, ""]) {
    assertStrictEquals(JSON.parse(encodeText(2, { joinRef: ref, ref, topic: "a", event: "b", payload: {} }))[1], ref);
  }
});

Deno.test("parseVsn() follows rule 1.3", () => {
  const table: [string | null, Version | undefined][] = [
    [null, 1],
    ["1.0.0", 1],
    ["1.0.9", 1],
    ["2.0.0", 2],
    ["2.0.9", 2],
    ["2.0.10", 2],
    ...["", "1", "2", "2.0", "v2.0.0", "0.9.0", "1.1.0", "2.1.0", "3.0.0", "abc", "2.0.x", "2.0.01", "2.0.-1", "02.0.0"]
      .map((vsn): [string, undefined] => [vsn, undefined]),
    ...["2.0.0.0", " 2.0.0", "2.0.0 ", "2.0.0\n", "12.0.0", "2.0.0,2.0.0"]
      .map((vsn): [string, undefined] => [vsn, undefined]),
  ];
  assertEquals(table.map(([vsn]) => [vsn, parseVsn(vsn)]), table);
});

Deno.test("decodeBinary() refuses every prefix of a push that cuts the header", () => {
  for (const bytes of validPushes()) {
    for (let length = 0; length < headerLength(bytes); length++) {
      assertThrows(() => decodeBinary(2, bytes.subarray(0, length)), FrameError, "", `${length} of ${bytes.toHex()}`);
    }
  }
});

Deno.test("decodeBinary() takes every prefix of a push that only cuts the data", () => {
  for (const bytes of validPushes()) {
    for (let length = headerLength(bytes); length <= bytes.length; length++) {
      const { payload } = decodeBinary(2, bytes.subarray(0, length));
      assertEquals(payload, bytes.subarray(headerLength(bytes), length));
    }
  }
});

Deno.test("decodeBinary() refuses kinds that only a server sends", () => {
  for (const kind of [1, 2, 3, 255]) {
    assertThrows(() => decodeBinary(2, new Uint8Array([kind, 0, 0, 1, 1, 0x61, 0x62])), FrameError);
  }
});

Deno.test("decodeBinary() refuses a header that is not UTF-8", () => {
  const truncatedRune = new Uint8Array([0, 0, 0, 1, 1, 0xc3, 0xa9]);
  assertThrows(() => decodeBinary(2, truncatedRune), FrameError);
  assertThrows(() => decodeBinary(2, new Uint8Array([0, 1, 0, 0, 0, 0xff])), FrameError);
});

Deno.test("decodeBinary() keeps a byte order mark in a topic", () => {
  assertEquals(decodeBinary(2, new Uint8Array([0, 0, 0, 3, 0, 0xef, 0xbb, 0xbf])).topic, "\ufeff");
});

Deno.test("decodeBinary() refuses everything in V1", () => {
  for (const bytes of validPushes()) assertThrows(() => decodeBinary(1, bytes), FrameError);
});

Deno.test("decodeText() refuses a ref, topic or event that nests", () => {
  for (const nested of [[], {}, [1], { a: 1 }]) {
    for (const at of [0, 1, 2, 3]) {
      assertThrows(() => decodeText(2, JSON.stringify(["1", "2", "a", "b", {}].with(at, nested))), FrameError);
    }
    for (const key of ["join_ref", "ref", "topic", "event"]) {
      const frame = { join_ref: "1", ref: "2", topic: "a", event: "b", payload: {}, [key]: nested };
      assertThrows(() => decodeText(1, JSON.stringify(frame)), FrameError);
    }
  }
});

Deno.test("Broadcast text() serializes once per version", () => {
  let serialized = 0;
  const broadcast = new Broadcast("a", "b", { toJSON: () => ++serialized });
  assertStrictEquals(broadcast.text(2), broadcast.text(2));
  assertStrictEquals(serialized, 1);
  assertStrictEquals(broadcast.text(1), broadcast.text(1));
  assertStrictEquals(serialized, 2);
});

function validPushes(): Uint8Array[] {
  return ofClient("binary").filter(({ fatal }) => !fatal).map(({ step: { binary = "" } }) =>
    Uint8Array.fromHex(binary)
  );
}

function headerLength(bytes: Uint8Array): number {
  return bytes.subarray(1, 5).reduce((sum, size) => sum + size, 5);
}
