import { assert, assertEquals } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import { Commotion } from "../support/commotion.ts";
import { eventually } from "../support/eventually.ts";
import { Network } from "../support/network.ts";
import { PhoenixClient, type PhoenixRoom, type PhoenixVersion } from "../support/phoenix_client.ts";
import { longPollOptions } from "../support/phoenix_longpoll.ts";
import { Picture } from "../support/picture.ts";
import { RestClient } from "../support/rest_client.ts";
import type { ResumeBy } from "../support/resuming.ts";
import { Server } from "../support/server.ts";
import { Talker } from "../support/talker.ts";

const LANES = 3;

/** Joins `general` and goes on from its picture whenever it joins again. */
function pictured(client: PhoenixClient, name: string, by: (joins: number) => ResumeBy): [PhoenixRoom, Picture] {
  const picture = new Picture(name);
  const room = client.room("general", () => picture.resumePoint(by(picture.resumed.length)));
  room.onSeen = (seen) => picture.take(seen);
  return [room, picture];
}

/** Holds that a client shows the history, and was never told anything out of order. */
async function assertShown(server: Server, picture: Picture): Promise<void> {
  const rest = new RestClient(server.url, "reader");
  const { head_seq } = await rest.page("general");
  await eventually(() => picture.head === head_seq);
  assertEquals(picture.differences(await rest.history("general")), []);
  assertEquals(picture.findings, []);
  assertEquals(picture.resumed, picture.resumed.map(() => "recovered"));
}

/** Four users on sockets who do things at random, so many each; `server` may be cut off from others meanwhile. */
class Stirrers implements AsyncDisposable {
  private constructor(readonly commotion: Commotion, readonly talkers: readonly Talker[]) {}

  static async join(server: Server, random: (min: number, max: number) => number): Promise<Stirrers> {
    const talkers = [1, 2, 3, 4].map((n) =>
      Talker.join(server.socketUrl, { userId: `writer_${n}`, version: n % 2 === 0 ? 1 : 2 }, "general", { limit: 0 })
    );
    return new Stirrers(new Commotion(random), await Promise.all(talkers));
  }

