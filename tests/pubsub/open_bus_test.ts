import { assert, assertEquals, assertFalse, assertInstanceOf, assertNotEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { BroadcastChannelBus } from "../../src/pubsub/broadcast_channel_bus.ts";
import { LocalBus } from "../../src/pubsub/local_bus.ts";
import { openBus } from "../../src/pubsub/open_bus.ts";
import { RedisBus } from "../../src/pubsub/redis_bus.ts";
import { eventually } from "../support/eventually.ts";
import { RedisServer, redisTest } from "../support/redis_server.ts";

Deno.test("openBus() opens a bus for one instance alone", async () => {
  await using bus = await openBus({ url: "local:" });
  assertInstanceOf(bus, LocalBus);
});

Deno.test("openBus() opens a bus between worker threads", async () => {
  await using bus = await openBus({ url: "workers:", instance: "me" });
  await using named = await openBus({ url: "workers:blue" });
  assertInstanceOf(bus, BroadcastChannelBus);
  assertInstanceOf(named, BroadcastChannelBus);
  assertEquals(bus.instance, "me");
});

Deno.test("openBus() makes up a name for each instance", async () => {
  await using one = await openBus({ url: "local:" });
  await using two = await openBus({ url: "local:" });
  assertNotEquals(one.instance, two.instance);
});

Deno.test("openBus() rejects with invalid what names no bus, without showing it", async () => {
  for (
    const url of ["", "redis", "http://secret@host", "local", "workers:a b", "redis+ring://secret@host", "redis://a,b"]
  ) {
    const error = await assertRejects(() => openBus({ url }), ChatError);
    assertEquals(error.code, "invalid");
    assertFalse(error.message.includes("secret"));
  }
});

Deno.test("openBus() resolves where there is no Redis", async () => {
  const faults: unknown[] = [];
  await using bus = await openBus({ url: "redis://127.0.0.1:1", onFault: (error) => faults.push(error) });
  assert(bus instanceof RedisBus);
  assertFalse(bus.healthy);
  await eventually(() => faults.length > 2);
});

redisTest("openBus() needs no permission but the network", async () => {
  await using redis = await RedisServer.start();
  const module = new URL("../../src/pubsub/open_bus.ts", import.meta.url).pathname;
  const script = `import { openBus } from ${JSON.stringify(module)};
    const bus = await openBus({ url: Deno.args[0] });
    await bus.subscribe("t", () => {});
    await bus.ping();
    await bus[Symbol.asyncDispose]();
    await Deno.stdout.write(new TextEncoder().encode("done"));`;
  await Deno.writeTextFile(`${redis.folder}/main.ts`, script);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const flags = ["--no-prompt", "--allow-net", `--config=${config}`];
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...flags, `${redis.folder}/main.ts`, redis.url],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals(new TextDecoder().decode(stdout), "done");
});
