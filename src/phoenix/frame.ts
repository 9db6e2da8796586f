/**
 * The Phoenix Channels wire: text of serializers V1 and V2, and V2's binary frames. Pure; knows no socket and no chat.
 *
 * @module
 */

/** The serializer a client asked for by `vsn`: 1 for `1.0.x`, 2 for `2.0.x`. */
export type Version = 1 | 2;

/** What the fields before the payload may be; refs are echoed with their JSON type. */
export type Scalar = string | number | boolean | null;

/**
 * A message as it was decoded, not yet believed: `topic` and `event` of a client may be no strings.
 *
 * `joinRef` and `ref` are `null` where absent. `payload` is any JSON, or bytes where the frame was binary.
 */
export interface Frame {
  readonly joinRef: Scalar;
  readonly ref: Scalar;
  readonly topic: Scalar;
  readonly event: Scalar;
  readonly payload: unknown;
}

/** A frame that no serializer understands; the socket it came on is closed with 1011. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/**
 * JSON that is already text, so that what many clients get is serialized once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Json(`{"a":1}`).text, stringify({ a: 1 }));
 * ```
 */
export class Json {
  constructor(readonly text: string) {}
}

/** `JSON.stringify`, except that a {@linkcode Json} is taken as it is. */
export function stringify(value: unknown): string {
  return value instanceof Json ? value.text : JSON.stringify(value ?? {});
}

/**
 * Reads the `vsn` of a connect: absent is `1.0.0`; only full versions `1.0.x` and `2.0.x` are spoken.
 *
 * @returns `undefined` where the connect must be refused (protocol section 1.3).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([parseVsn(null), parseVsn("2.0.0"), parseVsn("2.0"), parseVsn("3.0.0")], [1, 2, undefined, undefined]);
 * ```
 */
export function parseVsn(vsn: string | null): Version | undefined {
  if (vsn === null) return 1;
  const match = /^([12])\.0\.(?:0|[1-9][0-9]*)$/.exec(vsn);
  return match ? (match[1] === "1" ? 1 : 2) : undefined;
}

/**
 * Decodes a text frame.
 *
 * @throws {FrameError} where Phoenix's serializer would crash: not JSON, not an array of five or more (V2), a key missing (V1).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeText(2, `["1","2","text_channel:general","typing",{}]`).event, "typing");
 * ```
 */
export function decodeText(version: Version, text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FrameError("not JSON", { cause });
  }
  return version === 2 ? fromArray(value) : fromObject(value);
}

function fromArray(value: unknown): Frame {
  if (!Array.isArray(value) || value.length < 5) throw new FrameError("not an array of five");
  const [joinRef, ref, topic, event] = value;
  return { joinRef: scalar(joinRef), ref: scalar(ref), topic: scalar(topic), event: scalar(event), payload: value[4] };
}

function fromObject(value: unknown): Frame {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new FrameError("not an object");
  for (const key of ["topic", "event", "payload", "ref"]) {
    if (!Object.hasOwn(value, key)) throw new FrameError(`no ${key}`);
  }
  const { join_ref, ref, topic, event, payload } = value as Record<string, unknown>;
  return { joinRef: scalar(join_ref ?? null), ref: scalar(ref), topic: scalar(topic), event: scalar(event), payload };
}

