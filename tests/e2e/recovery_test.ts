import { assert, assertEquals } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import { Ledger, type Message, type Stream } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { Network } from "../support/network.ts";
import { PHOENIX_VERSIONS, PhoenixClient, type PhoenixRoom } from "../support/phoenix_client.ts";
import { longPollOptions } from "../support/phoenix_longpoll.ts";
import { RestClient } from "../support/rest_client.ts";
import { given, replies, type ResumeBy, resumePoint } from "../support/resuming.ts";
import { Server } from "../support/server.ts";
import { linesOf, sayAll, Talker } from "../support/talker.ts";

const WRITERS = 4;
const RESUME_BY = ["last_seq", "last_seen_id"] as const;

/** Four users who speak at once, 8 lines unanswered at the most. */
class Writers implements AsyncDisposable {
  readonly #talkers: Talker[];
  readonly #ledger: Ledger;
  readonly #lines: Iterator<string>[];

  private constructor(talkers: Talker[], ledger: Ledger) {
    this.#talkers = talkers;
    this.#ledger = ledger;
    this.#lines = talkers.map(({ userId }) => linesOf(userId));
  }

  /** Joins them; `name` sets them apart from those of other times. */
  static async join(server: Server, ledger: Ledger, name: string): Promise<Writers> {
    const talkers = range(1, WRITERS).map((n) =>
      Talker.join(server.socketUrl, { userId: `${name}_${n}`, version: n % 2 === 0 ? 1 : 2 }, "general", { limit: 0 })
    );
    return new Writers(await Promise.all(talkers), ledger);
  }

  /** What they saw themselves. */
  get streams(): Stream[] {
    return this.#talkers.flatMap(({ streams }) => streams);
  }

