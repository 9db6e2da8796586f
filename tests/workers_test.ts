import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadConfig } from "../src/config.ts";
import { ChatError } from "../src/errors.ts";
import { WorkerThread } from "../src/workers.ts";
import { eventually } from "./support/eventually.ts";

/** A thread that behaves as `nodeName` says, and what is logged of it. */
function thread(nodeName: string): { thread: WorkerThread; log: string[] } {
  const log: string[] = [];
  const note = (message: string) => void log.push(message);
  return {
    log,
    thread: new WorkerThread({
      config: { ...loadConfig({ CHAT_DRAIN_TIMEOUT: "1" }), nodeName },
      version: "0",
      shared: { busUrl: "workers:", sessionSecret: "" },
      log: { info: note, error: note } as never,
      program: new URL("./fixtures/crashing_worker.ts", import.meta.url),
    }),
  };
}

Deno.test("WorkerThread starts, and stops when it is told to", async () => {
  const { thread: worker, log } = thread("works");
  await worker.start();
  await worker.stop();
  assertEquals(log, []);
});

Deno.test("WorkerThread that crashes is started again, later each time", async () => {
  const { thread: worker, log } = thread("crashes");
  const startedAt = performance.now();
  await worker.start();
  await eventually(() => log.filter((line) => line === "a worker is back").length >= 2, 10_000);
  assert(performance.now() - startedAt >= 600);
  await worker.stop();
  const lines = log.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assertEquals(log.length, lines);
});

for (const [name, message] of [["fails", "no storage"], ["dies at start", "died"]] as const) {
  Deno.test(`WorkerThread that ${name}: start() rejects with what was wrong`, async () => {
    const { thread: worker } = thread(name);
    await assertRejects(() => worker.start(), ChatError, message);
    worker.end();
  });
}

Deno.test("WorkerThread that waits to be started again can be stopped", async () => {
  const { thread: worker, log } = thread("crashes");
  await worker.start();
  await eventually(() => log.length === 1);
  await worker.stop();
  assertEquals(log, ["a worker crashed and is started again"]);
});
