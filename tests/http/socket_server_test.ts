import { assert, assertEquals } from "@std/assert";
import { FailureBudget } from "../../src/auth/failure_budget.ts";
import { within } from "../../src/deadline.ts";
import { ChatError } from "../../src/errors.ts";
import { Clients, type ClientsOptions } from "../../src/http/clients.ts";
import { Handshake, type HandshakeOptions } from "../../src/http/handshake.ts";
import { SocketServer, type SocketServerOptions } from "../../src/http/socket.ts";
import type { Seat } from "../../src/phoenix/channel.ts";
import { Broadcast } from "../../src/phoenix/frame.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { HANDSHAKE, OPCODE, TcpClient } from "../support/tcp_client.ts";

const JOIN = JSON.stringify(["1", "1", "room", "phx_join", {}]);
const HEARTBEAT = `[null,"1","phoenix","heartbeat",{}]`;

/** A {@linkcode SocketServer} behind a port, with a clock that stands still and one room, whose seats it keeps. */
class Sockets implements AsyncDisposable {
  readonly server: SocketServer;
  readonly seats = new Set<Seat>();
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  /** Unix milliseconds. */
  now = 0;

  readonly clients: Clients;

  constructor(options: Partial<SocketServerOptions & ClientsOptions & Pick<HandshakeOptions, "authenticate">> = {}) {
    const member = (seat: Seat) => ({
      welcome: {},
      handle: () => new Promise<never>(() => {}),
      leave: () => void this.seats.delete(seat),
    });
    const log = openLog("error", () => {});
    this.clients = new Clients({
      route: () => (seat) => {
        this.seats.add(seat);
        return Promise.resolve(member(seat));
      },
      maxClients: 100,
      maxTopics: 100,
      closeRefusedJoins: false,
      drainWindowMs: 0,
      log,
      ...options,
    });
    this.server = new SocketServer({
      handshake: new Handshake({
        authenticate: options.authenticate ?? (() => Promise.resolve({ userId: "alice" })),
        checkOrigin: () => true,
        failures: new FailureBudget(0),
        log,
      }),
      clients: this.clients,
      maxFrameBytes: 65_536,
      sendBufferBytes: 1_048_576,
      idleTimeoutMs: 60_000,
      now: () => this.now,
      ...options,
    });
    const port = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#http = Deno.serve(port, async (request) => {
      return await this.server.upgrade(request, "127.0.0.1").catch((error) => {
        return new Response(null, { status: error instanceof ChatError ? 400 : 500 });
      });
    });
  }

  get port(): number {
    return this.#http.addr.port;
  }

  /** Connects and joins the room. */
  async join(): Promise<TcpClient> {
    const client = await TcpClient.upgrade(this.port);
    await client.writeFrame(OPCODE.text, JOIN);
    await client.frame();
    return client;
  }

  /** Says something in the room. */
  say(text: string): void {
    const broadcast = new Broadcast("room", "said", { text });
    for (const seat of this.seats) seat.relay(broadcast);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clients.drain(0);
    await within(500, this.#http.shutdown()); // Deno never ends a request whose client left before its upgrade
  }
}

/** Sends a heartbeat and waits for its answer. */
async function beat(client: TcpClient): Promise<void> {
  await client.writeFrame(OPCODE.text, HEARTBEAT);
  assertEquals((await client.frame())?.opcode, OPCODE.text);
}

Deno.test("SocketServer sweep() leaves a socket alone until the idle time is over", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  sockets.now += 60_000;
  sockets.clients.sweep();
  await beat(client);
});

Deno.test("SocketServer sweep() closes a silent socket with 1001", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  sockets.now += 60_001;
  sockets.clients.sweep();
  assertEquals(await client.closeCode(), 1001);
});

Deno.test("SocketServer sweep() closes a socket that never said a word", async () => {
  await using sockets = new Sockets();
  using client = await TcpClient.upgrade(sockets.port);
  sockets.now += 60_001;
  sockets.clients.sweep();
  assertEquals(await client.closeCode(), 1001);
});

Deno.test("SocketServer sweep() counts from the last frame", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  for (let i = 0; i < 3; i++) {
    sockets.now += 50_000;
    sockets.clients.sweep();
    await beat(client);
  }
});

