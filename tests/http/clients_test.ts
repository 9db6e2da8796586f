import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { PollStage } from "../support/poll_stage.ts";
import { ask, PollSession } from "../support/poll_session.ts";
import { RawClient } from "../support/raw_client.ts";
import { TcpClient } from "../support/tcp_client.ts";
import { TestService } from "../support/test_service.ts";

const HEARTBEAT = `[null,"1","phoenix","heartbeat",{}]`;

Deno.test("Clients disconnect() ends all long-poll sessions of a user and no other (7.5)", async () => {
  await using stage = await PollStage.start();
  const [here, there, bob] = [
    await PollSession.join(stage.url, "alice"),
    await PollSession.join(stage.url, "alice"),
    await PollSession.join(stage.url, "bob"),
  ];
  assertEquals(stage.clients.disconnect("alice"), 2);
  assertEquals([await here.post(HEARTBEAT), await there.post(HEARTBEAT)], [410, 410]);
  assertEquals([await here.poll(), await there.poll()], [{ status: 403 }, { status: 403 }]);
  assertEquals((await bob.push("ping")).status, "ok");
  await bob.until(() => bob.events("presence_diff").some(({ leaves }) => Object.hasOwn(leaves as object, "alice")));
  assertEquals((await PollSession.open(stage.url, "token=alice&vsn=2.0.0")).messages, []);
});

Deno.test("Clients counts long-poll sessions among maxSockets; one more is answered with 403 (7.1)", async () => {
  await using service = await TestService.start({ maxSockets: 3 });
  const first = await PollSession.open(service.url);
  await PollSession.open(service.url);
  await using socket = await RawClient.connect(service.socketUrl);
  await socket.join("general");
  assertEquals(await ask(service.url, "vsn=2.0.0"), { status: 403 });
  await assertRejects(() => TcpClient.upgrade(service.port), Error, "503");
  assertEquals(await first.post(HEARTBEAT), 200);
  assertEquals((await first.poll()).status, 200);
  assertEquals(await first.post("not json"), 410);
  await eventually(async () => (await ask(service.url, "vsn=2.0.0")).status === 410);
});

Deno.test("Clients drain() tells long-poll sessions, then ends them, and takes no more (9)", async () => {
  await using stage = await PollStage.start();
  const session = await PollSession.join(stage.url, "alice");
  const quiet = await PollSession.open(stage.url);
  const polled = quiet.poll();
  await ask(stage.url, "vsn=0");
  const start = performance.now();
  const drained = stage.clients.drain(1_000);
  await drained;
  assertLess(performance.now() - start, 900);
  assertEquals(stage.clients.size, 0);
  assertEquals(await polled, { status: 403 });
  assertEquals([await session.post(HEARTBEAT), (await session.poll()).status], [410, 403]);
  assertEquals(await ask(stage.url, "vsn=2.0.0"), { status: 403 });
});

Deno.test("Clients drain() lets the poll that waits hear of it before its session ends (9)", async () => {
  await using service = await TestService.start({ drainWindowMs: 300 });
  const session = await PollSession.join(service.url, "alice");
  await session.until(() => session.events("presence_diff").length > 0);
  const polled = session.poll();
  await ask(service.url, "vsn=0");
  const stopped = service.stop();
  assertEquals((await polled).status, 200);
  assertEquals(session.events("system").map(({ code }) => code), ["draining"]);
  await stopped;
});
