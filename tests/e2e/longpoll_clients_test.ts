import { assertEquals, assertMatch } from "@std/assert";
import { type Ack, Ledger } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { SECRET, tokenFor } from "../support/jwt.ts";
import { PHOENIX_VERSIONS, PhoenixClient, type PhoenixRoom, type PhoenixVersion } from "../support/phoenix_client.ts";
import type { SocketOptions } from "../support/phoenix.d.ts";
import { longPollOptions } from "../support/phoenix_longpoll.ts";
import { PollStage } from "../support/poll_stage.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { linesOf, sayAll, Talker } from "../support/talker.ts";
import { TestService } from "../support/test_service.ts";
import { withXmlHttpRequest } from "../support/xml_http_request.ts";

/** A service and clients of one version that poll; 1.8 with `fetch`, the others with what browsers had before. */
class Stage<Service extends AsyncDisposable & { socketUrl: string }> implements AsyncDisposable {
  readonly #closing = new AsyncDisposableStack();

  constructor(readonly version: PhoenixVersion, readonly service: Service) {
    this.#closing.use(service);
    if (version !== "1.8") this.#closing.use(withXmlHttpRequest());
  }

  connect(options: SocketOptions): PhoenixClient {
    const polling = longPollOptions(this.version, options);
    return this.#closing.use(new PhoenixClient(this.version, this.service.socketUrl, polling));
  }

  join(userId: string): Promise<PhoenixRoom> {
    return this.connect({ params: { token: userId } }).join("general");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closing.disposeAsync();
  }
}

function everyVersion(name: string, test: (stage: Stage<TestService>) => Promise<void>): void {
  for (const version of PHOENIX_VERSIONS) {
    Deno.test(`phoenix.js ${version} over long poll: ${name}`, async () => {
      await using stage = new Stage(version, await TestService.start());
      await test(stage);
    });
  }
}

async function say(room: PhoenixRoom, content: string): Promise<Ack> {
  const { status, response } = await room.push("new_message", { content });
  assertEquals(status, "ok", JSON.stringify(response));
  return response as unknown as Ack;
}

everyVersion("a join is answered with the history (4.8)", async (stage) => {
  const alice = await stage.join("alice");
  await say(alice, "one");
  await say(alice, "two");
  const { streams: [seen] } = await stage.join("bob");
  assertEquals(seen?.reply?.messages.map(({ content }) => content), ["one", "two"]);
  assertEquals(seen?.reply?.head_seq, 2);
});

everyVersion("a send is answered and reaches everybody once (4.2)", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  const { id, seq } = await say(alice, "hello 😀");
  await eventually(() => alice.contents.length > 0 && bob.contents.length > 0);
  assertEquals(bob.messages.map((message) => [message.id, message.seq, message.user_id]), [[id, seq, "alice"]]);
  assertEquals(alice.messages, bob.messages);
});

everyVersion("typing is seen by the others, not by the sender (4.8)", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  await alice.push("typing");
  await alice.push("stop_typing");
  await say(bob, "fence");
  await eventually(() => alice.contents.length > 0 && bob.contents.length > 0);
  assertEquals(bob.payloads("user_typing"), [{ user_id: "alice" }]);
  assertEquals(bob.payloads("user_stopped_typing"), [{ user_id: "alice" }]);
  assertEquals(alice.payloads("user_typing"), []);
});

everyVersion("a channel is left and joined again (3.7)", async (stage) => {
  const client = stage.connect({ params: { token: "alice" } });
  const first = await client.join("general");
  assertEquals((await first.leave()).status, "ok");
  await eventually(() => client.frames.some(({ event }) => event === "phx_close"));
  const second = await client.join("general");
  await say(second, "again");
  await eventually(() => second.contents.length > 0);
  assertEquals([first.contents, second.contents], [[], ["again"]]);
});

