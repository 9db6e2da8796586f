import { assert, assertEquals } from "@std/assert";
import { BroadcastChannelBus } from "../../src/pubsub/broadcast_channel_bus.ts";
import { testBus } from "../conformance/bus.ts";
import { eventually } from "../support/eventually.ts";
import { Inbox } from "./support/inbox.ts";

testBus("BroadcastChannelBus", {
  gaps: "all",
  open() {
    const name = crypto.randomUUID();
    const stack = new AsyncDisposableStack();
    const channel = stack.adopt(new BroadcastChannel(name), (channel) => channel.close());
    return Promise.resolve({
      join: (instance, onFault = () => {}) =>
        Promise.resolve(stack.use(new BroadcastChannelBus({ instance, name, onFault }))),
      inject(topic, envelope) {
        channel.postMessage({ ...envelope, m: envelope.m.flatMap((message) => [topic, message]) });
        return Promise.resolve();
      },
      injectRaw(_topic, data) {
        channel.postMessage(data);
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    });
  },
});

function open(instance: string, name: string): BroadcastChannelBus {
  return new BroadcastChannelBus({ instance, name, onFault: () => {} });
}

Deno.test("BroadcastChannelBus onGap() hears of posts that were lost on a thread that lagged behind", async () => {
  await using bus = open("main", "lagging");
  const worker = new Worker(new URL("./support/busy_worker.ts", import.meta.url), { type: "module" });
  const said: unknown[] = [];
  worker.onmessage = ({ data }) => said.push(data);
  const awake = new Int32Array(new SharedArrayBuffer(4));
  worker.postMessage({ name: "lagging", awake });
  await eventually(() => said[0] === "ready", 30_000);
  for (const message of ["stop", ...Array.from({ length: 400 }, (_, n) => String(n)), "last"]) {
    bus.publish("t", message);
    const posts = bus.stats.posts;
    while (bus.stats.posts === posts) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  Atomics.store(awake, 0, 1);
  Atomics.notify(awake, 0);
  const { received, gaps } = await eventually(() => said[1] as { received: number; gaps: number } | undefined, 30_000);
  worker.terminate();
  assert(received < 402, "nothing was lost: there is nothing to tell");
  assertEquals(gaps, 1);
});

Deno.test("BroadcastChannelBus tells buses of other names apart", async () => {
  await using one = open("a", "one");
  await using two = open("b", "two");
  await using three = open("c", "one");
  const [foreign, own] = [await Inbox.of(two, "t"), await Inbox.of(three, "t")];
  one.publish("t", "hi");
  await own.until("t a hi");
  assertEquals(foreign.lines, []);
});
