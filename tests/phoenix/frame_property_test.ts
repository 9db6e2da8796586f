import { assert, assertInstanceOf } from "@std/assert";
import { decodeBinary, decodeText, type Frame, FrameError, type Version } from "../../src/phoenix/frame.ts";
import { conversations, dataOf } from "./support/captured.ts";

Deno.test("decodeText() and decodeBinary() decode anything or throw a FrameError", () => {
  const seed = Date.now() % 2 ** 32;
  const random = generator(seed);
  const valid = conversations.flatMap(({ steps }) => steps).map(dataOf).filter((data) => data !== undefined);
  for (let run = 0; run < 5_000; run++) {
    const data = sample(random, valid);
    const version = random(2) === 0 ? 1 : 2;
    const shown = `seed ${seed}, run ${run}, V${version}: ${
      typeof data === "string" ? JSON.stringify(data) : data.toHex()
    }`;
    let frame: Frame;
    try {
      frame = decode(version, data);
    } catch (error) {
      assertInstanceOf(error, FrameError, shown);
      continue;
    }
    const { joinRef, ref, topic, event } = frame;
    assert([joinRef, ref, topic, event].every((field) => field === null || typeof field !== "object"), shown);
  }
});

function decode(version: Version, data: string | Uint8Array): Frame {
  return typeof data === "string" ? decodeText(version, data) : decodeBinary(version, data);
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
function generator(seed: number): (bound: number) => number {
  return (bound) => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % bound;
  };
}

/** Random text, random bytes, or a valid frame with a few places changed. */
function sample(random: (bound: number) => number, valid: (string | Uint8Array)[]): string | Uint8Array {
  const size = random(40);
  switch (random(4)) {
    case 0:
      return Array.from({ length: size }, () => TOKENS[random(TOKENS.length)]).join("");
    case 1:
      return Uint8Array.from({ length: size }, () => random(3) === 0 ? random(256) : random(4));
    default: {
      const frame = valid[random(valid.length)] ?? "";
      return typeof frame === "string"
        ? mutate(random, [...frame], () => TOKENS[random(TOKENS.length)] ?? "").join("")
        : Uint8Array.from(mutate(random, [...frame], () => random(256)));
    }
  }
}

const TOKENS = [
  ...'[]{},:"\\ \n0-.e\u0000\ufffdé',
  "null",
  "true",
  "1e999",
  `"topic"`,
  `"ref"`,
  "\ud83d",
  `"\\ud83d"`,
  "__proto__",
];

/** One to three cuts, repeats or foreign parts. */
function mutate<T>(random: (bound: number) => number, parts: T[], foreign: () => T): T[] {
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(parts.length + 1);
    const cut = parts.slice(at, at + random(6));
    switch (random(3)) {
      case 0:
        parts.splice(at, cut.length);
        break;
      case 1:
        parts.splice(at, 0, ...cut);
        break;
      default:
        parts.splice(at, 1, foreign());
    }
  }
  return parts;
}
