import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { Peers } from "../../src/pubsub/peers.ts";
import { eventually } from "../support/eventually.ts";
import { Threads } from "./support/threads.ts";

/** An instance, and what it was told. */
async function join(threads: Threads, instance: string) {
  const disconnected: string[] = [];
  const roundTrips: (number | undefined)[] = [];
  const peers = await Peers.open({
    bus: threads.bus(instance),
    node: instance,
    store: "s",
    onLost: () => {},
    onBack: () => {},
    onRoundTrip: (ms) => roundTrips.push(ms),
    disconnect: (userId) => disconnected.push(userId),
  });
  return { peers, disconnected, roundTrips, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

Deno.test("Peers disconnect() ends a user's clients here and elsewhere", async () => {
  await using threads = new Threads();
  await using a = await join(threads, "a");
  await using b = await join(threads, "b");
  assertEquals(a.peers.disconnect("eve"), 1);
  await eventually(() => b.disconnected.length === 1);
  assertEquals([a.disconnected, b.disconnected], [["eve"], ["eve"]]);
});

Deno.test("Peers ask() asks who is there, and refuses at once where nobody is", async () => {
  await using threads = new Threads();
  await using a = await join(threads, "a");
  await using b = await join(threads, "b");
  b.peers.answer("double", (body) => Promise.resolve(body + body));
  await eventually(() => a.peers.discovery.has("b"));
  assertEquals(await a.peers.ask("b", "double", "x", 5_000), "xx");
  await assertRejects(() => a.peers.ask("nobody", "double", "x", 60_000), ChatError, "not there");
});

Deno.test("Peers measure the way to each other, and say goodbye", async () => {
  await using threads = new Threads();
  await using a = await join(threads, "a");
  const b = await join(threads, "b");
  await eventually(() => a.roundTrips.some((ms) => ms !== undefined));
  await b.peers[Symbol.asyncDispose]();
  await eventually(() => a.peers.discovery.peers.length === 0);
});
