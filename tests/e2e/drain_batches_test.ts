import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { Server } from "../support/server.ts";

const CLIENTS = 60;
/** What the drain spreads so many closes over: 200 a second. */
const WINDOW_MS = CLIENTS / 200 * 1_000;

/** How a drain went, as its clients saw it. */
interface Drain {
  readonly code: number;
  /** Milliseconds from SIGTERM to the exit. */
  readonly tookMs: number;
  /** When each client was closed, in ms after the first of them, ascending. */
  readonly closes: number[];
  readonly clients: readonly RawClient[];
}

/** Stops a server with 60 sockets, each in two topics. */
async function drain(env: Record<string, string>, test: (drain: Drain) => void): Promise<void> {
  await using server = await Server.start({ env });
  await using ends = new AsyncDisposableStack();
  const times: number[] = [];
  const clients = await Promise.all(Array.from({ length: CLIENTS }, async (_, index) => {
    const client = ends.use(await RawClient.connect(server.socketUrl, { token: `user${index}` }));
    client.socket.addEventListener("close", () => times.push(performance.now()));
    await Promise.all([client.join("general"), client.join("random")]);
    return client;
  }));
  const startedAt = performance.now();
  const code = await server.stop();
  const tookMs = performance.now() - startedAt;
  await eventually(() => clients.every(({ closed }) => closed));
  test({ code, tookMs, clients, closes: times.map((time) => time - (times[0] ?? 0)) });
}

/** The most of these moments that lie within one span of so many ms. */
function mostWithin(ms: number, moments: readonly number[]): number {
  return Math.max(...moments.map((from) => moments.filter((moment) => moment >= from && moment < from + ms).length));
}

Deno.test("a drain spreads its closes over the window, 200 in a second (9)", () =>
  drain({}, ({ code, closes, clients }) => {
    assertEquals([code, [...new Set(clients.map(({ closed }) => closed?.code))]], [0, [1012]]);
    assertGreater(closes.at(-1) ?? 0, WINDOW_MS / 2);
    assertLess(mostWithin(50, closes), CLIENTS * 2 / 3);
  }));

Deno.test("a drain tells every topic of every client before the close, and sends no phx_close (9)", () =>
  drain({}, ({ clients }) => {
    for (const client of clients) {
      const told = client.received.filter(([, , , event]) => event === "system");
      assertEquals(told.map(([, , topic]) => topic).sort(), ["text_channel:general", "text_channel:random"]);
      for (const [joinRef, ref, , , payload] of told) {
        assertEquals([joinRef, ref], ["1", null]);
        assertEquals(payload, { code: "draining", message: payload.message, reconnect_within_ms: WINDOW_MS });
        assert(typeof payload.message === "string" && payload.message !== "");
      }
      assertEquals([client.events("phx_close"), client.events("phx_error")], [[], []]);
    }
  }));

Deno.test("a drain with a window of 0 closes all at once", () =>
  drain({ CHAT_DRAIN_WINDOW: "0" }, ({ code, closes, clients }) => {
    assertEquals([code, [...new Set(clients.map(({ closed }) => closed?.code))]], [0, [1012]]);
    for (const client of clients) assertEquals(client.events("system")[0]?.reconnect_within_ms, 0);
    assertGreater(mostWithin(50, closes), CLIENTS / 2);
  }));

Deno.test("a drain takes no longer for its window than half the drain time-out", () =>
  drain({ CHAT_DRAIN_TIMEOUT: "0.2" }, ({ code, tookMs, clients }) => {
    assertEquals([code, [...new Set(clients.map(({ closed }) => closed?.code))]], [0, [1012]]);
    for (const client of clients) assertEquals(client.events("system")[0]?.reconnect_within_ms, 100);
    assertLess(tookMs, 4_000);
  }));

Deno.test("a drain takes no longer than the window that is set", () =>
  drain({ CHAT_DRAIN_WINDOW: "0.12" }, ({ code, clients }) => {
    assertEquals(code, 0);
    for (const client of clients) assertEquals(client.events("system")[0]?.reconnect_within_ms, 120);
  }));
