import { assertEquals } from "@std/assert";
import { loadConfig } from "../../src/config.ts";
import { startService } from "../../src/service.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { Cluster, connected } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { PhoenixClient, type PhoenixRoom } from "../support/phoenix_client.ts";
import { RedisServer, redisTest } from "../support/redis_server.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { Talker } from "../support/talker.ts";

/** Who is in `general`, as an instance says over REST. */
async function presentAt(server: Server): Promise<string[]> {
  const response = await fetch(`${server.url}/api/channels/general/presence`, {
    headers: { authorization: "Bearer reader" },
  });
  const { users } = await response.json() as { users: { user_id: string }[] };
  return users.map(({ user_id }) => user_id);
}

async function assertPresent(servers: readonly Server[], users: readonly string[], ms = 5_000): Promise<void> {
  for (const server of servers) {
    await eventually(async () => {
      assertEquals(await presentAt(server), users);
      return true;
    }, ms);
  }
}

/** Joins `general` with phoenix.js. */
function join(closing: AsyncDisposableStack, server: Server, token: string): Promise<PhoenixRoom> {
  return closing.use(new PhoenixClient("1.8", server.socketUrl, { params: { token } })).join("general");
}

redisTest("connected_nodes and presence follow a start, a clean stop and a kill -9; typing crosses (8.6)", async () => {
  await using cluster = await Cluster.start();
  await using closing = new AsyncDisposableStack();
  const { redis } = cluster;
  const [a, b] = [cluster.server(1), cluster.server(2)];
  const env = { CHAT_BUS_URL: redis.url, CHAT_NODE_NAME: "node_3", CHAT_DRAIN_WINDOW: "0" };
  await using c = await Server.start({ env, folder: a.folder });
  await Promise.all([
    connected(a, ["node_2", "node_3"], 2_000),
    connected(b, ["node_1", "node_3"], 2_000),
    connected(c, ["node_1", "node_2"], 2_000),
  ]);
  const alice = await join(closing, a, "alice");
  const bob = await join(closing, b, "bob");
  await using carol = await Talker.join(c.socketUrl, { userId: "carol" }, "general");
  await using dave = await Talker.join(b.socketUrl, { userId: "dave" }, "general");
  await assertPresent([a, b, c], ["alice", "bob", "carol", "dave"]);

  await bob.push("typing");
  await eventually(() => alice.payloads("user_typing").length === 1);
  await bob.push("stop_typing");
  await eventually(() => alice.payloads("user_stopped_typing").length === 1);
  assertEquals([alice.payloads("user_typing"), bob.payloads("user_typing")], [[{ user_id: "bob" }], []]);

  assertEquals(await c.stop(), 0);
  await Promise.all([connected(a, ["node_2"], 2_000), connected(b, ["node_1"], 2_000)]);
  await assertPresent([a, b], ["alice", "bob", "dave"]);

  await b.crash();
  const killedAt = performance.now();
  await connected(a, [], 15_000);
  await assertPresent([a], ["alice"], 30_000 - (performance.now() - killedAt));
  await Promise.all([carol.closed, dave.closed]);
  await b.restart();
  await connected(a, ["node_2"], 2_000);
  await assertPresent([a, b], ["alice", "bob"], 15_000); // bob's client has come back by itself
});

redisTest("instances with different storages are not ready, say so, and hear nothing of each other", async () => {
  await using redis = await RedisServer.start();
  const env = { CHAT_BUS_URL: redis.url };
  await using a = await Server.start({ env: { ...env, CHAT_NODE_NAME: "a" } });
  await using b = await Server.start({ env: { ...env, CHAT_NODE_NAME: "b" } });
  for (const [server, stranger] of [[a, "b"], [b, "a"]] as const) {
    await eventually(async () => {
      const { status, body } = await new RestClient(server.url, "reader").health();
      const { status: state, strangers, connected_nodes } = body;
      assertEquals([status, state, strangers, connected_nodes], [503, "degraded", [stranger], []]);
      const ready = await fetch(`${server.url}/readyz`);
      await ready.body?.cancel();
      assertEquals(ready.status, 503);
      return true;
    });
  }
  await using alice = await Talker.join(a.socketUrl, { userId: "alice" }, "general");
  await using bob = await Talker.join(b.socketUrl, { userId: "bob" }, "general");
  await alice.push("new_message", { content: "one" });
  await bob.push("new_message", { content: "two" });
  await Promise.all([alice, bob].map((talker) => talker.until(({ messages }) => messages.length > 0)));
  assertEquals([alice.contents, bob.contents], [["one"], ["two"]]);
});

Deno.test("disconnect() ends a user's clients on every instance", async () => {
  const folder = await Deno.makeTempDir();
  const log = openLog("error", () => {});
  const config = {
    ...loadConfig({ PORT: "0", CHAT_STORE_URL: `sqlite:${folder}/chat.db`, CHAT_DRAIN_TIMEOUT: "1" }),
    busUrl: `workers:${crypto.randomUUID()}`,
  };
  await using closing = new AsyncDisposableStack();
  closing.defer(() => Deno.remove(folder, { recursive: true }));
  const [a, b] = [await startService(config, "0", log), await startService(config, "0", log)];
  closing.defer(async () => void await Promise.all([a.stop(), b.stop()]));
  const at = ({ port }: { port: number }) => `ws://127.0.0.1:${port}/socket`;
  const eve = await Promise.all([a, b].map((service) => Talker.join(at(service), { userId: "eve" }, "general")));
  await using bob = await Talker.join(at(b), { userId: "bob" }, "general");
  assertEquals(a.disconnect("eve"), 1);
  for (const { closed } of eve) assertEquals((await closed).code, 1001);
  assertEquals((await bob.push("ping"))?.status, "ok");
});
