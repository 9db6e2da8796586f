import { assertEquals } from "@std/assert";
import { ownPostgres } from "../store/support/own_postgres.ts";
import { Ledger } from "../support/checker.ts";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { PHOENIX_VERSIONS, PhoenixClient } from "../support/phoenix_client.ts";
import { redisTest } from "../support/redis_server.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { linesOf, sayAll, Talker } from "../support/talker.ts";

const { test: postgresTest } = ownPostgres();

const LINES = 40;
const TOTAL = 10 * LINES;

/** Ten senders and six receivers, spread over the instances at these addresses: one order everywhere. */
async function assertOneOrder(servers: readonly Server[]): Promise<void> {
  await using closing = new AsyncDisposableStack();
  const at = (n: number) => servers[n % servers.length] as Server;
  const talkers = await Promise.all(
    [1, 2, 3].map(async (n) =>
      closing.use(await Talker.join(at(n).socketUrl, { userId: `raw_${n}`, version: n === 1 ? 1 : 2 }, "general"))
    ),
  );
  const rooms = await Promise.all(PHOENIX_VERSIONS.map((version, n) => {
    const client = closing.use(new PhoenixClient(version, at(n).socketUrl, { params: { token: `js_${version}` } }));
    return client.join("general");
  }));
  const ledger = new Ledger();
  await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const userId = `sender_${n}`;
    await using talker = await Talker.join(at(n).socketUrl, { userId }, "general", { limit: 0 });
    await sayAll(talker, ledger, linesOf(userId, LINES), 4);
  }));
  const receivers = [...talkers, ...rooms];
  await eventually(() => receivers.every(({ messages }) => messages.length >= TOTAL), 15_000);

  const histories = await Promise.all(servers.map(({ url }) => new RestClient(url, "reader").history("general")));
  const [history = []] = histories;
  for (const other of histories) assertEquals(other, history);
  assertEquals(ledger.acknowledged, TOTAL);
  assertEquals(ledger.findings(history, receivers.flatMap(({ streams }) => streams)), []);
  for (const server of servers) {
    await using late = await Talker.connect(server.socketUrl, { userId: "late" });
    assertEquals((await late.join("general", { limit: 100 })).messages, history.slice(-100));
  }
}

for (const workers of [2, 3]) {
  Deno.test(`${workers} worker threads: ten senders, one order at all receivers, in histories and join replies`, async () => {
    await using server = await Server.start({ env: { CHAT_WORKERS: String(workers) } });
    await assertOneOrder([server]);
    assertEquals(await server.stop(), 0);
  });
}

for (const size of [2, 3]) {
  redisTest(`${size} processes: ten senders, one order at all receivers, in histories and join replies`, async () => {
    await using cluster = await Cluster.start({ size });
    await assertOneOrder(cluster.servers);
  });
}

postgresTest(
  "2 processes on Postgres: ten senders, one order at all receivers, in histories and join replies",
  async (postgres) => {
    await using cluster = await Cluster.start({ env: { CHAT_STORE_URL: await postgres.newDatabase() } });
    await assertOneOrder(cluster.servers);
  },
);