Deno.test("SocketServer sweep() does not count what a socket received", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  for (let i = 0; i < 7; i++) {
    sockets.now += 10_000;
    sockets.say("hello");
    await client.frame();
  }
  sockets.clients.sweep();
  assertEquals(await client.closeCode(), 1001);
});

Deno.test("SocketServer sweep() does not count pings and pongs, which a browser sends by itself", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  sockets.now += 60_001;
  await client.writeFrame(OPCODE.pong, "p");
  await client.writeFrame(OPCODE.ping, "p");
  await client.frame();
  sockets.clients.sweep();
  assertEquals(await client.closeCode(), 1001);
});

Deno.test("SocketServer sweep() takes a silent socket out of its rooms at once", async () => {
  await using sockets = new Sockets();
  using _ = await sockets.join();
  sockets.now += 60_001;
  sockets.clients.sweep();
  assertEquals(sockets.seats.size, 0);
});

Deno.test("SocketServer size counts the sockets that are open", async () => {
  await using sockets = new Sockets();
  {
    using _one = await sockets.join();
    using _two = await sockets.join();
    assertEquals(sockets.clients.size, 2);
  }
  await eventually(() => sockets.clients.size === 0);
});

Deno.test("SocketServer forgets a client that was cut, and takes it out of its rooms", async () => {
  await using sockets = new Sockets();
  {
    using _ = await sockets.join();
  }
  await eventually(() => sockets.clients.size === 0 && sockets.seats.size === 0);
});

Deno.test("SocketServer takes a client that closes out of its rooms, and forgets it", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  await client.writeFrame(OPCODE.close, new Uint8Array([1_000 >> 8, 1_000 & 255]));
  await eventually(() => sockets.clients.size === 0 && sockets.seats.size === 0);
});

/** A server at whose door clients wait until it opens. */
function withDoor(options: Partial<ClientsOptions> = {}) {
  const door = Promise.withResolvers<void>();
  const state = { waiting: 0 };
  const sockets = new Sockets({
    authenticate: async () => {
      state.waiting++;
      await door.promise;
      return { userId: "alice" };
    },
    ...options,
  });
  return { sockets, state, open: door.resolve };
}

Deno.test("SocketServer takes no more sockets than its limit, however many come at once", async () => {
  const { sockets, state, open } = withDoor({ maxClients: 3 });
  await using _ = sockets;
  const clients = await Promise.all(Array.from({ length: 10 }, () => TcpClient.connect(sockets.port)));
  const heads = Promise.all(clients.map((client) => client.request("GET", "/", HANDSHAKE)));
  await eventually(() => state.waiting >= 3);
  open();
  const statuses = (await heads).map(({ status }) => status).sort();
  for (const client of clients) client[Symbol.dispose]();
  assertEquals(statuses, [...Array(3).fill(101), ...Array(7).fill(503)]);
});

Deno.test("SocketServer asks nobody for a token where it is full", async () => {
  const { sockets, state } = withDoor({ maxClients: 0 });
  await using _ = sockets;
  using client = await TcpClient.connect(sockets.port);
  assertEquals([(await client.request("GET", "/", HANDSHAKE)).status, state.waiting], [503, 0]);
});

// Deno itself waits for such clients for ever: its operations are left over.
const LEAKY = { sanitizeOps: false, sanitizeResources: false };

Deno.test("SocketServer sweep() forgets clients that left before their handshake was answered", LEAKY, async () => {
  const { sockets, state, open } = withDoor();
  await using _ = sockets;
  const handshake = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  for (let i = 0; i < 10; i++) {
    using client = await TcpClient.connect(sockets.port);
    await client.write(`GET / HTTP/1.1\r\nHost: x\r\n${handshake}\r\n`);
    await eventually(() => state.waiting === i + 1);
  }
  for (let i = 0; i < 20; i++) { // by then Deno has seen that they left
    using client = await TcpClient.connect(sockets.port);
    await client.request("GET", "/");
  }
  open();
  await sockets.join().then((client) => client[Symbol.dispose]());
  await eventually(() => {
    sockets.now += 60_001;
    sockets.clients.sweep();
    return sockets.clients.size === 0;
  }, 1_000);
});

Deno.test("SocketServer drain() refuses whoever is still at the door", async () => {
  const { sockets, state, open } = withDoor();
  await using _ = sockets;
  using client = await TcpClient.connect(sockets.port);
  const head = client.request("GET", "/", HANDSHAKE);
  await eventually(() => state.waiting === 1);
  await sockets.clients.drain(1_000);
  open();
  assertEquals((await head).status, 503);
});

