/**
 * An instance on a thread of its own that is busy while others post: it stands still from the message `stop` until it is woken.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { BroadcastChannelBus } from "../../../src/pubsub/broadcast_channel_bus.ts";

self.onmessage = async ({ data: { name, awake } }: MessageEvent<{ name: string; awake: Int32Array }>) => {
  const bus = new BroadcastChannelBus({ instance: "busy", name, onFault: () => {} });
  let received = 0;
  await bus.subscribe("t", async (message) => {
    received++;
    if (message === "stop") Atomics.wait(awake, 0, 0, 20_000);
    if (message !== "last") return;
    self.postMessage({ received, gaps: bus.stats.gaps });
    await bus[Symbol.asyncDispose]();
  });
  self.postMessage("ready");
};
