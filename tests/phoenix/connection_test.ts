import { assertEquals, assertStrictEquals } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { Client, ended, ok, refused, turn, unmatched } from "./support/client.ts";
import { FakeRoom } from "./support/fake_room.ts";

const topic = "room:a";
const other = "room:b";

/** A client that has joined `room:a` with `join_ref` "1"; `room:b` is the same room. */
async function member(room = new FakeRoom(), options = {}): Promise<{ client: Client; room: FakeRoom }> {
  const client = new Client({ rooms: { [topic]: room, [other]: room }, ...options });
  await client.join(topic);
  return { client, room };
}

/** A room whose event `slow` is answered when the test says so. */
function slowRoom(): { room: FakeRoom; answer: (response: unknown) => void } {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  return { room: new FakeRoom({ on: { slow: () => promise } }), answer: resolve };
}

/** A client whose first join of `room:a` waits for the test. */
function joining(options = {}): { client: Client; room: FakeRoom; letIn: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const room = new FakeRoom({ join: () => promise });
  const client = new Client({ rooms: { [topic]: room }, ...options });
  client.send(["1", "1", topic, "phx_join", {}]);
  return { client, room, letIn: resolve };
}

Deno.test("Connection heartbeat is answered with nothing joined (3.1)", async () => {
  const client = new Client();
  client.send([null, "1", "phoenix", "heartbeat", {}]);
  assertEquals(await client.hear(), [ok(null, "1", "phoenix")]);
});

Deno.test("Connection heartbeat reply has join_ref null whatever came (3.1)", async () => {
  const client = new Client();
  client.send(["4", 2, "phoenix", "heartbeat", null]);
  assertEquals(await client.hear(), [ok(null, 2, "phoenix")]);
});

Deno.test("Connection heartbeat is answered at the limit of pending pushes (3.1)", async () => {
  const client = new Client({ maxPending: 0 });
  client.send([null, "1", "phoenix", "heartbeat", {}]);
  assertEquals(await client.hear(), [ok(null, "1", "phoenix")]);
});