Deno.test("SocketServer drain() refuses new sockets with 503 and when to come back", async () => {
  await using sockets = new Sockets();
  await sockets.clients.drain(0);
  using client = await TcpClient.connect(sockets.port);
  const { status, headers } = await client.request("GET", "/", HANDSHAKE);
  assertEquals([status, headers.get("retry-after"), headers.get("content-length")], [503, "1", "0"]);
});

Deno.test("SocketServer drain() closes every socket with 1012", async () => {
  await using sockets = new Sockets();
  const clients = [await sockets.join(), await sockets.join(), await TcpClient.upgrade(sockets.port)];
  await sockets.clients.drain(0);
  for (const client of clients) {
    assertEquals(await client.closeCode(), 1012);
    client[Symbol.dispose]();
  }
});

Deno.test("SocketServer drain() takes every socket out of its rooms", async () => {
  await using sockets = new Sockets();
  using _one = await sockets.join();
  using _two = await sockets.join();
  await sockets.clients.drain(0);
  assertEquals(sockets.seats.size, 0);
});

Deno.test("SocketServer drain() tells members why, and sends neither phx_close nor phx_error, before the close", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  await sockets.clients.drain(0);
  const heard: unknown[] = [];
  await client.find(({ opcode, payload }) => {
    if (opcode === OPCODE.text) heard.push(JSON.parse(new TextDecoder().decode(payload)));
    return opcode === OPCODE.close;
  });
  const message = "The service restarts; your client comes back by itself.";
  assertEquals(heard, [["1", null, "room", "system", { code: "draining", message, reconnect_within_ms: 0 }]]);
});

Deno.test("SocketServer drain() waits no longer than it may for an answer that does not come", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "2", "room", "for ever", {}]));
  await beat(client);
  const started = performance.now();
  await sockets.clients.drain(200);
  const took = performance.now() - started;
  assertEquals(await client.closeCode(), 1012);
  assert(took > 150 && took < 2_000, String(took));
});

Deno.test("SocketServer drain() answers heartbeats while it waits", async () => {
  await using sockets = new Sockets();
  using client = await sockets.join();
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "2", "room", "for ever", {}]));
  await beat(client);
  const draining = sockets.clients.drain(500);
  await client.writeFrame(OPCODE.text, HEARTBEAT);
  assertEquals((await client.frame())?.opcode, OPCODE.text);
  await draining;
});

Deno.test("SocketServer ends nobody but the client that stopped reading, with 1013", async () => {
  await using sockets = new Sockets({ sendBufferBytes: 65_536 });
  using slow = await sockets.join();
  using fast = await sockets.join();
  let said = 0;
  const text = "x".repeat(16_000);
  while (sockets.seats.size === 2) {
    sockets.say(`${said++} ${text}`);
    await fast.frame();
    assert(said < 10_000, "nobody was ended");
  }
  sockets.say("still here");
  assertEquals(JSON.parse(new TextDecoder().decode((await fast.frame())?.payload))[4], { text: "still here" });
  await beat(fast);
  assertEquals(await slow.closeCode(), 1013);
});

Deno.test("SocketServer sends a client that is slow nothing more once it was ended", async () => {
  await using sockets = new Sockets({ sendBufferBytes: 65_536 });
  using slow = await sockets.join();
  let said = 0;
  while (sockets.seats.size === 1) {
    sockets.say(`${said++} ${"x".repeat(16_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  sockets.say("too late");
  let last = "";
  await slow.find(({ opcode, payload }) => {
    if (opcode === OPCODE.text) last = JSON.parse(new TextDecoder().decode(payload))[4].text;
    return opcode === OPCODE.close;
  });
  assert(last !== "too late" && Number(last.split(" ")[0]) <= said);
});

Deno.test("SocketServer does not end a client that reads slowly but in time", async () => {
  await using sockets = new Sockets({ sendBufferBytes: 1_048_576 });
  using client = await sockets.join();
  for (let i = 0; i < 50; i++) sockets.say(`${i} ${"x".repeat(16_000)}`);
  for (let i = 0; i < 50; i++) {
    const { text } = JSON.parse(new TextDecoder().decode((await client.frame())?.payload))[4];
    assertEquals(Number(text.split(" ")[0]), i);
  }
});
