import { assertEquals, assertRejects } from "@std/assert";
import { FailureBudget } from "../../src/auth/failure_budget.ts";
import { SessionTokens } from "../../src/auth/session_tokens.ts";
import { Chat } from "../../src/chat/chat.ts";
import { ChatError } from "../../src/errors.ts";
import { createApp } from "../../src/http/app.ts";
import { Clients } from "../../src/http/clients.ts";
import { Handshake } from "../../src/http/handshake.ts";
import { Health } from "../../src/http/health.ts";
import { LongPollServer } from "../../src/http/longpoll.ts";
import { SocketServer } from "../../src/http/socket.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { assertError } from "../support/assert_error.ts";
import { failingStore } from "../support/failing_store.ts";
import { type Answer, read } from "../support/test_service.ts";
import { ALONE, NO_PEERS, NO_SESSION_PEERS } from "../support/alone.ts";

const HERE = "192.0.2.1";
const THERE = "192.0.2.2";

/** The app with two failures a minute, a clock that a test sets, and an authenticator that takes `good` and counts how often it is asked. */
class Door {
  readonly handshake: Handshake;
  asked = 0;
  nowMs = 0;
  readonly #app: ReturnType<typeof createApp>;

  constructor(perMinute = 2) {
    const log = openLog("error", () => {});
    const checkOrigin = (origin: string | null | undefined) => origin !== "https://evil.example";
    const failures = new FailureBudget(perMinute, () => this.nowMs);
    const authenticate = (token: string | undefined) => {
      this.asked++;
      if (token === "good") return Promise.resolve({ userId: "alice" });
      if (token === "busy") return Promise.reject(new ChatError("unavailable", "Later."));
      return Promise.reject(new ChatError("unauthorized", "No."));
    };
    const handshake = this.handshake = new Handshake({ authenticate, checkOrigin, failures, log });
    const store = failingStore(new Error("not for this test"), {
      listChannels: () => Promise.resolve({ channels: [], hasMore: false }),
    });
    const chat = new Chat({ store, ...ALONE, adHocChannels: false, maxListed: 200, onFault: () => {} });
    const clients = new Clients({
      route: () => undefined,
      maxClients: 100,
      maxTopics: 10,
      closeRefusedJoins: true,
      drainWindowMs: 0,
      log,
    });
    const sizes = { maxFrameBytes: 65_536, sendBufferBytes: 1_048_576 };
    this.#app = createApp({
      chat,
      checkOrigin,
      handshake,
      sockets: new SocketServer({ handshake, clients, ...sizes, idleTimeoutMs: 60_000 }),
      polls: new LongPollServer({
        handshake,
        clients,
        tokens: new SessionTokens("x", "y"),
        peers: NO_SESSION_PEERS,
        ...sizes,
        maxBatchBytes: 1e6,
      }),
      health: new Health({ store, ...NO_PEERS, node: "test", version: "0" }),
      maxBodyBytes: 65_536,
      log,
    });
  }

  /** Asks for a WebSocket; only refusals can be seen here. */
  upgrade(token: string, address = HERE): Promise<Answer> {
    const headers = { upgrade: "websocket", connection: "upgrade", "sec-websocket-version": "13" };
    return this.#fetch(`/socket/websocket?vsn=2.0.0&token=${token}`, address, headers);
  }

  poll(token: string, address = HERE): Promise<Answer> {
    return this.#fetch(`/socket/longpoll?vsn=2.0.0&token=${token}`, address);
  }

  rest(token: string, address = HERE, headers: HeadersInit = {}): Promise<Answer> {
    return this.#fetch("/api/channels", address, { ...headers, authorization: `Bearer ${token}` });
  }

  /** Uses the budget of an address up. */
  async exhaust(address = HERE): Promise<void> {
    await this.rest("bad", address);
    await this.rest("bad", address);
    this.asked = 0;
  }

  async #fetch(path: string, hostname: string, headers: HeadersInit = {}): Promise<Answer> {
    const info = { remoteAddr: { hostname, port: 1, transport: "tcp" as const }, completed: Promise.resolve() };
    return await read(await this.#app.fetch(new Request(`http://chat.example${path}`, { headers }), info));
  }
}

