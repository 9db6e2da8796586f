import { assertEquals } from "@std/assert";
import type { Seat } from "../../src/phoenix/channel.ts";
import { ChatError } from "../../src/errors.ts";
import { Broadcast } from "../../src/phoenix/frame.ts";
import { Client, ended, ok, refused, turn, unmatched } from "./support/client.ts";
import { type Answer, FakeRoom } from "./support/fake_room.ts";

const topic = "room:a";
const other = "room:b";

/** A client that has joined `room:a` with `join_ref` "1", and the seat it got. */
async function member(on: Record<string, Answer> = {}): Promise<{ client: Client; room: FakeRoom; seat: Seat }> {
  const room = new FakeRoom({ on });
  const client = new Client({ rooms: { [topic]: room, [other]: room } });
  await client.join(topic);
  const [seat] = room.seats;
  if (!seat) throw new Error("not joined");
  return { client, room, seat };
}

/** A client whose join of `room:a`, `join_ref` "1", waits for the test; `room:b` lets in at once. */
function joining(
  during: (seat: Seat) => void = () => {},
): { client: Client; room: FakeRoom; gate: PromiseWithResolvers<unknown> } {
  const gate = Promise.withResolvers<unknown>();
  const room = new FakeRoom({
    join: (_payload, seat) => {
      during(seat);
      return gate.promise;
    },
  });
  const client = new Client({ rooms: { [topic]: room, [other]: new FakeRoom() } });
  client.send(["1", "1", topic, "phx_join", {}]);
  return { client, room, gate };
}

Deno.test("Membership holds frames of its topic behind the join, in order", async () => {
  const { client, room, gate } = joining();
  for (const ref of ["2", "3", "4"]) client.send(["1", ref, topic, "echo", { ref }]);
  assertEquals(await client.hear(), []);
  gate.resolve({});
  assertEquals(await client.hear(), [
    ok("1", "1", topic),
    ...["2", "3", "4"].map((ref) => ok("1", ref, topic, { ref })),
  ]);
  assertEquals(room.log, ["1 joins", "1 echo", "1 echo", "1 echo"]);
});

