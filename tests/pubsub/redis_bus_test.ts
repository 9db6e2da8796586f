import { assert, assertEquals, assertFalse, assertLess } from "@std/assert";
import { createClient } from "redis";
import type { Envelope } from "../../src/pubsub/envelope.ts";
import { parseRedisUrl } from "../../src/pubsub/redis_address.ts";
import { RedisBus, type RedisBusOptions } from "../../src/pubsub/redis_bus.ts";
import { type BusNetwork, testBus } from "../conformance/bus.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { eventually } from "../support/eventually.ts";
import { RedisCluster, RedisServer, redisTest } from "../support/redis_server.ts";
import { Inbox } from "./support/inbox.ts";
import { Valve } from "./support/valve.ts";

/** Short times, so that a test need not wait as long as operation would. */
const QUICK = { commandTimeoutMs: 1_000, probeIntervalMs: 100, deafAfterMs: 600 };
/** No ping and no silence ends a connection: only the probe is left. */
const ONLY_PROBE = { pingIntervalMs: 600_000, socketTimeoutMs: 600_000 };

function open(url: string, instance: string, options: Partial<RedisBusOptions> = {}): Promise<RedisBus> {
  return RedisBus.open({ instance, address: parseRedisUrl(url), prefix: "chat:", onFault: () => {}, ...options });
}

/** The network of the suite, and the server that carries it. */
async function openNetwork(redis: RedisServer): Promise<BusNetwork> {
  const stack = new AsyncDisposableStack();
  stack.use(redis);
  const injector = createClient({ url: redis.url, maintNotifications: "disabled" });
  injector.on("error", () => {});
  await injector.connect();
  stack.defer(() => injector.close());
  const injectRaw = async (topic: string, data: unknown) => {
    await injector.publish(`chat:topic:${topic}`, typeof data === "string" ? data : JSON.stringify(data));
  };
  return {
    join: async (instance, onFault = () => {}) => stack.use(await open(redis.url, instance, { onFault })),
    inject: (topic: string, envelope: Envelope) => injectRaw(topic, envelope),
    injectRaw,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

testBus("RedisBus", {
  gaps: "by topic",
  register: redisTest,
  open: async () => await openNetwork(await RedisServer.start()),
});

// A Redis that comes and goes

redisTest("RedisBus heals within 5 seconds when Redis was killed and is back, and tells a gap", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a");
  await using b = await open(redis.url, "b");
  const topics = Array.from({ length: 50 }, (_, n) => `t${n}`);
  const inbox = await Inbox.of(b, ...topics);
  const ofA = await Inbox.of(a, "back");
  await redis.crash();
  await eventually(() => !a.healthy && !b.healthy);
  await assertRefused("unavailable", () => a.ping());
  a.publish("t0", "lost");
  await eventually(() => a.stats.dropped === 1);
  await redis.restart();
  const backAt = Date.now();
  await eventually(() => a.healthy && b.healthy && inbox.gaps.includes("all") && ofA.gaps.includes("all"), 20_000);
  for (const topic of topics) a.publish(topic, "hi");
  for (const topic of topics) await inbox.until(`${topic} a hi`);
  assertLess(Date.now() - backAt, 5_000);
  assertFalse(inbox.lines.includes("t0 a lost"));
  await a.ping();
});

redisTest("RedisBus subscribe() resolves at once while Redis is down and is active when it is back", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a");
  await using b = await open(redis.url, "b");
  const inbox = await Inbox.of(b, "kept", "left");
  await redis.crash();
  await eventually(() => !b.healthy);
  await inbox.subscribe("new");
  await b.unsubscribe("left");
  await redis.restart();
  await eventually(() => a.healthy && inbox.gaps.length > 0, 20_000);
  for (const topic of ["left", "kept", "new"]) a.publish(topic, "hi");
  await inbox.until("new a hi");
  await inbox.until("kept a hi");
  assertEquals(inbox.lines.toSorted(), ["kept a hi", "new a hi"]);
  assertEquals(await redis.cli("pubsub", "channels", "chat:topic:left"), "\n");
});

