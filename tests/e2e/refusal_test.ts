import { assert, assertEquals } from "@std/assert";
import { type Config, loadConfig } from "../../src/config.ts";
import { ChatError, type ErrorCode } from "../../src/errors.ts";
import { Connection } from "../../src/phoenix/connection.ts";
import { startService } from "../../src/service.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import type { PhoenixFrame } from "../support/phoenix.d.ts";
import { PHOENIX_VERSIONS, PhoenixClient, type PhoenixVersion } from "../support/phoenix_client.ts";
import { RawClient } from "../support/raw_client.ts";
import { TestService } from "../support/test_service.ts";

/** What the server said in a topic, without what does not matter here. */
function said(client: PhoenixClient, channelId: string): PhoenixFrame[] {
  return client.frames.filter(({ topic }) => topic === `text_channel:${channelId}`);
}

/** Resolves when a join that is refused for now, made by the same version of phoenix.js after this is called, has been tried again. */
async function untilARetry(version: PhoenixVersion, service: TestService): Promise<void> {
  await using client = new PhoenixClient(version, service.socketUrl, { params: { token: "retry" } });
  await client.join("general");
  const { response } = await client.room("random").joined;
  assertEquals(response, { reason: "too many channels joined" });
  await eventually(() => said(client, "random").length >= 2, 15_000);
}

function everyVersion(
  name: string,
  settings: Partial<Config>,
  test: (client: PhoenixClient, service: TestService, version: PhoenixVersion) => Promise<void>,
): void {
  for (const version of PHOENIX_VERSIONS) {
    Deno.test(`phoenix.js ${version}: ${name}`, async () => {
      await using service = await TestService.start({ maxTopics: 1, ...settings });
      await using client = new PhoenixClient(version, service.socketUrl, { params: { token: "alice" } });
      await test(client, service, version);
    });
  }
}

const FOR_GOOD: readonly [what: string, channelId: string, reason: ErrorCode, settings: Partial<Config>][] = [
  ["an invalid channel id", "no such id!", "invalid", {}],
  ["an unknown channel where none are made", "nowhere", "not_found", { adHocChannels: false }],
];

for (const [what, channelId, reason, settings] of FOR_GOOD) {
  everyVersion(`a join of ${what} hears the error, then phx_close, and is not tried again (4.4)`, settings, async (
    client,
    service,
    version,
  ) => {
    const room = client.room(channelId);
    const { status, response } = await room.joined;
    assertEquals([status, response.reason], ["error", reason]);
    await untilARetry(version, service);
    const [refusal, close, ...more] = said(client, channelId);
    assertEquals([refusal?.event, refusal?.payload.status], ["phx_reply", "error"]);
    const ref = refusal?.ref ?? "";
    assertEquals(close, {
      join_ref: ref,
      ref,
      topic: `text_channel:${channelId}`,
      event: "phx_close",
      payload: {},
    });
    assertEquals(more, []);
    assertEquals(room.payloads("phx_close"), [{}]);
  });

  everyVersion(`a join of ${what} is tried again where refused joins are not closed`, {
    ...settings,
    closeRefusedJoins: false,
  }, async (client) => {
    const room = client.room(channelId);
    const { status, response } = await room.joined;
    assertEquals([status, response.reason], ["error", reason]);
    await eventually(() => said(client, channelId).length >= 2, 15_000);
    assertEquals([...new Set(said(client, channelId).map(({ event }) => event))], ["phx_reply"]);
  });
}

everyVersion("a channel refused for good can be joined in a new channel object", { adHocChannels: false }, async (
  client,
  service,
) => {
  await client.room("nowhere").joined;
  await service.call("POST", "/api/channels", { body: { id: "nowhere", name: "now here" } });
  await client.join("nowhere");
});

everyVersion(
  "a join that is refused for now hears the error alone and is let in when there is room",
  {},
  async (client) => {
    const first = await client.join("general");
    const room = client.room("random");
    assertEquals((await room.joined).status, "error");
    await first.leave();
    await eventually(() => room.streams.length === 1, 15_000);
    assertEquals(room.payloads("phx_close"), []);
  },
);

/** What a V2 client hears of a join that its room refuses with this. */
async function refusal(error: unknown, closeRefusedJoins: boolean): Promise<unknown[]> {
  const heard: unknown[] = [];
  const connection = new Connection({
    version: 2,
    identity: { userId: "alice" },
    transport: { send: (data) => heard.push(JSON.parse(String(data))), close: () => {} },
    route: () => () => Promise.reject(error),
    maxTopics: 10,
    onCrash: () => {},
    closeRefusedJoins,
  });
  connection.receive(`["4","9","room","phx_join",{}]`);
  await connection.settled();
  return heard;
}

