import { assert, assertEquals, assertLess } from "@std/assert";
import { BlockedSocket, type Blocking } from "../support/blocked_socket.ts";
import { eventually } from "../support/eventually.ts";
import { PhoenixClient, type PhoenixVersion } from "../support/phoenix_client.ts";
import { fallbackOptions } from "../support/phoenix_longpoll.ts";
import { Server } from "../support/server.ts";
import { withXmlHttpRequest } from "../support/xml_http_request.ts";

const THRESHOLD_MS = 500;

for (const version of ["1.7", "1.8"] satisfies PhoenixVersion[]) {
  for (const blocking of ["refuses", "hangs"] satisfies Blocking[]) {
    Deno.test(`phoenix.js ${version} falls back to long poll where something ${blocking} WebSockets (7.6)`, async () => {
      await using server = await Server.start();
      using _xhr = withXmlHttpRequest();
      await using proxy = new BlockedSocket(server.url, blocking);
      const options = fallbackOptions(THRESHOLD_MS, { params: { token: "alice" } });
      const start = performance.now();
      await using client = new PhoenixClient(version, proxy.socketUrl, options);
      const room = await client.join("general");
      assertLess(performance.now() - start, THRESHOLD_MS + 1_000);
      assert(proxy.upgrades > 0);
      assertEquals((await room.push("new_message", { content: "hello" })).status, "ok");
      await eventually(() => room.contents.includes("hello"));
    });
  }

  Deno.test(`phoenix.js ${version} with a fallback stays on a WebSocket that works (7.6)`, async () => {
    await using server = await Server.start();
    await using client = new PhoenixClient(
      version,
      server.socketUrl,
      fallbackOptions(200, { params: { token: "alice" } }),
    );
    const room = await client.join("general");
    // Without an XMLHttpRequest a client that polled would have failed by then.
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertEquals((await room.push("ping")).status, "ok");
    assertEquals([client.opens, client.errors, client.closes.length, room.streams.length], [1, 0, 0, 1]);
  });
}
