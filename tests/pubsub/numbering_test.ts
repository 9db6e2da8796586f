import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Numbering } from "../../src/pubsub/numbering.ts";
import { Streams } from "../../src/pubsub/streams.ts";

Deno.test("Numbering seal() counts each stream from 1 and tells the age of the post before", () => {
  let now = 0;
  const numbering = new Numbering({ from: "a", now: () => now });
  const numbers = [["t", 5], ["t", 7.9], ["u", 8], ["t", 20]].map(([stream, at]) => {
    now = Number(at);
    const { n, age } = numbering.seal(String(stream), []);
    return [n, age];
  });
  assertEquals(numbers, [[1, 5], [2, 2], [1, 8], [3, 12]]);
});

Deno.test("Numbering is of another boot each time", () => {
  assertNotEquals(new Numbering({ from: "a" }).boot, new Numbering({ from: "a" }).boot);
});

Deno.test("Numbering seal() goes on above its own numbers in a stream that it forgot", () => {
  let now = 0;
  const numbering = new Numbering({ from: "a", maxStreams: 2, now: () => now++ });
  for (const stream of ["t", "t", "t", "u", "v"]) numbering.seal(stream, []);
  const { n, age } = numbering.seal("t", []);
  assert(n > 3);
  assert(age <= 3, "it seems older than the last post of its stream");
});

Deno.test("Streams take() sees a hole rather than none in a stream that its sender forgot", () => {
  const numbering = new Numbering({ from: "a", maxStreams: 1 });
  const streams = new Streams();
  streams.begin();
  assertEquals(streams.take(numbering.seal("t", [])), "next");
  for (const stream of ["u", "u", "v"]) numbering.seal(stream, []);
  assertEquals(streams.take(numbering.seal("t", [])), "gap");
});

Deno.test("Streams take() forgets the sender that was silent longest, and then sees a hole rather than none", () => {
  let now = 0;
  const streams = new Streams({ maxSenders: 2, now: () => now });
  streams.begin();
  now = 1_000;
  const post = (boot: string, n: number) => streams.take({ v: 1, from: "x", boot, n, age: 10, m: [] });
  assertEquals([post("a", 1), post("b", 1), post("a", 2), post("c", 1)], ["next", "next", "next", "next"]);
  assertEquals([post("a", 3), post("b", 2)], ["next", "gap"]);
});

Deno.test("Streams take() sees no hole before begin(), nor after end()", () => {
  const streams = new Streams();
  const post = (n: number) => streams.take({ v: 1, from: "x", boot: "b", n, age: 0, m: [] });
  assertEquals(post(5), "next");
  streams.begin();
  assertEquals(post(7), "gap");
  streams.end();
  assertEquals(post(3), "next");
});