Deno.test("Membership holds a phx_leave behind the join", async () => {
  const { client, room, gate } = joining();
  client.send(["1", "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), []);
  gate.resolve({});
  assertEquals(await client.hear(), [ok("1", "1", topic), ok("1", "2", topic), ended("phx_close", "1", topic)]);
  assertEquals(room.log, ["1 joins", "1 left: left"]);
});

Deno.test("Membership holds a phx_join behind the join", async () => {
  const { client, room, gate } = joining();
  client.send(["2", "2", topic, "phx_join", {}]);
  await turn();
  assertEquals(room.log, ["1 joins"]);
  gate.resolve({});
  assertEquals(await client.hear(), [ok("1", "1", topic), ok("2", "2", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Membership holds join, phx_leave, phx_join of a client whose join timed out in that order (4.6)", async () => {
  const { client, room, gate } = joining();
  client.send(["1", "2", topic, "phx_leave", {}]);
  client.send(["3", "3", topic, "phx_join", {}]);
  client.send(["3", "4", topic, "echo", {}]);
  gate.resolve({});
  assertEquals(await client.hear(), [
    ok("1", "1", topic),
    ok("1", "2", topic),
    ended("phx_close", "1", topic),
    ok("3", "3", topic),
    ok("3", "4", topic),
  ]);
  assertEquals(room.log, ["1 joins", "1 left: left", "2 joins", "2 echo"]);
});

Deno.test("Membership judges a frame held behind a second join by its join_ref (3.8)", async () => {
  const { client, room } = await member();
  client.send(["2", "2", topic, "phx_join", {}]);
  client.send(["1", "3", topic, "echo", {}]);
  client.send(["2", "4", topic, "echo", {}]);
  assertEquals(await client.hear(), [
    ok("2", "2", topic),
    ended("phx_close", "1", topic),
    ok("2", "4", topic),
  ]);
  assertEquals(room.log.at(-1), "2 echo");
});

Deno.test("Membership answers frames held behind a join that is refused as unmatched (3.5)", async () => {
  const { client, gate } = joining();
  client.send(["1", "2", topic, "echo", {}]);
  gate.reject(new ChatError("forbidden", "No."));
  assertEquals((await client.hear())[1], unmatched("2", topic));
});

Deno.test("Membership of one topic does not hold up another", async () => {
  const { client } = joining();
  await client.join(other, "2");
  client.send(["2", "3", other, "echo", {}]);
  assertEquals(await client.hear(), [ok("2", "3", other)]);
});

Deno.test("Membership sends what the room said during the join after the reply, in order", async () => {
  const { client, gate } = joining((seat) => {
    seat.push("presence_state", { n: 1 });
    seat.relay(new Broadcast(topic, "new_message", { n: 2 }));
    seat.close({ n: 3 });
    seat.push("late", {});
  });
  assertEquals(await client.hear(), []);
  gate.resolve({});
  assertEquals(await client.hear(), [
    ok("1", "1", topic),
    ["1", null, topic, "presence_state", { n: 1 }],
    [null, null, topic, "new_message", { n: 2 }],
    ["1", "1", topic, "phx_close", { n: 3 }],
  ]);
});

Deno.test("Membership closed during the join leaves its room once", async () => {
  const { client, room, gate } = joining((seat) => seat.close());
  gate.resolve({});
  client.send(["1", "2", topic, "echo", {}]);
  assertEquals((await client.hear()).at(-1), unmatched("2", topic));
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Membership sends nothing of what the room said during a join that is refused", async () => {
  const { client, gate } = joining((seat) => seat.push("presence_state", {}));
  gate.reject(new ChatError("forbidden", "No."));
  assertEquals(await client.hear(), [refused("1", "1", topic, { reason: "forbidden", message: "No." })]);
});

Deno.test("Membership with a push of the join that is no JSON crashes after its one reply", async () => {
  const { client, room, gate } = joining((seat) => seat.push("presence_state", { big: 1n }));
  gate.resolve({});
  assertEquals(await client.hear(), [ok("1", "1", topic), ended("phx_error", "1", topic)]);
  assertEquals(room.log, ["1 joins", "1 left: crashed"]);
  assertEquals(client.crashes.length, 1);
});

Deno.test("Membership answers each push once, whatever order the room settles them in (4.1)", async () => {
  const first = Promise.withResolvers<unknown>();
  const { client } = await member({ first: () => first.promise });
  client.send(["1", "2", topic, "first", {}]);
  client.send(["1", "3", topic, "echo", { n: 3 }]);
  assertEquals(await client.hear(), [ok("1", "3", topic, { n: 3 })]);
  first.resolve({ n: 2 });
  assertEquals(await client.hear(), [ok("1", "2", topic, { n: 2 })]);
});

Deno.test("Membership answers a push that resolves with nothing with {} (4.1)", async () => {
  const { client } = await member({ typing: () => undefined });
  client.send(["1", "2", topic, "typing", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic, {})]);
});

Deno.test("Membership answers a ChatError with an error reply, and stays (4.1)", async () => {
  const flood = () => {
    throw new ChatError("rate_limited", "Slow down.", { retryAfterMs: 1_500 });
  };
  const { client, room } = await member({ flood });
  client.send(["1", "2", topic, "flood", {}]);
  const response = { reason: "rate_limited", message: "Slow down.", retry_after: 1.5 };
  assertEquals(await client.hear(), [refused("1", "2", topic, response)]);
  assertEquals(room.log, ["1 joins", "1 flood"]);
  assertEquals(client.crashes, []);
});

Deno.test("Membership sends a broadcast with join_ref and ref null (4.2)", async () => {
  const { client, seat } = await member();
  seat.relay(new Broadcast(topic, "new_message", { n: 1 }));
  assertEquals(await client.hear(), [[null, null, topic, "new_message", { n: 1 }]]);
});

Deno.test("Membership sends a push with the join_ref and ref null (2.1)", async () => {
  const { client, seat } = await member();
  seat.push("read_state", { n: 1 });
  assertEquals(await client.hear(), [["1", null, topic, "read_state", { n: 1 }]]);
});

Deno.test("Membership sends a broadcast that the sender's push made before its reply", async () => {
  const { client, room } = await member({ new_message: () => room.publish("new_message", { n: 1 }) });
  client.send(["1", "2", topic, "new_message", {}]);
  assertEquals(await client.hear(), [[null, null, topic, "new_message", { n: 1 }], ok("1", "2", topic)]);
});

Deno.test("Membership crash is a phx_error with the join_ref for its ref (4.3)", async () => {
  const { client } = await member();
  client.send(["1", "2", topic, "unforeseen", {}]);
  assertEquals(await client.hear(), [["1", "1", topic, "phx_error", { reason: "channel_crash" }]]);
});

Deno.test("Membership crash is heard of and ends the member (4.3)", async () => {
  const crash = new Error("secret");
  const { client, room } = await member({ boom: () => Promise.reject(crash) });
  client.send(["1", "2", topic, "boom", {}]);
  await turn();
  assertEquals(client.crashes, [crash]);
  assertEquals(room.log, ["1 joins", "1 boom", "1 left: crashed"]);
});

Deno.test("Membership crash takes its topic and no other (4.3)", async () => {
  const { client } = await member();
  await client.join(other, "2");
  client.send(["1", "3", topic, "unforeseen", {}]);
  await client.hear();
  client.send(["1", "4", topic, "echo", {}]);
  client.send(["2", "5", other, "echo", {}]);
  assertEquals(await client.hear(), [unmatched("4", topic), ok("2", "5", other)]);
});

Deno.test("Membership crash is told once, and other pushes in flight are answered still (4.3)", async () => {
  const slow = Promise.withResolvers<unknown>();
  const boom = () => Promise.reject(new Error("boom"));
  const { client, room } = await member({ slow: () => slow.promise, boom });
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "boom", {}]);
  client.send(["1", "4", topic, "boom", {}]);
  assertEquals(await client.hear(), [ended("phx_error", "1", topic)]);
  slow.resolve({});
  assertEquals(await client.hear(), [ok("1", "2", topic)]);
  assertEquals(room.log.filter((line) => line.includes("left")), ["1 left: crashed"]);
});

Deno.test("Membership answer that is no JSON is a crash (4.3)", async () => {
  const { client } = await member({ big: () => ({ big: 1n }) });
  client.send(["1", "2", topic, "big", {}]);
  assertEquals(await client.hear(), [ended("phx_error", "1", topic)]);
});

Deno.test("Membership can be joined again after a crash (4.3)", async () => {
  const { client } = await member();
  client.send(["1", "2", topic, "unforeseen", {}]);
  await client.hear();
  client.send(["3", "3", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("3", "3", topic)]);
});

Deno.test("Membership crash of an earlier join does not touch the new one (4.3)", async () => {
  const slow = Promise.withResolvers<unknown>();
  const { client } = await member({ slow: () => slow.promise });
  client.send(["1", "2", topic, "slow", {}]);
  await client.join(topic, "3");
  slow.reject(new Error("late"));
  client.send(["3", "4", topic, "echo", {}]);
  assertEquals(await client.hear(), [ok("3", "4", topic)]);
});

Deno.test("Membership close() is a phx_close with the join_ref for its ref (4.4)", async () => {
  const { client, seat } = await member();
  seat.close();
  assertEquals(await client.hear(), [ended("phx_close", "1", topic)]);
});

Deno.test("Membership close() ends the member, and its topic is unmatched (4.4)", async () => {
  const { client, room, seat } = await member();
  seat.close();
  await client.hear();
  client.send(["1", "2", topic, "echo", {}]);
  assertEquals(await client.hear(), [unmatched("2", topic)]);
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Membership close() twice closes once (4.4)", async () => {
  const { client, room, seat } = await member();
  seat.close();
  seat.close();
  assertEquals(await client.hear(), [ended("phx_close", "1", topic)]);
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Membership that ended sends nothing any more (4.4)", async () => {
  const { client, seat } = await member();
  client.send(["1", "2", topic, "phx_leave", {}]);
  await client.hear();
  seat.push("late", {});
  seat.relay(new Broadcast(topic, "late", {}));
  seat.close();
  assertEquals(await client.hear(), []);
});

Deno.test("Membership answers late pushes with the join_ref they were made under (4.5)", async () => {
  const slow = Promise.withResolvers<unknown>();
  const { client } = await member({ slow: () => slow.promise });
  client.send(["1", "2", topic, "slow", {}]);
  await client.join(topic, "3");
  slow.resolve({});
  assertEquals(await client.hear(), [ok("1", "2", topic)]);
});

Deno.test("Membership of a room that throws in leave: onCrash hears of it, the client does not", async () => {
  const crash = new Error("leave");
  const leave = () => {
    throw crash;
  };
  const client = new Client({ rooms: { [topic]: new FakeRoom({ leave }) } });
  await client.join(topic);
  client.send(["1", "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic), ended("phx_close", "1", topic)]);
  assertEquals(client.crashes, [crash]);
});
