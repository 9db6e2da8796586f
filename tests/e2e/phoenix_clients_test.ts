import { assertEquals, assertMatch } from "@std/assert";
import { SignJWT } from "jose";
import type { Ack, Message } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { PHOENIX_VERSIONS, PhoenixClient, type PhoenixRoom, type PhoenixVersion } from "../support/phoenix_client.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server, type ServerOptions } from "../support/server.ts";
import type { SocketOptions } from "../support/phoenix.d.ts";

const SECRET = "kX9mQ2vR7tY4wZ1pL8nB5cD3fG6hJ0sA/Ue+iOxM=";
const PRODUCTION = { CHAT_ENV: "production", HOST: "127.0.0.1", SECRET_KEY_BASE: SECRET };

/** A server and the clients of one version of phoenix.js; `await using` ends all of them. */
class Stage implements AsyncDisposable {
  readonly #clients: PhoenixClient[] = [];

  constructor(readonly version: PhoenixVersion, readonly server: Server) {}

  connect(options: SocketOptions): PhoenixClient {
    const client = new PhoenixClient(this.version, this.server.socketUrl, options);
    this.#clients.push(client);
    return client;
  }

  /** Connects a user; a development server takes the name for a token. */
  enter(userId: string): PhoenixClient {
    return this.connect({ params: { token: userId } });
  }

  /** Connects a user and joins `general`. */
  join(userId: string, params: object = {}): Promise<PhoenixRoom> {
    return this.enter(userId).join("general", params);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await this.server[Symbol.asyncDispose]();
  }
}

function each(
  versions: PhoenixVersion[],
  name: string,
  test: (stage: Stage) => Promise<void>,
  options?: ServerOptions,
) {
  for (const version of versions) {
    Deno.test(`phoenix.js ${version}: ${name}`, async () => {
      await using stage = new Stage(version, await Server.start(options));
      await test(stage);
    });
  }
}

function everyVersion(name: string, test: (stage: Stage) => Promise<void>, options?: ServerOptions): void {
  each(PHOENIX_VERSIONS, name, test, options);
}

async function say(room: PhoenixRoom, content: string): Promise<Ack> {
  const { status, response } = await room.push("new_message", { content });
  assertEquals(status, "ok", JSON.stringify(response));
  return response as unknown as Ack;
}

/** Says something and waits until it has reached these rooms: whatever came before it has reached them too. */
async function fence(from: PhoenixRoom, ...rooms: PhoenixRoom[]): Promise<void> {
  const content = `fence ${crypto.randomUUID()}`;
  await say(from, content);
  await eventually(() => rooms.every((room) => room.contents.includes(content)));
}

function withoutFences(room: PhoenixRoom): string[] {
  return room.contents.filter((content) => !content.startsWith("fence"));
}

everyVersion("a join is answered with the history, its head and its epoch", async (stage) => {
  const alice = await stage.join("alice");
  await say(alice, "one");
  await say(alice, "two");
  const { streams: [seen] } = await stage.join("bob");
  assertEquals(seen?.reply?.messages.map(({ content }) => content), ["one", "two"]);
  assertEquals(seen?.reply?.messages, await new RestClient(stage.server.url, "bob").history("general"));
  assertEquals(seen?.reply?.head_seq, 2);
  assertMatch(seen?.reply?.epoch ?? "", /./);
});

everyVersion("a join that asks for a limit gets the newest so many", async (stage) => {
  const alice = await stage.join("alice");
  for (const content of ["one", "two", "three"]) await say(alice, content);
  const { streams: [seen] } = await stage.join("bob", { limit: 2 });
  assertEquals(seen?.reply?.messages.map(({ content }) => content), ["two", "three"]);
});