for (const code of ["invalid", "forbidden", "not_found"] as const) {
  Deno.test(`Connection closes a join refused as ${code} under the join's own join_ref (3.3, 4.4)`, async () => {
    const [reply, ...rest] = await refusal(new ChatError(code, "No."), true);
    assertEquals(reply, ["4", "9", "room", "phx_reply", {
      status: "error",
      response: { reason: code, message: "No." },
    }]);
    assertEquals(rest, [["4", "4", "room", "phx_close", {}]]);
  });

  Deno.test(`Connection does not close a join refused as ${code} where it is not asked to`, async () => {
    assertEquals((await refusal(new ChatError(code, "No."), false)).length, 1);
  });
}

for (const code of ["unauthorized", "conflict", "too_large", "rate_limited", "internal", "unavailable"] as const) {
  Deno.test(`Connection does not close a join refused as ${code}, which may change`, async () => {
    assertEquals((await refusal(new ChatError(code, "No."), true)).length, 1);
  });
}

Deno.test("Connection does not close a join that crashed (3.3)", async () => {
  assertEquals((await refusal(new Error("a fault"), true)).length, 1);
});

// disconnect

/** A service in this process of which the user `alice` has two clients and `bob` one. */
async function disconnectStage() {
  const config = loadConfig({ PORT: "0", CHAT_STORE_URL: "memory:", CHAT_DRAIN_TIMEOUT: "1" });
  const service = await startService(config, "0.0.0", openLog("error", () => {}));
  const ends = new AsyncDisposableStack();
  ends.defer(() => service.stop());
  return { service, ends, socketUrl: `ws://127.0.0.1:${service.port}/socket` };
}

Deno.test("Service disconnect() ends all of a user's sockets with 1001, and nobody else's (1.10, 6.4)", async () => {
  const { service, ends, socketUrl } = await disconnectStage();
  await using _ = ends;
  const [here, there, bob] = [
    ends.use(await RawClient.connect(socketUrl, { token: "alice" })),
    ends.use(await RawClient.connect(socketUrl, { token: "alice" })),
    ends.use(await RawClient.connect(socketUrl, { token: "bob" })),
  ];
  for (const client of [here, there, bob]) await client.join("general");
  assertEquals(service.disconnect("alice"), 2);
  await eventually(() => here.closed && there.closed);
  for (const { closed } of [here, there]) assertEquals([closed?.code, closed?.reason], [1001, "disconnected"]);
  assertEquals((await bob.push("text_channel:general", "ping", { still: "here" })).status, "ok");
  assertEquals([here.events("phx_close"), here.events("phx_error"), service.disconnect("alice")], [[], [], 0]);
});

Deno.test("Service disconnect() of a user who is not there ends nobody", async () => {
  const { service, ends, socketUrl } = await disconnectStage();
  await using _ = ends;
  const bob = ends.use(await RawClient.connect(socketUrl, { token: "bob" }));
  for (const userId of ["alice", "", "user_socket:bob", "__proto__"]) assertEquals(service.disconnect(userId), 0);
  assertEquals((await bob.push("phoenix", "heartbeat")).status, "ok");
});

Deno.test("Service disconnect() takes the user out of the channel at once (6.1)", async () => {
  const { service, ends, socketUrl } = await disconnectStage();
  await using _ = ends;
  const alice = ends.use(await RawClient.connect(socketUrl, { token: "alice" }));
  const bob = ends.use(await RawClient.connect(socketUrl, { token: "bob" }));
  for (const client of [bob, alice]) await client.join("general");
  service.disconnect("alice");
  await eventually(() => bob.events("presence_diff").some(({ leaves }) => "alice" in (leaves as object)));
});

Deno.test("Service disconnect() ends a long-poll session too (7.5)", async () => {
  const { service, ends } = await disconnectStage();
  await using _ = ends;
  const url = `http://127.0.0.1:${service.port}/socket/longpoll?vsn=2.0.0&token=alice`;
  const { token } = await (await fetch(url)).json();
  assertEquals(service.disconnect("alice"), 1);
  const post = await fetch(`${url}&token=${token}`, { method: "POST", body: `[null,"1","phoenix","heartbeat",{}]` });
  assertEquals(await post.json(), { status: 410 });
});

for (const version of PHOENIX_VERSIONS) {
  Deno.test(`phoenix.js ${version}: a client that was disconnected comes back and joins by itself (6.2, 6.4)`, async () => {
    const { service, ends, socketUrl } = await disconnectStage();
    await using _ = ends;
    const client = ends.use(new PhoenixClient(version, socketUrl, { params: { token: "alice" } }));
    const room = await client.join("general");
    assertEquals(service.disconnect("alice"), 1);
    await eventually(() => room.streams.length === 2);
    assertEquals(client.closes.map(({ code }) => code), [1001]);
    assert(client.opens === 2);
  });
}