everyVersion("150 pushes in one go are acknowledged and seen in their order (7.4)", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  const contents = Array.from({ length: 150 }, (_, n) => `line ${n}`);
  if (stage.version === "1.6") { // posts each by itself, all at once: their order on the way is not its own
    await Promise.all(contents.map((content) => say(alice, content)));
    await eventually(() => bob.contents.length === 150);
    assertEquals(bob.contents.toSorted(), contents.toSorted());
    return;
  }
  const answered: [content: string, seq: number][] = [];
  await Promise.all(contents.map(async (content) => answered.push([content, (await say(alice, content)).seq])));
  assertEquals(answered, contents.map((content, n) => [content, n + 1]));
  await eventually(() => bob.contents.length === 150);
  assertEquals(bob.contents, contents);
});

for (const version of PHOENIX_VERSIONS) {
  Deno.test(`phoenix.js ${version} over long poll: a token in the params names the user (7.2)`, async () => {
    await using stage = new Stage(version, await TestService.start({ env: "production", secretKeyBase: SECRET }));
    const alice = await stage.join(await tokenFor("alice"));
    await say(alice, "hello");
    await eventually(() => alice.messages.length > 0);
    assertEquals(alice.messages[0]?.user_id, "alice");
  });

  Deno.test(`phoenix.js ${version} over long poll: comes back and rejoins after a disconnect (7.5)`, async () => {
    const server = await PollStage.start();
    await using stage = new Stage(version, server);
    const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
    assertEquals((await bob.push("ping")).status, "ok");
    assertEquals(server.clients.disconnect("alice"), 1);
    await eventually(() => alice.streams.length === 2);
    await say(bob, "hello");
    await eventually(() => alice.contents.includes("hello"));
  });

  Deno.test(`phoenix.js ${version} over long poll: rejoins by itself when the server was killed (4.7)`, async () => {
    await using stage = new Stage(version, await Server.start());
    const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
    await say(alice, "before");
    await stage.service.crash();
    await stage.service.restart();
    await eventually(() => alice.streams.length >= 2 && bob.streams.length >= 2, 10_000);
    assertEquals(bob.streams.at(-1)?.reply?.messages.map(({ content }) => content), ["before"]);
    await say(alice, "after");
    await eventually(() => bob.contents.includes("after"));
    assertEquals(bob.contents.filter((content) => content === "after").length, 1);
  });
}

Deno.test("phoenix.js 1.8 over long poll: an authToken names the user (1.8)", async () => {
  await using stage = new Stage("1.8", await TestService.start({ env: "production", secretKeyBase: SECRET }));
  const alice = await stage.connect({ authToken: await tokenFor("alice") }).join("general");
  await say(alice, "hello");
  await eventually(() => alice.messages.length > 0);
  assertEquals(alice.messages[0]?.user_id, "alice");
  assertMatch(alice.messages[0]?.id ?? "", /./);
});

Deno.test("a room of WebSockets, long polls and both versions of the wire agrees on one order (7.1)", async () => {
  await using server = await Server.start();
  await using closing = new AsyncDisposableStack();
  closing.use(withXmlHttpRequest());
  const polling = await Promise.all(PHOENIX_VERSIONS.map((version) => {
    const options = longPollOptions(version, { params: { token: `poll_${version}` } });
    return closing.use(new PhoenixClient(version, server.socketUrl, options)).join("general");
  }));
  const talkers = await Promise.all(([1, 2] as const).map(async (version) => {
    const options = { userId: `socket_${version}`, version };
    return closing.use(await Talker.join(server.socketUrl, options, "general"));
  }));
  const ledger = new Ledger();
  const overPolls = polling.map(async (room, n) => {
    const userId = `poll_${PHOENIX_VERSIONS[n]}`;
    for (const content of linesOf(userId, 40)) {
      ledger.send(userId, content);
      ledger.acknowledge(content, await say(room, content));
    }
  });
  await Promise.all([...overPolls, ...talkers.map((talker) => sayAll(talker, ledger, linesOf(talker.userId, 40)))]);
  const receivers = [...polling, ...talkers];
  await eventually(() => receivers.every(({ messages }) => messages.length === 200));
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(ledger.findings(history, receivers.flatMap(({ streams }) => streams)), []);
  assertEquals(ledger.acknowledged, 200);
});