everyVersion("a send is answered with id, seq and timestamp", async (stage) => {
  const alice = await stage.join("alice");
  const ack = await say(alice, "hello");
  assertEquals(Object.keys(ack).sort(), ["id", "seq", "timestamp"]);
  assertMatch(ack.id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assertEquals(ack.seq, 1);
  assertMatch(ack.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

everyVersion("the sender and the others get new_message with exactly the fields of a message", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  const { id, seq, timestamp } = await say(alice, " hello\n😀 ");
  await eventually(() => alice.messages.length > 0 && bob.messages.length > 0);
  const message: Message = {
    id,
    channel_id: "general",
    user_id: "alice",
    content: " hello\n😀 ",
    timestamp,
    seq,
    version: seq,
  };
  assertEquals(alice.messages, [message]);
  assertEquals(bob.messages, [message]);
});

everyVersion("typing and stop_typing are seen by the others, not by the sender", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  assertEquals((await alice.push("typing")).status, "ok");
  assertEquals((await alice.push("stop_typing")).status, "ok");
  await fence(bob, alice, bob);
  assertEquals(bob.payloads("user_typing"), [{ user_id: "alice" }]);
  assertEquals(bob.payloads("user_stopped_typing"), [{ user_id: "alice" }]);
  assertEquals([...alice.payloads("user_typing"), ...alice.payloads("user_stopped_typing")], []);
});

everyVersion("typing is seen in the same user's second tab", async (stage) => {
  const [here, there] = [await stage.join("alice"), await stage.join("alice")];
  await here.push("typing");
  await fence(there, here, there);
  assertEquals(there.payloads("user_typing"), [{ user_id: "alice" }]);
  assertEquals(here.payloads("user_typing"), []);
});

everyVersion("typing ends with the author's message", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  await alice.push("typing");
  await say(alice, "done");
  await eventually(() => bob.contents.length > 0);
  assertEquals(bob.payloads("user_stopped_typing"), [{ user_id: "alice" }]);
});

everyVersion("ping is answered with its own payload", async (stage) => {
  const alice = await stage.join("alice");
  assertEquals(await alice.push("ping", { n: [1, null, "ü"] }), { status: "ok", response: { n: [1, null, "ü"] } });
});

everyVersion("an empty message reaches receive('error') and nobody else", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  const { status, response } = await alice.push("new_message", { content: " " });
  assertEquals([status, response.reason], ["error", "invalid"]);
  await fence(alice, bob);
  assertEquals(withoutFences(bob), []);
});

everyVersion("an unknown event reaches receive('error') and the channel lives on", async (stage) => {
  const alice = await stage.join("alice");
  const { status, response } = await alice.push("shout", { content: "hello" });
  assertEquals([status, response.reason], ["error", "unknown_event"]);
  assertEquals((await alice.push("ping")).status, "ok");
  assertEquals(alice.payloads("phx_error"), []);
});

everyVersion("a join of a topic that is no text channel reaches receive('error')", async (stage) => {
  const room = stage.enter("alice").room("no such id!");
  const { status, response } = await room.joined;
  assertEquals([status, response.reason], ["error", "invalid"]);
});

everyVersion("leave is answered with ok and phx_close", async (stage) => {
  const client = stage.enter("alice");
  await (await client.join("general")).leave();
  await eventually(() => client.frames.some(({ event }) => event === "phx_close"));
  const [joined, left, closed] = client.frames.filter(({ event }) => event === "phx_reply" || event === "phx_close");
  assertEquals(left?.payload, { status: "ok", response: {} });
  const ref = joined?.ref ?? "";
  assertEquals(closed, { join_ref: ref, ref, topic: "text_channel:general", event: "phx_close", payload: {} });
});

everyVersion("after leave no message comes over the wire", async (stage) => {
  const [alice, client] = [await stage.join("alice"), stage.enter("bob")];
  const [left, other] = [await client.join("general"), await client.join("random")];
  await left.leave();
  await eventually(() => client.frames.some(({ event }) => event === "phx_close"));
  await say(alice, "after");
  await fence(other, other);
  assertEquals(client.frames.filter(({ topic, event }) => topic.endsWith("general") && event === "new_message"), []);
});

everyVersion("a topic that was left can be joined again on the same socket", async (stage) => {
  const [alice, client] = [await stage.join("alice"), stage.enter("bob")];
  await (await client.join("general")).leave();
  const again = await client.join("general");
  await fence(alice, again);
  assertEquals(again.messages.length, 1);
});

everyVersion("two tabs of one user both get everything once", async (stage) => {
  const [alice, here, there] = [await stage.join("alice"), await stage.join("bob"), await stage.join("bob")];
  await say(alice, "from alice");
  await say(here, "from here");
  await say(there, "from there");
  await fence(alice, here, there);
  assertEquals(withoutFences(here), ["from alice", "from here", "from there"]);
  assertEquals(withoutFences(there), ["from alice", "from here", "from there"]);
});

everyVersion("a topic joined twice on one socket gets one copy", async (stage) => {
  const [alice, client] = [await stage.join("alice"), stage.enter("bob")];
  const first = await client.join("general");
  const second = await client.join("general");
  await say(alice, "hello");
  await fence(alice, second);
  assertEquals(withoutFences(second), ["hello"]);
  assertEquals(first.contents, []);
  assertEquals(client.frames.filter(({ payload }) => payload.content === "hello").length, 1);
});