redisTest("RedisBus tells the others of what it dropped while it was cut off, as soon as it is back", async () => {
  await using redis = await RedisServer.start();
  await using valve = new Valve(redis.port);
  await using a = await open(`redis://127.0.0.1:${valve.port}`, "a", { probeIntervalMs: 600_000 });
  await using b = await open(redis.url, "b");
  const inbox = await Inbox.of(b, "t", "u");
  for (const topic of ["t", "u"]) a.publish(topic, "first");
  await inbox.until("u a first");
  valve.cut();
  await eventually(() => !a.healthy);
  a.publish("t", "lost");
  await eventually(() => a.stats.dropped === 1);
  valve.restore();
  await eventually(() => inbox.gaps.length > 0, 15_000);
  assertEquals([inbox.gaps, inbox.lines], [[["t"]], ["t a first", "u a first"]]);
});

redisTest("RedisBus finds that its posts are not answered any more, and connects anew", async () => {
  await using redis = await RedisServer.start();
  await using valve = new Valve(redis.port);
  await using a = await open(`redis://127.0.0.1:${valve.port}`, "a", { ...QUICK, ...ONLY_PROBE });
  await using b = await open(redis.url, "b");
  const inbox = await Inbox.of(b, "t");
  await eventually(() => valve.silence("publish") === 1);
  await eventually(() => !a.healthy, 15_000);
  await eventually(() => a.healthy, 15_000);
  a.publish("t", "hi");
  await inbox.until("t a hi");
});

redisTest("RedisBus opens while there is no Redis, is not healthy, and heals when there is one", async () => {
  await using redis = await RedisServer.reserve();
  const faults: unknown[] = [];
  const startedAt = Date.now();
  await using a = await open(redis.url, "a", { onFault: (error) => faults.push(error) });
  await using b = await open(redis.url, "b");
  assertLess(Date.now() - startedAt, 5_000);
  assertFalse(a.healthy);
  await assertRefused("unavailable", () => a.ping());
  const inbox = await Inbox.of(b, "t");
  await eventually(() => faults.length > 0);
  await redis.restart();
  await eventually(() => a.healthy && b.healthy && inbox.gaps.length > 0, 20_000);
  a.publish("t", "hi");
  await inbox.until("t a hi");
});

redisTest("RedisBus opens within its deadline where Redis takes the connection and says nothing", async () => {
  await using redis = await RedisServer.start();
  redis.freeze();
  const startedAt = Date.now();
  await using a = await open(redis.url, "a", { connectTimeoutMs: 500 });
  assertLess(Date.now() - startedAt, 3_000);
  assertFalse(a.healthy);
  redis.thaw();
  await eventually(() => a.healthy, 20_000);
  await a.ping();
});

redisTest("RedisBus ping() rejects in time while Redis is frozen, and it heals when Redis goes on", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a", QUICK);
  await using b = await open(redis.url, "b", QUICK);
  const inbox = await Inbox.of(b, "t");
  redis.freeze();
  const startedAt = Date.now();
  await assertRefused("unavailable", () => a.ping());
  assertLess(Date.now() - startedAt, 3_000);
  await eventually(() => !a.healthy && !b.healthy, 15_000);
  redis.thaw();
  await eventually(() => a.healthy && b.healthy, 20_000);
  await eventually(() => {
    a.publish("t", "hi");
    return inbox.lines.includes("t a hi");
  }, 15_000);
});

redisTest("RedisBus finds by its probe that it hears nothing any more, and listens anew", async () => {
  await using redis = await RedisServer.start();
  await using valve = new Valve(redis.port);
  const faults: unknown[] = [];
  const options = { ...QUICK, ...ONLY_PROBE, onFault: (error: unknown) => faults.push(error) };
  await using deaf = await open(`redis://127.0.0.1:${valve.port}`, "deaf", options);
  await using other = await open(redis.url, "other");
  const inbox = await Inbox.of(deaf, "t");
  other.publish("t", "before");
  await inbox.until("t other before");
  assertEquals(valve.silence("subscribe"), 1);
  other.publish("t", "unheard");
  await eventually(() => inbox.gaps.includes("all"), 15_000);
  assertEquals(String(faults[0]), "Error: Redis took posts and gave none of them back for 600 ms");
  other.publish("t", "after");
  await inbox.until("t other after");
  assertFalse(inbox.lines.includes("t other unheard"));
});

