import { assertEquals } from "@std/assert";
import { Ledger } from "../support/checker.ts";
import { Cluster, connected } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { PhoenixClient } from "../support/phoenix_client.ts";
import { RedisServer, redisTest } from "../support/redis_server.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { linesOf, say, sayAll, Talker } from "../support/talker.ts";

const OUTAGE_MS = 5_000;
const RETURN_MS = 5_000;

interface Outage {
  begin(redis: RedisServer): Promise<void> | void;
  end(redis: RedisServer): Promise<void> | void;
}

const OUTAGES: Record<string, Outage> = {
  "killed with -9 and back": { begin: (redis) => redis.crash(), end: (redis) => redis.restart() },
  "frozen and thawed": { begin: (redis) => redis.freeze(), end: (redis) => redis.thaw() },
};

for (const [name, outage] of Object.entries(OUTAGES)) {
  redisTest(
    `Redis ${name}: what was said meanwhile is acknowledged, heard here at once and there within 5 s`,
    async () => {
      await using cluster = await Cluster.start();
      await using closing = new AsyncDisposableStack();
      const [a, b] = [cluster.server(1).socketUrl, cluster.server(2).socketUrl];
      const speaker = closing.use(await Talker.join(a, { userId: "speaker" }, "general"));
      const here = closing.use(await Talker.join(a, { userId: "here" }, "general"));
      const there = closing.use(await Talker.join(b, { userId: "there" }, "general"));
      const official = await closing.use(new PhoenixClient("1.8", b, { params: { token: "js" } })).join("general");
      const ledger = new Ledger();
      await say(speaker, ledger, "before");
      await eventually(() => there.contents.length === 1);

      await outage.begin(cluster.redis);
      const until = performance.now() + OUTAGE_MS;
      const lines = linesOf("speaker", 50);
      for (const line of lines) {
        assertEquals((await say(speaker, ledger, line))?.status, "ok", line);
        await here.until(({ contents }) => contents.at(-1) === line);
      }
      // Who comes meanwhile is let in and has everything.
      const late = closing.use(await Talker.join(b, { userId: "late" }, "general"));
      assertEquals(late.streams[0]?.reply?.head_seq, 51);
      await new Promise((resolve) => setTimeout(resolve, until - performance.now()));
      await outage.end(cluster.redis);
      await eventually(() => there.messages.length === 51 && official.messages.length === 51, RETURN_MS);

      await say(there, ledger, "after");
      const receivers = [speaker, here, there, official, late];
      await eventually(() => receivers.every(({ contents }) => contents.at(-1) === "after"));
      const history = await new RestClient(cluster.server(1).url, "reader").history("general");
      assertEquals(ledger.findings(history, receivers.flatMap(({ streams }) => streams)), []);
      assertEquals([ledger.acknowledged, history.length], [52, 52]);
      await Promise.all([
        connected(cluster.server(1), ["node_2"], 10_000),
        connected(cluster.server(2), ["node_1"], 10_000),
      ]);
    },
  );
}

redisTest(
  "a start while Redis is down serves, says that the bus fails, and finds the others when it is there",
  async () => {
    await using redis = await RedisServer.reserve();
    const options = { CHAT_BUS_URL: redis.url };
    await using a = await Server.start({ env: { ...options, CHAT_NODE_NAME: "a" } });
    await using b = await Server.start({ env: { ...options, CHAT_NODE_NAME: "b" }, folder: a.folder });
    const { status, body } = await new RestClient(a.url, "reader").health();
    assertEquals([status, body["status"], body["bus"]], [200, "degraded", "failing"]);
    const ready = await fetch(`${a.url}/readyz`);
    await ready.body?.cancel();
    assertEquals(ready.status, 200);
    const ledger = new Ledger();
    await using alice = await Talker.join(a.socketUrl, { userId: "alice" }, "general");
    await using bob = await Talker.join(b.socketUrl, { userId: "bob" }, "general");
    await sayAll(alice, ledger, linesOf("alice", 5));
    await redis.restart();
    await eventually(() => bob.contents.length === 5, 15_000);
    await Promise.all([connected(a, ["b"], 10_000), connected(b, ["a"], 10_000)]);
    await eventually(async () => (await new RestClient(a.url, "reader").health()).body["status"] === "healthy");
  },
);