  async stir(count: number): Promise<void> {
    await Promise.all(
      this.talkers.map((talker) =>
        this.commotion.stir(talker.userId, (event, payload) => talker.push(event, payload), count)
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.talkers.map((talker) => talker[Symbol.asyncDispose]()));
  }
}

Deno.test(`four phoenix.js users change messages through three kills and a cut, and all show the history (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  await using closing = new AsyncDisposableStack();
  const commotion = new Commotion(random);
  const versions: readonly PhoenixVersion[] = ["1.6", "1.7", "1.8", "1.8"];
  const users = versions.map((version, n) => {
    const userId = `user_${n}`;
    const client = closing.use(new PhoenixClient(version, network.socketUrl, { params: { token: userId } }));
    const [room, picture] = pictured(client, `${userId} (${version})`, () => n % 2 === 0 ? "last_seq" : "last_seen_id");
    return { userId, room, picture, push: room.tryPush.bind(room) };
  });
  for (const { room } of users) assertEquals((await room.joined).status, "ok");

  for (const fault of ["kill", "kill", "cut", "kill"]) {
    const joins = users.map(({ picture }) => picture.resumed.length);
    const faultAt = commotion.acts + random(20, 250);
    const stirring = users.flatMap(({ userId, push }) =>
      Array.from({ length: LANES }, () => commotion.stir(userId, push, 40))
    );
    const done = Promise.all(stirring);
    await Promise.race([eventually(() => commotion.acts >= faultAt, 30_000), done]);
    if (fault === "cut") network.cut();
    else {
      await server.crash();
      await server.restart();
    }
    await done;
    await eventually(() => users.every(({ picture }, n) => picture.resumed.length > (joins[n] ?? 0)), 20_000);
    await Promise.all(users.map(async ({ userId, push }) => {
      await commotion.resend(userId, push, 13);
      await commotion.stir(userId, push, 10);
    }));
  }

  await Promise.all(users.map(({ userId, push }) => commotion.finish(userId, push)));
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(commotion.findings(history), []);
  for (const { picture } of users) {
    await assertShown(server, picture);
    assertEquals(picture.resumed.length, 4);
  }
  assert(commotion.resent >= 200, `${commotion.resent} were sent again`);
  assert(history.some(({ deleted }) => deleted) && history.some(({ version, seq }) => version > seq));
});

Deno.test(`a socket cut at 20 random points gets every change it missed (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  await using stirrers = await Stirrers.join(server, random);
  const picture = new Picture("reader");
  for (let cut = 1; cut <= 20; cut++) {
    const count = random(4, 20);
    const stirring = stirrers.stir(count);
    const options = { userId: "reader", version: random(1, 2) === 1 ? 1 : 2 } as const;
    await using reader = await Talker.connect(network.socketUrl, options);
    reader.onSeen = (seen) => picture.take(seen);
    await reader.join("general", picture.resumePoint(cut % 2 === 0 ? "last_seq" : "last_seen_id"));
    network.cut(random(1, count * 800));
    await Promise.race([reader.closed, stirring.then(() => network.cut())]);
    await reader.closed;
    await stirring;
  }
  await using last = await Talker.connect(network.socketUrl, { userId: "reader" });
  last.onSeen = (seen) => picture.take(seen);
  await last.join("general", picture.resumePoint("last_seq"));
  await assertShown(server, picture);
  assertEquals(stirrers.commotion.findings(picture.messages), []);
  assert(picture.updates > 20, `only ${picture.updates} changes came live`);
});

Deno.test(`long polling cut at 5 random points gets every change it missed (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  await using stirrers = await Stirrers.join(server, random);
  await stirrers.stir(2);
  const options = longPollOptions("1.8", { params: { token: "poller" } });
  await using client = new PhoenixClient("1.8", network.socketUrl, options);
  const [room, picture] = pictured(client, "poller", (joins) => joins % 2 === 0 ? "last_seq" : "last_seen_id");
  assertEquals((await room.joined).status, "ok");
  for (let cut = 1; cut <= 5; cut++) {
    const count = random(4, 20);
    const [{ length: joins }, { length: closes }] = [picture.resumed, client.closes];
    const stirring = stirrers.stir(count);
    network.cut(random(1, count * 800));
    await stirring;
    await eventually(() => {
      if (client.closes.length === closes) network.cut(); // nothing was under way that could be cut
      return client.closes.length > closes;
    });
    await eventually(() => picture.resumed.length > joins, 15_000);
  }
  await assertShown(server, picture);
  assertEquals(stirrers.commotion.findings(picture.messages), []);
});

Deno.test("a client that joins late is given what was edited and deleted as it is now", async () => {
  await using server = await Server.start();
  await using stirrers = await Stirrers.join(server, chance());
  await stirrers.stir(25);
  await using late = await Talker.connect(server.socketUrl, { userId: "late" });
  const { messages } = await late.join("general", { limit: 100 });
  assertEquals(messages, (await new RestClient(server.url, "late").page("general", { limit: "100" })).messages);
});

Deno.test("what a user has read is told to the user's other sockets and to nobody else", async () => {
  await using server = await Server.start();
  await using closing = new AsyncDisposableStack();
  const enter = (version: PhoenixVersion, token: string) =>
    closing.use(new PhoenixClient(version, server.socketUrl, { params: { token } })).join("general");
  const rooms = [await enter("1.6", "alice"), await enter("1.7", "alice"), await enter("1.8", "bob")] as const;
  const [laptop, phone, bob] = rooms;
  await bob.push("new_message", { content: "<@alice>" });
  const { response } = await laptop.push("read", { seq: 1 });
  assertEquals(response, { channel_id: "general", head_seq: 1, last_read_seq: 1, unread: 0, mentions: 0 });
  await bob.push("new_message", { content: "fence" });
  await eventually(() => rooms.every(({ contents }) => contents.includes("fence")));
  assertEquals([laptop, phone, bob].map((room) => room.payloads("read_state")), [[], [response], []]);
  const rest = new RestClient(server.url, "alice");
  const { body } = await rest.call("PUT", "channels/general/read", { seq: 2 });
  await bob.push("new_message", { content: "end" });
  await eventually(() => rooms.every(({ contents }) => contents.includes("end")));
  assertEquals([laptop, phone, bob].map((room) => room.payloads("read_state")), [[body], [response, body], []]);
});