/** Phoenix takes any JSON for a ref or a topic; one that nests could not be echoed safely and no client sends it. */
function scalar(value: unknown): Scalar {
  if (typeof value === "object" && value !== null) throw new FrameError("a ref, topic or event is an object");
  return value as Scalar;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes a binary push (V2 only): `00 | sizes of join_ref, ref, topic, event | join_ref ref topic event | data`, sizes in bytes.
 *
 * @throws {FrameError} for another kind, a header that is cut off, or one that is not UTF-8.
 */
export function decodeBinary(version: Version, bytes: Uint8Array): Frame {
  if (version === 1) throw new FrameError("V1 has no binary form");
  if (bytes[0] !== 0 || bytes.length < 5) throw new FrameError("not a binary push");
  let at = 5;
  const [joinRef = "", ref = "", topic = "", event = ""] = [1, 2, 3, 4].map((index) => {
    const end = at + (bytes[index] ?? 0);
    if (end > bytes.length) throw new FrameError("header cut off");
    const field = bytes.subarray(at, end);
    at = end;
    try {
      return utf8.decode(field);
    } catch (cause) {
      throw new FrameError("header is not UTF-8", { cause });
    }
  });
  return { joinRef: joinRef || null, ref: ref || null, topic, event, payload: bytes.subarray(at) };
}

/** What a reply says and to which request. */
export interface Reply {
  readonly joinRef: Scalar;
  readonly ref: Scalar;
  readonly topic: Scalar;
  readonly status: "ok" | "error";
  /** An object, a {@linkcode Json}, or bytes, which make the reply a binary frame. */
  readonly response: unknown;
}

/**
 * Encodes a `phx_reply`.
 *
 * @throws {FrameError} for bytes in V1, or in V2 where a header field is over 255 bytes: neither can be said in binary.
 */
export function encodeReply(version: Version, reply: Reply): string | Uint8Array<ArrayBuffer> {
  const { joinRef, ref, topic, status, response } = reply;
  if (response instanceof Uint8Array) return encodeBinaryReply(version, reply, response);
  const payload = new Json(`{"status":"${status}","response":${stringify(response)}}`);
  return encodeText(version, { joinRef, ref, topic, event: "phx_reply", payload });
}

/** Encodes anything else the server says to one client; V1 has no place for `joinRef`. */
export function encodeText(version: Version, frame: Frame): string {
  const { joinRef, ref, topic, event } = frame;
  const payload = stringify(frame.payload);
  return version === 2
    ? `[${JSON.stringify(joinRef)},${JSON.stringify(ref)},${JSON.stringify(topic)},${JSON.stringify(event)},${payload}]`
    : `{"topic":${JSON.stringify(topic)},"event":${JSON.stringify(event)},"payload":${payload},"ref":${
      JSON.stringify(ref)
    }}`;
}

const toUtf8 = new TextEncoder();

/** `01 | sizes of join_ref, ref, topic, status | join_ref ref topic status | data`. */
function encodeBinaryReply(version: Version, reply: Reply, data: Uint8Array): Uint8Array<ArrayBuffer> {
  if (version === 1) throw new FrameError("V1 has no binary form");
  const fields = [reply.joinRef, reply.ref, reply.topic, reply.status].map((field) =>
    toUtf8.encode(String(field ?? ""))
  );
  if (fields.some((field) => field.length > 255)) throw new FrameError("a header field is over 255 bytes");
  const header = [1, ...fields.map((field) => field.length)];
  const bytes = new Uint8Array(header.length + fields.reduce((sum, field) => sum + field.length, data.length));
  bytes.set(header);
  let at = header.length;
  for (const part of [...fields, data]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * One event for every member of a topic, serialized once per version however many there are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const broadcast = new Broadcast("text_channel:a", "user_typing", new Json(`{"user_id":"bob"}`));
 * assertEquals(broadcast.text(2), `[null,null,"text_channel:a","user_typing",{"user_id":"bob"}]`);
 * ```
 */
export class Broadcast {
  readonly #frame: Frame;
  readonly #texts: [string | undefined, string | undefined] = [undefined, undefined];

  constructor(topic: string, readonly event: string, readonly payload: unknown) {
    this.#frame = { joinRef: null, ref: null, topic, event, payload };
  }

  /** The frame as text; the same string each time. */
  text(version: Version): string {
    return this.#texts[version - 1] ??= flat(encodeText(version, this.#frame));
  }
}

const fromUtf8 = new TextDecoder();

/** The same text in one piece: one put together of parts is a tree to V8, to be walked at each of its many deliveries. */
function flat(text: string): string {
  return fromUtf8.decode(toUtf8.encode(text));
}
