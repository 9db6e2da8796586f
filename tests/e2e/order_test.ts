import { assertEquals } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import { Ledger, type Stream } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { PHOENIX_VERSIONS, PhoenixClient } from "../support/phoenix_client.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { linesOf, sayAll, Talker } from "../support/talker.ts";

const LINES = 100;
const TOTAL = 10 * LINES;

/** Ten users who all speak at once: three over REST, three on sockets of V1, four of V2; resolves with what these saw. */
async function speakAll(server: Server, ledger: Ledger): Promise<Stream[]> {
  const overRest = range(1, 3).map(async (n) => {
    const userId = `rest_${n}`;
    const rest = new RestClient(server.url, userId);
    for (const content of linesOf(userId, LINES)) {
      ledger.send(userId, content);
      ledger.acknowledge(content, (await rest.post("general", { content })).message);
    }
    return [];
  });
  const overSockets = range(1, 7).map(async (n) => {
    const userId = `socket_${n}`;
    await using talker = await Talker.join(server.socketUrl, { userId, version: n <= 3 ? 1 : 2 }, "general");
    await sayAll(talker, ledger, linesOf(userId, LINES), 10);
    await talker.until(caughtUp);
    return talker.streams;
  });
  return (await Promise.all([...overRest, ...overSockets])).flat();
}

function caughtUp({ streams: [stream] }: { streams: readonly Stream[] }): boolean {
  return (stream?.live.at(-1)?.seq ?? stream?.reply?.head_seq) === TOTAL;
}

function seqs({ reply, live }: Stream): number[] {
  return [...reply?.messages ?? [], ...live].map(({ seq }) => seq);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

Deno.test("ten senders, eight receivers, history over REST and a join reply: one order, each message once", async () => {
  await using server = await Server.start();
  await using closing = new AsyncDisposableStack();
  const talkers = await Promise.all(
    range(1, 5).map(async (n) =>
      closing.use(await Talker.join(server.socketUrl, { userId: `raw_${n}`, version: n % 2 === 0 ? 1 : 2 }, "general"))
    ),
  );
  const rooms = await Promise.all(PHOENIX_VERSIONS.map((version) => {
    const client = closing.use(new PhoenixClient(version, server.socketUrl, { params: { token: `js_${version}` } }));
    return client.join("general");
  }));
  const receivers = [...talkers, ...rooms];
  const ledger = new Ledger();
  const ownStreams = await speakAll(server, ledger);
  await eventually(() => receivers.every(caughtUp));

  const rest = new RestClient(server.url, "reader");
  const history = await rest.history("general", 77);
  const late = closing.use(await Talker.connect(server.socketUrl, { userId: "late" }));
  assertEquals((await late.join("general", { limit: 100 })).messages, history.slice(-100));
  assertEquals(await rest.since("general", history[0]?.id ?? "", 33), history.slice(1));
  assertEquals(ledger.findings(history, [...ownStreams, ...receivers.flatMap(({ streams }) => streams)]), []);
  assertEquals(ledger.acknowledged, TOTAL);
  for (const { messages } of receivers) assertEquals(messages.map(({ id }) => id), history.map(({ id }) => id));
});

Deno.test(`joining in mid-stream gives history and live messages without hole or repeat (seed ${seed})`, async () => {
  await using server = await Server.start();
  await using closing = new AsyncDisposableStack();
  const witness = closing.use(await Talker.join(server.socketUrl, { userId: "witness" }, "general"));
  const random = chance();
  const joined = range(1, 20).map(async (n) => {
    const [moment, limit] = [random(1, TOTAL - 1), random(0, 100)];
    const options = { userId: `late_${n}`, version: n % 2 === 0 ? 1 : 2 } as const;
    await witness.until(({ messages }) => messages.length >= moment);
    return closing.use(await Talker.join(server.socketUrl, options, "general", { limit }));
  });
  const ledger = new Ledger();
  await speakAll(server, ledger);
  const streams = await Promise.all(joined.map(async (joining) => {
    const talker = await joining;
    await talker.until(caughtUp);
    return talker.streams;
  }));
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(ledger.findings(history, streams.flat()), []);
  for (const [stream] of streams) {
    const seen = stream ? seqs(stream) : [];
    assertEquals(seen, range(TOTAL + 1 - seen.length, TOTAL));
  }
});