  /** Each says so many lines; resolves when all are answered, or the server is gone. */
  async say(count: number): Promise<void> {
    await Promise.all(this.#talkers.map((talker, n) => sayAll(talker, this.#ledger, take(this.#lines[n], count))));
  }

  /** Resolves when so many messages in all were acknowledged. */
  async acknowledged(count: number): Promise<void> {
    await this.#talkers[0]?.until(() => this.#ledger.acknowledged >= count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#talkers.map((talker) => talker[Symbol.asyncDispose]()));
  }
}

/** The next lines, so many, and leaves the others for later. */
function* take(lines: Iterator<string> | undefined, count: number): Generator<string, undefined> {
  for (let n = 0; n < count; n++) {
    const line = lines?.next();
    if (line?.done === false) yield line.value;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Joins `general` with params that say where it left off; `by` is asked at every join. */
function resumingRoom(client: PhoenixClient, by: (joins: number) => ResumeBy): PhoenixRoom {
  let room: PhoenixRoom | undefined;
  return room = client.room("general", () => resumePoint(by(room?.streams.length ?? 0), room?.streams ?? []));
}

/** Holds that a client was given the whole history, each message once and in its place, and every join but the first resumed. */
async function assertWhole(server: Server, streams: readonly Stream[]): Promise<void> {
  const history = await new RestClient(server.url, "reader").history("general");
  await eventually(() => given(streams).length >= history.length);
  assertEquals(given(streams).map(idOf), history.map(idOf));
  const later = replies(streams).slice(1);
  assertEquals(later.map(({ recovered, reason }) => [recovered, reason]), later.map(() => [true, undefined]));
}

function idOf({ id }: Message): string {
  return id;
}

Deno.test(`phoenix.js resumes through three kills and a cut as if nothing had been (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  await using closing = new AsyncDisposableStack();
  const ledger = new Ledger();
  const streams: Stream[] = [];
  const rooms = PHOENIX_VERSIONS.flatMap((version) =>
    RESUME_BY.map((by) => {
      const params = { token: `js_${version}_${by}` };
      return resumingRoom(closing.use(new PhoenixClient(version, network.socketUrl, { params })), () => by);
    })
  );
  for (const { joined } of rooms) assertEquals((await joined).status, "ok");

  for (const [round, fault] of ["kill", "kill", "cut", "kill"].entries()) {
    let writers = await Writers.join(server, ledger, `round_${round}`);
    closing.use(writers);
    const joins = rooms.map((room) => room.streams.length);
    const writing = writers.say(110);
    await writers.acknowledged(ledger.acknowledged + random(20, 350));
    if (fault === "cut") network.cut();
    else {
      await server.crash();
      await server.restart();
      streams.push(...writers.streams);
      writers = closing.use(await Writers.join(server, ledger, `after_${round}`));
    }
    await Promise.all([writing, writers.say(110)]);
    streams.push(...writers.streams);
    await eventually(() => rooms.every((room, n) => room.streams.length === (joins[n] ?? 0) + 1), 15_000);
  }

  for (const room of rooms) await assertWhole(server, room.streams);
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(ledger.findings(history, [...streams, ...rooms.flatMap((room) => room.streams)]), []);
  assertEquals(rooms.map((room) => room.streams.length), rooms.map(() => 5));
});

Deno.test(`a socket cut at 50 random points gets exactly what it missed (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  const ledger = new Ledger();
  await using writers = await Writers.join(server, ledger, "writer");
  const streams: Stream[] = [];
  let missed = 0;
  for (let cut = 1; cut <= 50; cut++) {
    const count = random(4, 30);
    const writing = writers.say(count);
    const options = { userId: "reader", version: random(1, 2) === 1 ? 1 : 2 } as const;
    await using reader = await Talker.connect(network.socketUrl, options);
    const { messages } = await reader.join(
      "general",
      resumePoint(cut % 2 === 0 ? "last_seq" : "last_seen_id", streams),
    );
    if (cut > 1 && messages.length > 0) missed++;
    network.cut(random(1, count * WRITERS * 150));
    await Promise.race([reader.closed, writing.then(() => network.cut())]);
    await reader.closed;
    await writing;
    streams.push(...reader.streams);
  }
  await using last = await Talker.join(
    network.socketUrl,
    { userId: "reader" },
    "general",
    resumePoint("last_seq", streams),
  );
  streams.push(...last.streams);
  await assertWhole(server, streams);
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(ledger.findings(history, [...streams, ...writers.streams]), []);
  assert(missed >= 25, `only ${missed} of 50 joins had missed anything`);
});

Deno.test(`long polling cut at 10 random points gets exactly what it missed (seed ${seed})`, async () => {
  const random = chance();
  await using server = await Server.start();
  await using network = new Network(server.port);
  const ledger = new Ledger();
  await using writers = await Writers.join(server, ledger, "writer");
  await writers.say(1); // without a message that it has seen a client has nothing to resume by
  const options = longPollOptions("1.8", { params: { token: "poller" } });
  await using client = new PhoenixClient("1.8", network.socketUrl, options);
  const room = resumingRoom(client, (joins) => joins % 2 === 0 ? "last_seq" : "last_seen_id");
  assertEquals((await room.joined).status, "ok");
  for (let cut = 1; cut <= 10; cut++) {
    const count = random(4, 30);
    const [{ length: joins }, { length: closes }] = [room.streams, client.closes];
    const writing = writers.say(count);
    network.cut(random(1, count * WRITERS * 150));
    await writing;
    await eventually(() => {
      if (client.closes.length === closes) network.cut(); // nothing was under way that could be cut
      return client.closes.length > closes;
    });
    await eventually(() => room.streams.length > joins, 15_000);
  }
  await assertWhole(server, room.streams);
  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(ledger.findings(history, [...room.streams, ...writers.streams]), []);
  assert(room.streams.length > 10);
});

for (const by of RESUME_BY) {
  Deno.test(`a client that missed more than 1,000 messages is told so and pages back to all of them (${by})`, async () => {
    await using server = await Server.start();
    const ledger = new Ledger();
    await using writers = await Writers.join(server, ledger, "writer");
    await writers.say(2);
    const reader = await Talker.join(server.socketUrl, { userId: "reader" }, "general");
    await reader[Symbol.asyncDispose]();
    await writers.say(251);
    await using back = await Talker.join(
      server.socketUrl,
      { userId: "reader" },
      "general",
      resumePoint(by, reader.streams),
    );
    const [reply] = replies(back.streams);
    assertEquals([reply?.recovered, reply?.reason], [false, "gap_too_large"]);
    const rest = new RestClient(server.url, "reader");
    const history = await rest.history("general");
    assertEquals(reply?.messages, history.slice(-50));
    const shown = [...reply?.messages ?? []];
    for (let more = true; more;) {
      const page = await rest.page("general", { limit: "100", before: shown[0]?.id ?? "" });
      shown.unshift(...page.messages);
      more = page.has_more;
    }
    assertEquals(shown, history);
    assertEquals(shown.length, 253 * WRITERS);
    assertEquals(ledger.findings(history, [...back.streams, ...writers.streams]), []);
  });
}

for (const transport of ["a socket", "long polling"]) {
  Deno.test(`${transport} brings what was missed where that is more than may wait for a slow client`, async () => {
    await using server = await Server.start({ env: { CHAT_SEND_BUFFER_BYTES: "65536" } });
    const { epoch } = await new RestClient(server.url, "reader").page("general");
    await using writer = await Talker.join(server.socketUrl, { userId: "writer" }, "general");
    await sayAll(writer, new Ledger(), range(1, 50).map((n) => `${n} ${"x".repeat(3_900)}`).values());
    const socket = { params: { token: "reader" } };
    const options = transport === "a socket" ? socket : longPollOptions("1.8", socket);
    await using client = new PhoenixClient("1.8", server.socketUrl, options);
    const room = client.room("general", { last_seq: 0, epoch });
    await eventually(() => room.streams.length > 0);
    await assertWhole(server, room.streams);
  });
}
