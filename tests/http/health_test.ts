import { assert, assertEquals, assertFalse, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { Health, type HealthReport, healthRoutes } from "../../src/http/health.ts";
import { eventually } from "../support/eventually.ts";
import { failingStore } from "../support/failing_store.ts";
import { TestService } from "../support/test_service.ts";
import { NO_PEERS } from "../support/alone.ts";

/** A health that asks a store which answers with `ping`. */
function healthOf(ping: () => Promise<void>, now: () => number = Date.now): Health {
  return new Health({ store: failingStore(undefined, { ping }), ...NO_PEERS, node: "node-1", version: "1.2.3", now });
}

async function answerOf(health: Health): Promise<{ status: number; report: HealthReport }> {
  const response = await healthRoutes(health).request("/");
  return { status: response.status, report: await response.json() };
}

const ok = () => Promise.resolve();
const fails = () => Promise.reject(new ChatError("unavailable", "The disk is full."));

Deno.test("Health is healthy where the store answers", async () => {
  const health = healthOf(ok);
  const { status, report } = await answerOf(health);
  assertEquals([status, report.status, report.store], [200, "healthy", "ok"]);
});

Deno.test("Health is degraded, with 503, where the store fails", async () => {
  const health = healthOf(fails);
  const { status, report } = await answerOf(health);
  assertEquals([status, report.status, report.store], [503, "degraded", "failing"]);
});

Deno.test("Health is degraded where the store does not answer within a second", async () => {
  const health = healthOf(() => new Promise(() => {}));
  const started = performance.now();
  const { status, report } = await answerOf(health);
  assertEquals([status, report.status], [503, "degraded"]);
  assert(performance.now() - started < 2_000);
});

Deno.test("Health drain() is said with 503, before all else", async () => {
  for (const ping of [ok, fails]) {
    const health = healthOf(ping);
    health.drain();
    const { status, report } = await answerOf(health);
    assertEquals([status, report.status], [503, "draining"]);
  }
});

Deno.test("Health tells node, version and the milliseconds since its start", async () => {
  let now = 1_000;
  const health = healthOf(ok, () => now);
  now = 3_500;
  const { node, version, uptime, connected_nodes } = await health.report();
  assertEquals([node, version, uptime, connected_nodes], ["node-1", "1.2.3", 2_500, []]);
});

Deno.test("Health tells nothing of why the store fails", async () => {
  const health = healthOf(fails);
  assertFalse(JSON.stringify(await health.report()).includes("disk"));
});

Deno.test("Health asks the store once for many who ask at a time", async () => {
  let pings = 0;
  const health = healthOf(() => {
    pings++;
    return Promise.resolve();
  });
  await Promise.all(Array.from({ length: 100 }, () => health.report()));
  await health.report();
  assertEquals(pings, 1);
});

Deno.test("Health asks the store again after a second and sees that it is well again", async () => {
  let pings = 0;
  const health = healthOf(() => pings++ === 0 ? fails() : ok());
  assertEquals((await health.report()).status, "degraded");
  await eventually(async () => (await health.report()).status === "healthy");
  assertEquals(pings, 2);
});

Deno.test("GET /api/health has the fields of the contract", async () => {
  await using service = await TestService.start({ nodeName: "chat-1" });
  const { status, body } = await service.call("GET", "/api/health");
  const { uptime, version, ...rest } = body;
  assertEquals([status, rest], [200, {
    status: "healthy",
    node: "chat-1",
    connected_nodes: [],
    store: "ok",
    bus: "ok",
  }]);
  assertGreaterOrEqual(Number(uptime), 0);
  assertMatch(String(version), /^\d+\.\d+\.\d+/);
});

Deno.test("GET /api/health names a node that has no name", async () => {
  await using service = await TestService.start();
  assertMatch(String((await service.call("GET", "/api/health")).body.node), /^chat_[\da-f]{8}$/);
});

Deno.test("GET /api/health shows neither settings nor secrets", async () => {
  const secretKeyBase = "a-secret-that-nobody-may-see-anywhere";
  await using service = await TestService.start({ secretKeyBase, signingSalt: "a-salt-of-sorts" });
  const { text } = await service.call("GET", "/api/health");
  for (const secret of [secretKeyBase, "a-salt-of-sorts", "memory:", "sqlite"]) assertFalse(text.includes(secret));
});

for (
  const [own, strangers, ready] of [[0, 0, true], [0, 1, false], [1, 1, true], [1, 2, false], [3, 1, true]] as const
) {
  Deno.test(`Health isReady() is ${ready} beside ${own} of its own storage and ${strangers} of another`, async () => {
    const peer = (n: number) => ({ instance: `${n}`, node: `node ${n}`, store: "" });
    const peers = Array.from({ length: own + strangers }, (_, n) => peer(n));
    const discovery = { peers, strangers: peers.slice(own) };
    const store = failingStore(undefined, { ping: ok });
    const health = new Health({ store, bus: { healthy: true }, discovery, node: "me", version: "1.2.3" });
    assertEquals(await health.isReady(), ready);
    assertEquals((await health.report()).status, strangers > 0 ? "degraded" : "healthy");
  });
}