everyVersion("channels on one socket do not hear each other", async (stage) => {
  const client = stage.enter("alice");
  const [general, random] = [await client.join("general"), await client.join("random")];
  await say(random, "hello");
  await fence(general, general);
  assertEquals(withoutFences(general), []);
  assertEquals(random.contents, ["hello"]);
});

everyVersion("500 pushes in one go are acknowledged and seen in their order", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
  const contents = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  const answered: [content: string, seq: number][] = [];
  await Promise.all(contents.map(async (content) => answered.push([content, (await say(alice, content)).seq])));
  assertEquals(answered, contents.map((content, index) => [content, index + 1]));
  await eventually(() => bob.contents.length === 500);
  assertEquals(bob.contents, contents);
});

const ENDS: Record<string, (server: Server) => Promise<unknown>> = {
  "killed with SIGKILL": (server) => server.crash(),
  "stopped with SIGTERM": (server) => server.stop(),
};

for (const [ended, end] of Object.entries(ENDS)) {
  everyVersion(`when the server is ${ended} and comes back, the client rejoins by itself`, async (stage) => {
    const [alice, bob] = [await stage.join("alice"), await stage.join("bob")];
    await say(alice, "before");
    await end(stage.server);
    await stage.server.restart();
    await eventually(() => alice.streams.length === 2 && bob.streams.length === 2);
    assertEquals(bob.streams[1]?.reply?.messages.map(({ content }) => content), ["before"]);
    await fence(alice, bob);
    assertEquals(bob.streams[1]?.live.length, 1);
  });

  everyVersion(`what is pushed after the server was ${ended} arrives once when it is back`, async (stage) => {
    const client = stage.enter("alice");
    const [alice, bob] = [await client.join("general"), await stage.join("bob")];
    await end(stage.server);
    await eventually(() => !client.connected);
    const sent = [alice.push("new_message", { content: "one" }), alice.push("new_message", { content: "two" })];
    await stage.server.restart();
    assertEquals((await Promise.all(sent)).map(({ status }) => status), ["ok", "ok"]);
    await eventually(() => bob.streams.length === 2);
    await fence(alice, bob);
    const [, { reply, live } = { reply: undefined, live: [] }] = bob.streams;
    const seen = [...reply?.messages ?? [], ...live].map(({ content }) => content);
    assertEquals(seen.slice(0, -1), ["one", "two"]);
    const history = await new RestClient(stage.server.url, "bob").history("general");
    assertEquals(history.map(({ content }) => content), seen);
  });
}

everyVersion("a server that is stopped closes with 1012", async (stage) => {
  const client = stage.enter("alice");
  await client.join("general");
  await stage.server.stop();
  await eventually(() => client.closes.length > 0);
  assertEquals(client.closes[0]?.code, 1012);
});

function token(secret: string): Promise<string> {
  return new SignJWT({ sub: "alice" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
}

everyVersion("in production a token in the params names the user", async (stage) => {
  const alice = await stage.connect({ params: { token: await token(SECRET) } }).join("general");
  await fence(alice, alice);
  assertEquals(alice.messages[0]?.user_id, "alice");
}, { env: PRODUCTION });

everyVersion("in production a token of another secret is refused before any join", async (stage) => {
  const client = stage.connect({ params: { token: await token(SECRET.toLowerCase()) } });
  const room = client.room("general");
  await eventually(() => client.errors >= 3);
  assertEquals([client.opens, room.streams], [0, []]);
}, { env: PRODUCTION });

everyVersion("in production a client without a token is refused before any join", async (stage) => {
  const client = stage.connect({});
  const room = client.room("general");
  await eventually(() => client.errors >= 3);
  assertEquals([client.opens, room.streams], [0, []]);
}, { env: PRODUCTION });

each(["1.8"], "in production an authToken names the user", async (stage) => {
  const alice = await stage.connect({ authToken: await token(SECRET) }).join("general");
  await fence(alice, alice);
  assertEquals(alice.messages[0]?.user_id, "alice");
}, { env: PRODUCTION });

each(["1.8"], "in production an authToken of another secret is refused before any join", async (stage) => {
  const client = stage.connect({ authToken: await token(SECRET.toLowerCase()) });
  const room = client.room("general");
  await eventually(() => client.errors >= 3);
  assertEquals([client.opens, room.streams], [0, []]);
}, { env: PRODUCTION });