Deno.test("Handshake answers an address that has failed too often before its token is looked at", async () => {
  const door = new Door();
  await door.exhaust();
  for (const token of ["bad", "good"]) {
    await door.rest(token);
    await door.upgrade(token);
    await door.poll(token);
  }
  assertEquals(door.asked, 0);
});

Deno.test("Handshake looks at each token until the budget is used up", async () => {
  const door = new Door(5);
  for (let times = 0; times < 20; times++) await door.rest("bad");
  assertEquals(door.asked, 5);
});

Deno.test("Handshake with its budget used up refuses an upgrade with 429, Retry-After and nothing more (1.4)", async () => {
  const door = new Door();
  await door.exhaust();
  const { status, headers, text } = await door.upgrade("good");
  assertEquals([status, headers.get("retry-after"), text], [429, "30", ""]);
});

Deno.test("Handshake with its budget used up refuses a long poll with status 403 in the body (7.1)", async () => {
  const door = new Door();
  await door.exhaust();
  const { status, body } = await door.poll("good");
  assertEquals([status, body], [200, { status: 403 }]);
});

Deno.test("Handshake with its budget used up refuses REST with rate_limited and when to come back", async () => {
  const door = new Door();
  await door.exhaust();
  const answer = await door.rest("good");
  assertError(answer, "rate_limited");
  assertEquals((answer.body.error as { retry_after: unknown }).retry_after, 30);
  assertEquals(answer.headers.get("retry-after"), "30");
});

Deno.test("Handshake counts failures of all three doors together", async () => {
  const door = new Door(3);
  assertEquals((await door.upgrade("bad")).status, 403);
  assertEquals((await door.poll("bad")).body, { status: 403 });
  assertEquals((await door.rest("bad")).status, 401);
  assertEquals((await door.rest("good")).status, 429);
});

Deno.test("Handshake never counts logins that succeed", async () => {
  const door = new Door();
  for (let times = 0; times < 50; times++) assertEquals((await door.rest("good")).status, 200);
  for (let times = 0; times < 10; times++) assertEquals((await door.poll("good")).body.status, 410);
  assertEquals(door.asked, 60);
});

Deno.test("Handshake does not count what is not the token's fault", async () => {
  const door = new Door();
  for (let times = 0; times < 10; times++) {
    assertEquals((await door.rest("busy")).status, 503);
    assertEquals((await door.rest("good", HERE, { origin: "https://evil.example" })).status, 403);
  }
  await assertRejects(() => door.handshake.admit(new Request("http://x/?vsn=9.0.0"), HERE, "bad"), ChatError);
  assertEquals((await door.rest("good")).status, 200);
});

Deno.test("Handshake checks origin and vsn before the token (1.9)", async () => {
  const door = new Door();
  const origin = { origin: "https://evil.example" };
  await assertRejects(() => door.handshake.admit(new Request("http://x/?vsn=9.0.0"), HERE, "good"), ChatError);
  await assertRejects(
    () => door.handshake.admit(new Request("http://x/?vsn=2.0.0", { headers: origin }), HERE, "good"),
    ChatError,
  );
  assertEquals((await door.rest("good", HERE, origin)).status, 403);
  assertEquals(door.asked, 0);
});

Deno.test("Handshake with a budget of 0 looks at every token", async () => {
  const door = new Door(0);
  for (let times = 0; times < 200; times++) assertEquals((await door.rest("bad")).status, 401);
  assertEquals([door.asked, (await door.rest("good")).status], [200, 200]);
});

Deno.test("Handshake lets clients of another address in meanwhile", async () => {
  const door = new Door();
  await door.exhaust();
  assertEquals((await door.rest("good", THERE)).status, 200);
  assertEquals((await door.poll("good", THERE)).body.status, 410);
  assertEquals((await door.handshake.admit(new Request("http://x/?vsn=2.0.0"), THERE, "good")).identity, {
    userId: "alice",
  });
});

Deno.test("Handshake lets an address in again when its time has come", async () => {
  const door = new Door();
  await door.exhaust();
  door.nowMs = 29_999;
  const answer = await door.rest("good");
  assertEquals([answer.status, answer.headers.get("retry-after")], [429, "1"]);
  door.nowMs = 30_000;
  assertEquals((await door.rest("good")).status, 200);
});
