import { assert, assertEquals } from "@std/assert";
import { loadConfig } from "../../src/config.ts";
import { WorkerThread } from "../../src/workers.ts";
import { Ledger, type Message } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { PhoenixClient, type PhoenixRoom } from "../support/phoenix_client.ts";
import { RestClient } from "../support/rest_client.ts";
import { given, resumePoint } from "../support/resuming.ts";
import { linesOf } from "../support/talker.ts";

const CLIENTS = 16;

/** Two threads on one port and one file, the second of which can be told to die. */
async function startThreads(folder: string): Promise<{ port: number; threads: WorkerThread[]; log: string[] }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const log: string[] = [];
  const note = (message: string) => void log.push(message);
  const config = loadConfig({
    PORT: String(port),
    CHAT_STORE_URL: `sqlite:${folder}/chat.db`,
    CHAT_LOG_LEVEL: "error",
    CHAT_DRAIN_WINDOW: "0",
    CHAT_DRAIN_TIMEOUT: "1",
  });
  const shared = { busUrl: `workers:${crypto.randomUUID()}`, sessionSecret: crypto.randomUUID() };
  const threads: WorkerThread[] = [];
  for (const nodeName of ["node_1", "node_2"]) {
    const thread = new WorkerThread({
      config: { ...config, nodeName },
      version: "0",
      shared,
      log: { info: note, error: note } as never,
      program: new URL("../fixtures/mortal_worker.ts", import.meta.url),
    });
    await thread.start();
    threads.push(thread);
  }
  return { port, threads, log };
}

/** Sends until it is acknowledged: the connection may end at the thread that dies. */
async function post(sender: RestClient, content: string): Promise<Message> {
  return await eventually(async () => (await sender.post("general", { content, nonce: content })).message, 15_000);
}

Deno.test("a worker thread that crashes is started again, and its clients come back without loss", async () => {
  const folder = await Deno.makeTempDir({ prefix: "chat-" });
  await using closing = new AsyncDisposableStack();
  closing.defer(() => Deno.remove(folder, { recursive: true }));
  const { port, threads, log } = await startThreads(folder);
  closing.defer(async () => {
    await Promise.all(threads.map((thread) => thread.stop()));
  });
  const url = `http://127.0.0.1:${port}`;
  const rooms = Array.from({ length: CLIENTS }, (_, n) => {
    const params = { token: `js_${n}` };
    const client = closing.use(new PhoenixClient("1.8", `ws://127.0.0.1:${port}/socket`, { params }));
    let room: PhoenixRoom | undefined;
    return room = client.room("general", () => resumePoint("last_seq", room?.streams ?? []));
  });
  for (const room of rooms) assertEquals((await room.joined).status, "ok");

  const ledger = new Ledger();
  const sender = new RestClient(url, "sender");
  let said = 0;
  for (const content of linesOf("sender", 60)) {
    ledger.send("sender", content);
    if (said === 20) {
      const death = new BroadcastChannel("mortal node_2");
      death.postMessage("die");
      await eventually(() => log.includes("a worker crashed and is started again"));
      death.close();
    }
    ledger.acknowledge(content, await post(sender, content));
    said++;
  }
  await eventually(() => log.includes("a worker is back"), 15_000);
  const history = await sender.history("general");
  await eventually(() => rooms.every(({ streams }) => given(streams).length >= history.length), 15_000);
  assertEquals(ledger.findings(history, rooms.flatMap(({ streams }) => streams)), []);
  for (const { streams } of rooms) assertEquals(given(streams).map(({ id }) => id), history.map(({ id }) => id));
  assert(rooms.some(({ streams }) => streams.length > 1), "nobody was at the thread that crashed");
});