redisTest("RedisBus finds by its silence that a connection is dead", async () => {
  await using redis = await RedisServer.start();
  await using valve = new Valve(redis.port);
  const options = { pingIntervalMs: 100, socketTimeoutMs: 600, probeIntervalMs: 600_000 };
  await using deaf = await open(`redis://127.0.0.1:${valve.port}`, "deaf", options);
  const inbox = await Inbox.of(deaf, "t");
  assertEquals(valve.silence("subscribe"), 1);
  await eventually(() => inbox.gaps.includes("all"), 15_000);
});

redisTest(
  "RedisBus drops whole posts where its buffer is full, counts them, and the others are told of a gap",
  async () => {
    await using redis = await RedisServer.start();
    await using a = await open(redis.url, "a", { maxBuffered: 10_000 });
    await using b = await open(redis.url, "b");
    const inbox = await Inbox.of(b, "t", "u", "v");
    for (const topic of ["t", "u", "v"]) a.publish(topic, topic.repeat(6_000));
    await inbox.until(`t a ${"t".repeat(6_000)}`);
    assertEquals([a.stats.dropped, inbox.lines.length], [2, 1]);
    a.publish("t", "behind");
    await inbox.until("t a behind");
    a.publish("u", "behind");
    await inbox.until("u a behind");
    await eventually(() => inbox.gaps.length === 2);
    assertEquals(inbox.gaps.toSorted(), [["u"], ["v"]]);
  },
);

redisTest("RedisBus drops a message that is too long, and the others are told of a gap", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a");
  await using b = await open(redis.url, "b");
  const inbox = await Inbox.of(b, "t");
  for (const message of ["first", "x".repeat(5_000_000), "last"]) a.publish("t", message);
  await inbox.until("t a last");
  assertEquals(inbox.lines, ["t a first", "t a last"]);
  assertEquals([a.stats.dropped, inbox.gaps], [1, [["t"]]]);
});

redisTest("RedisBus ignores a post that is too long", async () => {
  await using network = await openNetwork(await RedisServer.start());
  const a = await network.join("a");
  await a.subscribe("t", () => {});
  await network.injectRaw("t", "[".repeat(5_000_000));
  await eventually(() => a.stats.ignored === 1, 15_000);
});

redisTest("RedisBus keeps the order and loses nothing where a turn is cut into several posts", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a");
  await using b = await open(redis.url, "b");
  const inbox = await Inbox.of(b, "t");
  const messages = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(100_000, "."));
  for (const message of messages) a.publish("t", message);
  await eventually(() => inbox.lines.length === 40, 20_000);
  assertEquals(inbox.lines, messages.map((message) => `t a ${message}`));
  assertEquals([a.stats.posts, inbox.gaps], [4, []]);
});

redisTest("RedisBus unsubscribe() leaves nothing in Redis where the subscription was not answered yet", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a");
  const subscribing = a.subscribe("t", () => {});
  for (let n = 0; n < 5; n++) await Promise.resolve(); // it is sent
  await Promise.all([a.unsubscribe("t"), subscribing]);
  assertEquals(await redis.cli("pubsub", "channels", "chat:topic:*"), "\n");
});

// Access and isolation

redisTest("RedisBus signs in as the user of the URL, who needs no more than its channels", async () => {
  const access = ["resetchannels", "&chat:*", "-@all", "+publish", "+subscribe", "+unsubscribe", "+ping", "+hello"];
  const args = () => ["--user", "chat", "on", ">s@crt/:é", ...access, "--user", "default", "off"];
  await using redis = await RedisServer.start({ args });
  const url = `redis://chat:${encodeURIComponent("s@crt/:é")}@127.0.0.1:${redis.port}`;
  await using a = await open(url, "a");
  await using b = await open(url, "b");
  const inbox = await Inbox.of(b, "t");
  a.publish("t", "hi");
  await inbox.until("t a hi");
  await a.ping();
});

