import { assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { Server } from "../support/server.ts";

Deno.test("a process that runs out of file descriptors keeps its sockets and accepts again when some are free", async () => {
  await using server = await Server.start({ shell: "ulimit -n 100" });
  await using client = await RawClient.connect(server.socketUrl, { token: "alice" });
  await client.join("general");
  const idle = await Promise.allSettled(
    Array.from({ length: 150 }, () => Deno.connect({ hostname: "127.0.0.1", port: server.port })),
  );
  await eventually(() => server.output.includes("Too many open files"), 10_000);
  assertEquals((await client.push("text_channel:general", "ping", { still: "here" })).response, { still: "here" });
  for (const connect of idle) if (connect.status === "fulfilled") connect.value.close();
  const status = await eventually(async () => (await fetch(`${server.url}/`)).text(), 10_000);
  assertEquals(status.includes("<title>"), true);
});
