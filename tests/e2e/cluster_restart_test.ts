import { assertEquals, assertGreater } from "@std/assert";
import { type Ack, Ledger, type Message } from "../support/checker.ts";
import { Cluster, connected } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { Network } from "../support/network.ts";
import { PhoenixClient, type PhoenixRoom, type PhoenixVersion } from "../support/phoenix_client.ts";
import { redisTest } from "../support/redis_server.ts";
import { RestClient } from "../support/rest_client.ts";
import { given, replies, resumePoint } from "../support/resuming.ts";
import { linesOf } from "../support/talker.ts";

const TIMEOUTS = { timeout: 3_000, reconnectAfterMs: () => 100, rejoinAfterMs: () => 100 };

/** Clients that come back by themselves, behind a balancer, while senders speak until they are told to stop. */
class Load implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly rooms: PhoenixRoom[] = [];
  readonly #closing = new AsyncDisposableStack();
  readonly #network: Network;
  readonly #speaking: Promise<void>[] = [];
  #stopped = false;

  private constructor(network: Network) {
    this.#network = this.#closing.use(network);
  }

  static async start(cluster: Cluster): Promise<Load> {
    const load = new Load(new Network(...cluster.servers.map(({ port }) => port)));
    const versions = ["1.7", "1.8", "1.8", "1.8"] as const;
    const rooms = await Promise.all(versions.map((version, n) => load.#join(version, `user_${n}`)));
    for (const [n, room] of rooms.entries()) load.#speaking.push(load.#speak(room, `user_${n}`));
    return load;
  }

  async #join(version: PhoenixVersion, userId: string): Promise<PhoenixRoom> {
    const options = { params: { token: userId }, ...TIMEOUTS };
    const client = this.#closing.use(new PhoenixClient(version, this.#network.socketUrl, options));
    const joined: { room?: PhoenixRoom } = {};
    const room = await client.join("general", () => resumePoint("last_seq", joined.room?.streams ?? []));
    this.rooms.push(joined.room = room);
    return room;
  }

  /** Says each line until it is acknowledged: its nonce keeps it from being stored twice. */
  async #speak(room: PhoenixRoom, userId: string): Promise<void> {
    for (const content of linesOf(userId)) {
      if (this.#stopped) return;
      this.ledger.send(userId, content);
      for (;;) {
        const { status, response } = await room.push("new_message", { content, nonce: content });
        if (status === "ok") {
          this.ledger.acknowledge(content, response as unknown as Ack);
          break;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** So many more are acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.ledger.acknowledged + count;
    await eventually(() => this.ledger.acknowledged >= enough, 20_000);
  }

  /** Stops speaking and holds what every client was given against the history. */
  async assertNothingLost(read: () => Promise<Message[]>): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#speaking);
    const history = await read();
    assertEquals(history.length, this.ledger.acknowledged);
    assertEquals(this.ledger.findings(history, this.rooms.flatMap(({ streams }) => streams)), []);
    const ids = history.map(({ id }) => id);
    for (const { streams } of this.rooms) {
      await eventually(() => given(streams).length >= ids.length, 10_000);
      assertEquals(given(streams).map(({ id }) => id), ids);
      assertEquals(replies(streams).filter(({ recovered }) => recovered === false), []);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#closing.disposeAsync();
  }
}

redisTest(
  "one instance killed with -9 under load: its clients come back elsewhere, nothing is lost or doubled",
  async () => {
    await using cluster = await Cluster.start();
    await using load = await Load.start(cluster);
    await load.more(100);
    await cluster.server(1).crash();
    await load.more(100);
    assertGreater(Math.max(...load.rooms.map(({ streams }) => streams.length)), 1, "nobody was at the instance");
    const reader = new RestClient(cluster.server(2).url, "reader");
    await load.assertNothingLost(() => reader.history("general"));
  },
);

redisTest("a rolling restart of all instances under load loses and doubles nothing", async () => {
  await using cluster = await Cluster.start();
  await using load = await Load.start(cluster);
  await load.more(50);
  for (const n of [1, 2]) {
    const server = cluster.server(n);
    assertEquals(await server.stop(), 0);
    await load.more(20);
    await server.restart();
    await connected(cluster.server(n + 1), [`node_${n}`], 5_000);
    await load.more(50);
  }
  assertGreater(Math.min(...load.rooms.map(({ streams }) => streams.length)), 1, "somebody was never cut off");
  const reader = new RestClient(cluster.server(1).url, "reader");
  await load.assertNothingLost(() => reader.history("general"));
});