redisTest("RedisBus is not healthy with a wrong password and shows the password to nobody", async () => {
  await using redis = await RedisServer.start({ args: () => ["--requirepass", "right"] });
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  await using a = await open(`redis://:wrong-one@127.0.0.1:${redis.port}`, "a", { onFault });
  assertFalse(a.healthy);
  await eventually(() => faults.length > 2);
  assertFalse(faults.map((fault) => Deno.inspect(fault)).join().includes("wrong-one"));
  await using b = await open(`redis://:right@127.0.0.1:${redis.port}`, "b");
  await b.ping();
});

redisTest("RedisBus tells chats of other prefixes apart", async () => {
  await using redis = await RedisServer.start();
  await using a = await open(redis.url, "a", { prefix: "one:" });
  await using b = await open(redis.url, "b", { prefix: "two:" });
  await using c = await open(redis.url, "c", { prefix: "one:" });
  const [foreign, own] = [await Inbox.of(b, "t"), await Inbox.of(c, "t")];
  a.publish("t", "hi");
  await own.until("t a hi");
  assertEquals(foreign.lines, []);
});

redisTest("RedisBus speaks TLS with the authority it is given, and with no other", async () => {
  await using redis = await RedisServer.start({ prepare: makeCertificate, args: withTls });
  const url = `rediss://localhost:${redis.port}`;
  const tlsCa = await Deno.readTextFile(`${redis.folder}/cert.pem`);
  await using a = await open(url, "a", { tlsCa });
  await using b = await open(url, "b", { tlsCa });
  const inbox = await Inbox.of(b, "t");
  a.publish("t", "hi");
  await inbox.until("t a hi");
  await using c = await open(url, "c");
  assertFalse(c.healthy);
});

async function makeCertificate(folder: string): Promise<void> {
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  const extensions = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:false"];
  const { success } = await new Deno.Command("openssl", {
    args: [...request, ...extensions, "-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`],
    stdout: "null",
    stderr: "null",
  }).output();
  assert(success, "openssl made no certificate");
}

function withTls(folder: string, port: number): string[] {
  const files = ["--tls-cert-file", `${folder}/cert.pem`, "--tls-key-file", `${folder}/key.pem`];
  return ["--port", "0", "--tls-port", String(port), ...files, "--tls-auth-clients", "no"];
}

// Sentinel and cluster

redisTest("RedisBus asks the sentinels for the master", async () => {
  await using master = await RedisServer.start();
  await using sentinel = await RedisServer.start({
    prepare: (folder) =>
      Deno.writeTextFile(`${folder}/sentinel.conf`, `sentinel monitor main 127.0.0.1 ${master.port} 1\n`),
    sentinel: true,
  });
  await using a = await open(`redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/main`, "a");
  await using b = await open(master.url, "b");
  const inbox = await Inbox.of(b, "t");
  a.publish("t", "hi");
  await inbox.until("t a hi");
  await a.ping();
});

redisTest("RedisBus posts on the shards of a cluster, and heals when one of them was away", async () => {
  await using cluster = await RedisCluster.start();
  await using a = await open(cluster.url, "a", QUICK);
  await using b = await open(cluster.url, "b", QUICK);
  const topics = Array.from({ length: 30 }, (_, n) => `t${n}`);
  const inbox = await Inbox.of(b, ...topics);
  for (const topic of topics) a.publish(topic, "hi");
  for (const topic of topics) await inbox.until(`${topic} a hi`);
  await a.ping();
  const shards = await Promise.all(cluster.nodes.map((node) => node.cli("pubsub", "shardchannels", "chat:topic:*")));
  assert(shards.every((channels) => channels.trim() !== ""), "a node carries nothing");
  assertEquals(shards.join("").trim().split("\n").length, topics.length);
  await b.unsubscribe("t0");
  for (const topic of ["t0", "t1"]) a.publish(topic, "again");
  await inbox.until("t1 a again");
  assertFalse(inbox.lines.includes("t0 a again"));

  const [node] = cluster.nodes;
  await node?.crash();
  await eventually(() => inbox.gaps.length > 0 || (a.publish("t1", "x"), false), 20_000);
  await node?.restart();
  await eventually(() => {
    for (const topic of topics) a.publish(topic, "back");
    return topics.slice(1).every((topic) => inbox.lines.includes(`${topic} a back`));
  }, 30_000);
});
