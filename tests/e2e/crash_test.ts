import { assert, assertEquals } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import { Ledger, type Stream } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { PHOENIX_VERSIONS, PhoenixClient } from "../support/phoenix_client.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { linesOf, say, sayAll, Talker } from "../support/talker.ts";

const ROUNDS = Number(Deno.env.get("TEST_ROUNDS") ?? 5);
const WRITERS = [1, 2, 3, 4].map((n) => ({ userId: `writer_${n}`, version: n % 2 === 0 ? 1 : 2 } as const));

Deno.test(`kill -9 in full stream loses, repeats and reorders nothing (${ROUNDS} rounds, seed ${seed})`, async () => {
  await using server = await Server.start();
  await using closing = new AsyncDisposableStack();
  const random = chance();
  const ledger = new Ledger();
  const streams: Stream[] = [];
  const lines = WRITERS.map(({ userId }) => linesOf(userId));
  const watchers = await Promise.all(PHOENIX_VERSIONS.map((version) => {
    const client = closing.use(new PhoenixClient(version, server.socketUrl, { params: { token: `js_${version}` } }));
    return client.join("general", { limit: 100 });
  }));

  for (let round = 0; round < ROUNDS; round++) {
    const talkers = await Promise.all(
      WRITERS.map((writer) => Talker.join(server.socketUrl, writer, "general", { limit: random(0, 100) })),
    );
    const writing = talkers.map((talker, n) => sayAll(talker, ledger, lines[n] ?? linesOf("nobody", 0)));
    const killAt = ledger.acknowledged + random(1, 400);
    await talkers[0]?.until(() => ledger.acknowledged >= killAt);
    await server.crash();
    await Promise.all(writing);
    for (const talker of talkers) {
      streams.push(...talker.streams);
      await talker[Symbol.asyncDispose]();
    }
    await server.restart();
  }

  const last = await Talker.join(server.socketUrl, { userId: "last" }, "general");
  closing.use(last);
  await say(last, ledger, "the end");
  await eventually(() => watchers.every(({ streams }) => contents(streams.at(-1)).includes("the end")));
  const history = await new RestClient(server.url, "reader").history("general");
  streams.push(...watchers.flatMap((watcher) => watcher.streams));
  assertEquals(ledger.findings(history, streams), []);
  assert(ledger.acknowledged >= ROUNDS, "the test acknowledged next to nothing");
  for (const watcher of watchers) assert(watcher.streams.length > 1, "a client did not live through a crash");
});

/** What a client has seen since it joined, from the history and live. */
function contents(stream: Stream | undefined): string[] {
  return [...stream?.reply?.messages ?? [], ...stream?.live ?? []].map(({ content }) => content);
}
