import { assert, assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { Proxy } from "../support/proxy.ts";
import { Server } from "../support/server.ts";
import { Talker } from "../support/talker.ts";
import { TcpClient } from "../support/tcp_client.ts";

function joinAll(socketUrl: string, count: number): Promise<Talker[]> {
  const users = Array.from({ length: count }, (_, n) => `user_${n}`);
  return Promise.all(users.map((userId) => Talker.join(socketUrl, { userId }, "general", { limit: 0 })));
}

function openFiles({ pid }: Server): number {
  const { stdout } = new Deno.Command("ls", { args: [`/proc/${pid}/fd`] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").length;
}

Deno.test("500 sockets that are cut at once are all joined again within 5 s", async () => {
  await using server = await Server.start();
  await using proxy = new Proxy(server.port);
  await using speaker = await Talker.join(server.socketUrl, { userId: "speaker" }, "general");
  const cut = await joinAll(proxy.socketUrl, 500);
  proxy.cut({ afterBytes: 0 });
  await Promise.all(cut.map(({ closed }) => closed));
  const start = performance.now();
  const back = await joinAll(server.socketUrl, 500);
  assert(performance.now() - start < 5_000);
  await speaker.push("new_message", { content: "hello" });
  await Promise.all(back.map((talker) => talker.until(({ contents }) => contents.includes("hello"))));
  await Promise.all(back.map((talker) => talker[Symbol.asyncDispose]()));
});

Deno.test("sockets that were cut leave no file open", async () => {
  await using server = await Server.start();
  await using proxy = new Proxy(server.port);
  await using _first = await Talker.join(server.socketUrl, { userId: "first" }, "general");
  const before = openFiles(server);
  const cut = await joinAll(proxy.socketUrl, 100);
  assert(openFiles(server) >= before + 100);
  proxy.cut({ afterBytes: 0 });
  await Promise.all(cut.map(({ closed }) => closed));
  await eventually(() => openFiles(server) <= before);
});

/** A masked text frame of less than 126 bytes. */
function frameOf(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [0x81, 0x80 | bytes.length, 0, 0, 0, 0, ...bytes];
}

Deno.test("the code of a close reaches a client that has sent more meanwhile", async () => {
  await using server = await Server.start();
  using client = await TcpClient.upgrade(server.port);
  const heartbeats = Array.from({ length: 30 }, () => frameOf(`[null,"1","phoenix","heartbeat",{}]`));
  await client.write(new Uint8Array([...frameOf("not a frame of Phoenix"), ...heartbeats.flat()]));
  assertEquals(await client.closeCode(), 1011);
});