Deno.test("Connection phx_join on a joined topic replies, then closes the old join_ref (3.2)", async () => {
  const { client } = await member();
  client.send(["2", "3", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("2", "3", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_join with the join_ref already joined closes that join_ref (3.2)", async () => {
  const { client } = await member();
  client.send(["1", "1", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("1", "1", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_join on a joined topic ends the old member before the new one asks (3.2)", async () => {
  const { client, room } = await member();
  client.send(["2", "2", topic, "phx_join", {}]);
  await turn();
  assertEquals(room.log, ["1 joins", "1 left: rejoined", "2 joins"]);
});

Deno.test("Connection phx_join on a joined topic leaves one subscription (3.2)", async () => {
  const { client, room } = await member();
  await client.join(topic, "2");
  room.publish("new_message", { n: 1 });
  assertEquals(await client.hear(), [[null, null, topic, "new_message", { n: 1 }]]);
});

Deno.test("Connection phx_join on a joined topic silences the old seat (3.2)", async () => {
  const { client, room: { seats } } = await member();
  await client.join(topic, "2");
  seats[0]?.push("late", {});
  seats[0]?.close();
  assertEquals(await client.hear(), []);
});

Deno.test("Connection phx_join that is refused on a joined topic still closes the old join_ref (3.2)", async () => {
  const join = (payload: unknown) => {
    if (payload === "no") throw new ChatError("forbidden", "No.");
  };
  const { client } = await member(new FakeRoom({ join }));
  client.send(["2", "2", topic, "phx_join", "no"]);
  const response = { reason: "forbidden", message: "No." };
  assertEquals(await client.hear(), [refused("2", "2", topic, response), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_join replies with the welcome, the join_ref and the ref (3.3)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom({ join: () => ({ messages: [] }) }) } });
  client.send(["5", "6", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("5", "6", topic, { messages: [] })]);
});

Deno.test("Connection phx_join hands the room any payload as it came (3.3)", async () => {
  const payloads = [{ last_seq: 1 }, null, 7, "text", [1]];
  const seen: unknown[] = [];
  const client = new Client({ rooms: { [topic]: new FakeRoom({ join: (payload) => void seen.push(payload) }) } });
  for (const payload of payloads) client.send(["1", "1", topic, "phx_join", payload]);
  await turn();
  assertEquals(seen, payloads);
});

Deno.test("Connection phx_join refused with a ChatError is an error reply (3.3)", async () => {
  const join = () => {
    throw new ChatError("unauthorized", "Sign in.");
  };
  const client = new Client({ rooms: { [topic]: new FakeRoom({ join }) } });
  client.send(["1", "2", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [refused("1", "2", topic, { reason: "unauthorized", message: "Sign in." })]);
  assertEquals(client.crashes, []);
});

Deno.test("Connection phx_join that crashes is refused without details (3.3)", async () => {
  const crash = new Error("secret");
  const join = () => {
    throw crash;
  };
  const client = new Client({ rooms: { [topic]: new FakeRoom({ join }) } });
  client.send(["1", "2", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [refused("1", "2", topic, { reason: "join crashed" })]);
  assertEquals(client.crashes, [crash]);
});

Deno.test("Connection phx_join that throws instead of rejecting is refused (3.3)", async () => {
  const join = () => {
    throw new Error("at once");
  };
  const client = new Client({ rooms: { [topic]: { join } } });
  client.send(["1", "1", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [refused("1", "1", topic, { reason: "join crashed" })]);
});

Deno.test("Connection phx_join with a welcome that is no JSON is a crash, and the member leaves (3.3)", async () => {
  const room = new FakeRoom({ join: () => ({ big: 1n }) });
  const client = new Client({ rooms: { [topic]: room } });
  client.send(["1", "1", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [refused("1", "1", topic, { reason: "join crashed" })]);
  assertEquals(room.log, ["1 joins", "1 left: crashed"]);
});

Deno.test("Connection phx_join beyond maxTopics is refused (3.3)", async () => {
  const { client, room } = await member(new FakeRoom(), { maxTopics: 1 });
  client.send(["2", "2", other, "phx_join", {}]);
  assertEquals(await client.hear(), [refused("2", "2", other, { reason: "too many channels joined" })]);
  assertEquals(room.log, ["1 joins"]);
});

Deno.test("Connection phx_join beyond maxTopics counts joins under way (3.3)", async () => {
  const room = new FakeRoom();
  const client = new Client({ rooms: { [topic]: room, [other]: room }, maxTopics: 1 });
  client.send(["1", "1", topic, "phx_join", {}]);
  client.send(["2", "2", other, "phx_join", {}]);
  assertEquals((await client.hear())[0], refused("2", "2", other, { reason: "too many channels joined" }));
});

Deno.test("Connection phx_join on a joined topic is taken at maxTopics (3.3)", async () => {
  const { client } = await member(new FakeRoom(), { maxTopics: 1 });
  client.send(["2", "2", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("2", "2", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_leave frees a place under maxTopics (3.3)", async () => {
  const { client } = await member(new FakeRoom(), { maxTopics: 1 });
  client.send(["1", "2", topic, "phx_leave", {}]);
  await client.hear();
  client.send(["3", "3", other, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("3", "3", other)]);
});

Deno.test("Connection phx_join that is refused frees its place under maxTopics (3.3)", async () => {
  const join = () => {
    throw new ChatError("forbidden", "No.");
  };
  const rooms = { [topic]: new FakeRoom({ join }), [other]: new FakeRoom() };
  const client = new Client({ rooms, maxTopics: 1 });
  await client.join(topic);
  client.send(["2", "2", other, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("2", "2", other)]);
});

Deno.test("Connection phx_join with join_ref null replies null (3.3)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom() } });
  client.send([null, "1", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok(null, "1", topic)]);
});

Deno.test("Connection replies carry the ref of a join that came with join_ref null (3.3)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom() } });
  client.send([null, "1", topic, "phx_join", {}]);
  client.send([null, "2", topic, "echo", { a: 1 }]);
  assertEquals((await client.hear())[1], ok("1", "2", topic, { a: 1 }));
});

Deno.test("Connection phx_close after a join with join_ref null says null (3.7)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom() } });
  client.send([null, "1", topic, "phx_join", {}]);
  await client.hear();
  client.send([null, "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic), ended("phx_close", null, topic)]);
});

Deno.test("Connection phx_join of an unrouted topic is unmatched, with join_ref null (3.4)", async () => {
  const client = new Client();
  client.send(["1", "2", "room:nowhere", "phx_join", {}]);
  assertEquals(await client.hear(), [unmatched("2", "room:nowhere")]);
});

Deno.test("Connection events on a topic that is not joined are unmatched, with join_ref null (3.5)", async () => {
  const room = new FakeRoom();
  const client = new Client({ rooms: { [topic]: room } });
  client.send(["1", 2, topic, "echo", {}]);
  assertEquals(await client.hear(), [unmatched(2, topic)]);
  assertEquals(room.log, []);
});

Deno.test("Connection events after phx_leave are unmatched (3.5)", async () => {
  const { client } = await member();
  client.send(["1", "2", topic, "phx_leave", {}]);
  await client.hear();
  client.send(["1", "3", topic, "echo", {}]);
  assertEquals(await client.hear(), [unmatched("3", topic)]);
});

Deno.test("Connection events after a join that was refused are unmatched (3.5)", async () => {
  const join = () => {
    throw new ChatError("forbidden", "No.");
  };
  const { client } = await member(new FakeRoom({ join }));
  client.send(["1", "2", topic, "echo", {}]);
  assertEquals(await client.hear(), [unmatched("2", topic)]);
});

Deno.test("Connection events on a topic that is no string are unmatched (3.5)", async () => {
  const { client } = await member();
  for (const odd of [null, 5, true]) client.send(["1", "2", odd, "phx_join", {}]);
  assertEquals(await client.hear(), [unmatched("2", null), unmatched("2", 5), unmatched("2", true)]);
});

Deno.test("Connection phx_leave on a topic that is not joined is ok, without phx_close (3.6)", async () => {
  const client = new Client();
  client.send(["1", "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic)]);
});

Deno.test("Connection phx_leave on a joined topic replies, then phx_close (3.7)", async () => {
  const { client } = await member();
  client.send(["1", "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_leave with join_ref null is taken (3.7)", async () => {
  const { client } = await member();
  client.send([null, "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), [ok("1", "2", topic), ended("phx_close", "1", topic)]);
});

Deno.test("Connection phx_leave with a stale join_ref is dropped without a reply (3.7)", async () => {
  const { client, room } = await member();
  client.send(["0", "2", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), []);
  assertEquals(room.log, ["1 joins"]);
});

Deno.test("Connection phx_leave waits for the pushes in flight, replies, then phx_close (3.7)", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  assertEquals(await client.hear(), []);
  answer({ done: true });
  assertEquals(await client.hear(), [
    ok("1", "2", topic, { done: true }),
    ok("1", "3", topic),
    ended("phx_close", "1", topic),
  ]);
});

Deno.test("Connection phx_leave ends the member before the pushes in flight are answered (3.7)", async () => {
  const { room } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  assertEquals(room.log, ["1 joins", "1 slow", "1 left: left"]);
});

Deno.test("Connection events with a stale join_ref are dropped without a reply (3.8)", async () => {
  const { client, room } = await member();
  client.send(["0", "2", topic, "echo", {}]);
  assertEquals(await client.hear(), []);
  assertEquals(room.log, ["1 joins"]);
});

Deno.test("Connection compares a join_ref by type too (3.8)", async () => {
  const { client } = await member();
  client.send([1, "2", topic, "echo", {}]);
  assertEquals(await client.hear(), []);
});

Deno.test("Connection events with join_ref null are delivered (3.8)", async () => {
  const { client } = await member();
  client.send([null, "2", topic, "echo", { a: 1 }]);
  assertEquals(await client.hear(), [ok("1", "2", topic, { a: 1 })]);
});

Deno.test("Connection events behind a phx_leave are unmatched though it still waits (3.9)", async () => {
  const { room } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  client.send(["1", "4", topic, "echo", {}]);
  assertEquals(await client.hear(), [unmatched("4", topic)]);
});

for (const event of ["phx_reply", "phx_error", "phx_close", "chan_reply_1"]) {
  Deno.test(`Connection takes a client's ${event} for an ordinary event (3.10)`, async () => {
    const { client } = await member(new FakeRoom({ on: { [event]: () => ({ ordinary: true }) } }));
    client.send(["1", "2", topic, event, { status: "ok", response: {} }]);
    assertEquals(await client.hear(), [ok("1", "2", topic, { ordinary: true })]);
  });
}

Deno.test("Connection echoes refs with their JSON type (2.1)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom() } });
  client.send([7, 8, topic, "phx_join", {}]);
  client.send([7, null, topic, "echo", {}]);
  client.send([7, 9.5, topic, "echo", {}]);
  client.send([7, "10", topic, "echo", {}]);
  assertEquals(await client.hear(), [8, null, 9.5, "10"].map((ref) => ok(7, ref, topic)));
});

Deno.test("Connection V1 replies have no join_ref key (2.2)", async () => {
  const client = new Client({ version: 1, rooms: { [topic]: new FakeRoom() } });
  client.send({ topic, event: "phx_join", payload: {}, ref: "1", join_ref: "1" });
  const payload = { status: "ok", response: {} };
  assertEquals(await client.hear(), [{ topic, event: "phx_reply", payload, ref: "1" }]);
});

Deno.test("Connection V1 phx_close has the join_ref for its ref, or null (2.2)", async () => {
  const client = new Client({ version: 1, rooms: { [topic]: new FakeRoom() } });
  client.send({ topic, event: "phx_join", payload: {}, ref: "1" });
  client.send({ topic, event: "phx_join", payload: {}, ref: "2", join_ref: "2" });
  await turn();
  client.send({ topic, event: "phx_leave", payload: {}, ref: "3" });
  const closes = (await client.hear() as { event: string; ref: unknown }[]).filter(({ event }) =>
    event === "phx_close"
  );
  assertEquals(closes.map(({ ref }) => ref), [null, "2"]);
});

Deno.test("Connection answers bytes with the room's bytes (2.3)", async () => {
  const { client } = await member();
  client.send(new Uint8Array([0, 1, 1, 6, 4, ...new TextEncoder().encode("12room:aecho"), 1, 255]));
  const [reply] = await client.hear();
  assertEquals(reply, new Uint8Array([1, 1, 1, 6, 2, ...new TextEncoder().encode("12room:aok"), 1, 255]));
});

Deno.test("Connection takes a heartbeat, a phx_join and a phx_leave as bytes (2.3)", async () => {
  const client = new Client({ rooms: { [topic]: new FakeRoom() } });
  const text = new TextEncoder();
  client.send(new Uint8Array([0, 0, 1, 7, 9, ...text.encode("1phoenixheartbeat")]));
  client.send(new Uint8Array([0, 1, 1, 6, 8, ...text.encode("22room:aphx_join")]));
  client.send(new Uint8Array([0, 1, 1, 6, 9, ...text.encode("23room:aphx_leave")]));
  assertEquals(await client.hear(), [
    ok(null, "1", "phoenix"),
    ok("2", "2", topic),
    ok("2", "3", topic),
    ended("phx_close", "2", topic),
  ]);
});

Deno.test("Connection answers bytes that no binary header can carry with an error, and stays (2.3)", async () => {
  const long = "room:" + "x".repeat(251);
  const client = new Client({ rooms: { [long]: new FakeRoom({ on: { bytes: () => new Uint8Array([1]) } }) } });
  await client.join(long);
  client.send(["1", "2", long, "bytes", {}]);
  client.send(["1", "3", long, "echo", {}]);
  const message = "These bytes cannot be answered in this protocol version.";
  assertEquals(await client.hear(), [
    refused("1", "2", long, { reason: "invalid", message }),
    ok("1", "3", long),
  ]);
});

Deno.test("Connection answers a V1 client with an error where the room answers bytes (2.3)", async () => {
  const client = new Client({ version: 1, rooms: { [topic]: new FakeRoom({ join: () => new Uint8Array([1]) }) } });
  client.send({ topic, event: "phx_join", payload: {}, ref: "1" });
  const [reply] = await client.hear() as { payload: { status: string } }[];
  assertEquals(reply?.payload.status, "error");
});

Deno.test("Connection V1 with bytes closes with 1011 (2.4)", () => {
  const client = new Client({ version: 1 });
  client.send(new Uint8Array([0, 0, 0, 0, 0]));
  assertEquals(client.closes, [[1011, "undecodable frame"]]);
});

Deno.test("Connection closes with 1011 on a frame that cannot be decoded (2.4)", () => {
  const client = new Client();
  client.send("not json");
  assertEquals(client.closes, [[1011, "undecodable frame"]]);
  assertEquals(client.crashes, []);
});

Deno.test("Connection closed on a bad frame leaves every room once (2.4)", async () => {
  const { client, room } = await member();
  await client.join(other, "2");
  client.send("[]");
  client.send("[]");
  assertEquals(room.log, ["1 joins", "2 joins", "1 left: closed", "2 left: closed"]);
});

Deno.test("Connection closed on a bad frame hears and says nothing more (2.4)", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send("[]");
  client.send([null, "3", "phoenix", "heartbeat", {}]);
  room.seats[0]?.push("late", {});
  answer({});
  assertEquals(await client.hear(), []);
});

Deno.test("Connection end() leaves every room with closed, then closes the transport (6.1)", async () => {
  const { client, room } = await member(
    new FakeRoom({ leave: () => room.log.push(`closes: ${client.closes.length}`) }),
  );
  client.connection.end(1012, "restart");
  assertEquals(room.log, ["1 joins", "1 left: closed", "closes: 0"]);
  assertEquals(client.closes, [[1012, "restart"]]);
});

Deno.test("Connection end() says no phx_close first (9)", async () => {
  const { client } = await member();
  client.connection.end(1012, "restart");
  assertEquals(await client.hear(), []);
});

Deno.test("Connection end() is idempotent", async () => {
  const { client, room } = await member();
  client.connection.end(1012, "restart");
  client.connection.end(1001, "gone");
  assertEquals(client.closes, [[1012, "restart"]]);
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Connection end() is survived by a room that throws in leave", async () => {
  const crash = new Error("leave");
  const room = new FakeRoom({
    leave: () => {
      throw crash;
    },
  });
  const { client } = await member(room);
  await client.join(other, "2");
  client.connection.end(1001, "gone");
  assertEquals(client.crashes, [crash, crash]);
  assertEquals(client.closes, [[1001, "gone"]]);
});

Deno.test("Connection end() in the middle of a join leaves the member that comes of it", async () => {
  const { client, room, letIn } = joining();
  client.connection.end(1001, "gone");
  letIn();
  assertEquals(await client.hear(), []);
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Connection end() drops what waits behind a join", async () => {
  const { client, room, letIn } = joining();
  client.send(["2", "2", topic, "phx_join", {}]);
  client.connection.end(1001, "gone");
  letIn();
  await turn();
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Connection end() while a phx_leave waits says nothing more", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  client.connection.end(1001, "gone");
  answer({});
  assertEquals(await client.hear(), []);
});

Deno.test("Connection after end() takes no join", async () => {
  const { client, room } = await member();
  client.connection.end(1001, "gone");
  client.send(["2", "2", other, "phx_join", {}]);
  await turn();
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Connection end() by a transport that has had enough of a reply is safe", async () => {
  const room = new FakeRoom({ join: (_payload, seat) => seat.push("held", {}) });
  const client = new Client({ rooms: { [topic]: room }, sent: () => client.connection.end(1013, "too slow") });
  client.send(["1", "1", topic, "phx_join", {}]);
  assertEquals(await client.hear(), [ok("1", "1", topic)]);
  assertEquals(room.log, ["1 joins", "1 left: closed"]);
});

Deno.test("Connection refuses a push beyond maxPending with retry_after", async () => {
  const { room } = slowRoom();
  const { client } = await member(room, { maxPending: 1 });
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "echo", {}]);
  const message = "Too many pushes are waiting for their reply.";
  assertEquals(await client.hear(), [refused("1", "3", topic, { reason: "rate_limited", message, retry_after: 1 })]);
  assertEquals(room.log, ["1 joins", "1 slow"]);
});

Deno.test("Connection takes pushes again once those before them are answered", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room, { maxPending: 1 });
  client.send(["1", "2", topic, "slow", {}]);
  answer({});
  await client.hear();
  client.send(["1", "3", topic, "echo", {}]);
  assertEquals(await client.hear(), [ok("1", "3", topic)]);
});

Deno.test("Connection counts frames behind a join against maxPending, and serves those it took", async () => {
  const { client, letIn } = joining({ maxPending: 3 });
  for (const ref of ["2", "3", "4"]) client.send(["1", ref, topic, "echo", {}]);
  const [, ref, , , { response }] = (await client.hear())[0] as [0, string, 0, 0, { response: { reason: string } }];
  assertEquals([ref, response.reason], ["4", "rate_limited"]);
  letIn();
  assertEquals(await client.hear(), ["1", "2", "3"].map((ref) => ok("1", ref, topic)));
});

Deno.test("Connection does not let a phx_leave fail at maxPending", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room, { maxPending: 1 });
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  answer({});
  assertEquals(await client.hear(), [
    ok("1", "2", topic),
    ok("1", "3", topic),
    ended("phx_close", "1", topic),
  ]);
});

Deno.test("Connection refuse() answers pushes and joins with unavailable", async () => {
  const { client, room } = await member();
  client.connection.refuse();
  client.send(["1", "2", topic, "echo", {}]);
  client.send(["3", "3", other, "phx_join", {}]);
  const response = { reason: "unavailable", message: "The service is about to stop.", retry_after: 1 };
  assertEquals(await client.hear(), [refused("1", "2", topic, response), refused("3", "3", other, response)]);
  assertEquals(room.log, ["1 joins"]);
});

Deno.test("Connection refuse() lets heartbeats, phx_leave and what is in flight be answered", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.connection.refuse();
  client.send([null, "3", "phoenix", "heartbeat", {}]);
  client.send(["1", "4", topic, "phx_leave", {}]);
  answer({});
  assertEquals(await client.hear(), [
    ok(null, "3", "phoenix"),
    ok("1", "2", topic),
    ok("1", "4", topic),
    ended("phx_close", "1", topic),
  ]);
});

Deno.test("Connection settled() resolves at once with nothing pending", async () => {
  assertStrictEquals(await new Client().connection.settled(), undefined);
});

Deno.test("Connection settled() waits for a push to be answered", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  const settled = watch(client.connection.settled());
  assertEquals([await settled(), (answer({}), await settled())], [false, true]);
});

Deno.test("Connection settled() waits for a join and for what waits behind it", async () => {
  const gate = Promise.withResolvers<unknown>();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const room = new FakeRoom({ join: () => gate.promise, on: { slow: () => promise } });
  const client = new Client({ rooms: { [topic]: room } });
  client.send(["1", "1", topic, "phx_join", {}]);
  client.send(["1", "2", topic, "slow", {}]);
  const settled = watch(client.connection.settled());
  assertEquals(await settled(), false);
  gate.resolve({});
  assertEquals(await settled(), false);
  resolve({});
  assertEquals(await settled(), true);
});

Deno.test("Connection settled() waits for a phx_leave", async () => {
  const { room, answer } = slowRoom();
  const { client } = await member(room);
  client.send(["1", "2", topic, "slow", {}]);
  client.send(["1", "3", topic, "phx_leave", {}]);
  const settled = watch(client.connection.settled().then(() => client.hear()));
  answer({});
  await turn();
  assertEquals(await settled(), true);
});

Deno.test("Connection hands the client's identity to its rooms", async () => {
  const { client, room } = await member();
  assertStrictEquals(room.seats[0]?.identity, client.connection.identity);
  assertStrictEquals(room.seats[0]?.topic, topic);
});

/** Whether a promise has resolved, asked a turn later. */
function watch(promise: Promise<unknown>): () => Promise<boolean> {
  let resolved = false;
  promise.then(() => resolved = true);
  return async () => {
    await turn();
    return resolved;
  };
}
