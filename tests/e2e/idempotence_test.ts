import { assert, assertEquals } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import type { Ack } from "../support/checker.ts";
import { type Cut, Proxy } from "../support/proxy.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { Talker } from "../support/talker.ts";

interface Draft {
  readonly content: string;
  readonly nonce: string;
}

/** Pushes and resolves with the ack; undefined where the socket closed before it. */
async function push(talker: Talker, draft: Draft): Promise<Ack | undefined> {
  const reply = await talker.push("new_message", draft);
  if (reply === undefined) return undefined;
  const { nonce, ...ack } = reply.response;
  assertEquals([reply.status, nonce], ["ok", draft.nonce], JSON.stringify(reply));
  return ack as unknown as Ack;
}

async function post(rest: RestClient, draft: Draft): Promise<Ack> {
  const { status, message } = await rest.post("general", draft);
  assert(status === 200 || status === 201, `${status}`);
  return { id: message.id, seq: message.seq, timestamp: message.timestamp };
}

Deno.test("a nonce pushed again is acknowledged as before and reaches nobody again", async () => {
  await using server = await Server.start();
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  const first = await push(talker, { content: "one", nonce: "n" });
  assertEquals(await push(talker, { content: "one", nonce: "n" }), first);
  await push(talker, { content: "fence", nonce: "m" });
  await talker.until(({ contents }) => contents.includes("fence"));
  assertEquals(talker.contents, ["one", "fence"]);
});

Deno.test("a nonce that was pushed is answered over REST with 200 and the original", async () => {
  await using server = await Server.start();
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  const ack = await push(talker, { content: "one", nonce: "n" });
  const { status, message } = await new RestClient(server.url, "alice").post("general", { content: "one", nonce: "n" });
  assertEquals([status, message.id, message.seq, message.timestamp], [200, ack?.id, ack?.seq, ack?.timestamp]);
});

Deno.test("a nonce used for other content is refused with conflict", async () => {
  await using server = await Server.start();
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  await push(talker, { content: "one", nonce: "n" });
  const reply = await talker.push("new_message", { content: "two", nonce: "n" });
  assertEquals([reply?.status, reply?.response.reason], ["error", "conflict"]);
});

Deno.test("a nonce is its author's own", async () => {
  await using server = await Server.start();
  await using alice = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  await using bob = await Talker.join(server.socketUrl, { userId: "bob" }, "general");
  assertEquals((await push(alice, { content: "one", nonce: "n" }))?.seq, 1);
  assertEquals((await push(bob, { content: "two", nonce: "n" }))?.seq, 2);
});

Deno.test(`50 sends cut off before their reply and sent again are stored once each (seed ${seed})`, async () => {
  await using server = await Server.start();
  await using proxy = new Proxy(server.port);
  await using witness = await Talker.join(server.socketUrl, { userId: "witness" }, "general");
  await using again = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  const rest = new RestClient(server.url, "alice");
  const random = chance();
  const drafts = Array.from({ length: 50 }, (_, n) => ({ content: `line ${n}`, nonce: `nonce ${n}` }));
  for (const draft of drafts) {
    const cut: Cut = random(0, 1) === 0 ? { at: "answer" } : { afterBytes: random(0, 150) };
    await using talker = await Talker.join(proxy.socketUrl, { userId: "alice" }, "general", { limit: 0 });
    proxy.cut(cut);
    const sent = push(talker, draft);
    // A frame that has gone through whole, with nothing behind it that could reach the cut, is cut here.
    if ("afterBytes" in cut) talker.push("ping", { padding: "x".repeat(200) });
    assertEquals(await sent, undefined, "an answer came through the cut");
    const overRest = random(0, 1) === 0;
    const ack = overRest ? await post(rest, draft) : await push(again, draft);
    assertEquals(overRest ? await push(again, draft) : await post(rest, draft), ack);
  }
  const history = await rest.history("general");
  assertEquals(history.map(({ content }) => content).sort(), drafts.map(({ content }) => content).sort());
  await witness.until(({ messages }) => messages.length === 50);
  assertEquals(witness.messages, history);
});

Deno.test(`sends that a kill -9 cut off and that are sent again are stored once each (seed ${seed})`, async () => {
  await using server = await Server.start();
  const random = chance();
  const drafts = Array.from({ length: 200 }, (_, n) => ({ content: `line ${n}`, nonce: `nonce ${n}` }));
  await using first = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  const before: (Ack | undefined)[] = [];
  const killAt = random(1, 190);
  const waiting = drafts.entries();
  const lane = async () => {
    for (const [index, draft] of waiting) before[index] = await push(first, draft);
  };
  const lanes = Array.from({ length: 8 }, lane);
  await first.until(() => before.length >= killAt);
  await server.crash();
  await Promise.all(lanes);
  await server.restart();
  await using second = await Talker.join(server.socketUrl, { userId: "alice" }, "general", { limit: 0 });
  const rest = new RestClient(server.url, "alice");
  for (const [index, draft] of drafts.entries()) {
    const ack = random(0, 1) === 0 ? await post(rest, draft) : await push(second, draft);
    assertEquals(ack, before[index] ?? ack);
  }
  const history = await rest.history("general");
  assertEquals(history.map(({ content }) => content).sort(), drafts.map(({ content }) => content).sort());
});
