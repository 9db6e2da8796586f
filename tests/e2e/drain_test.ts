import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { chance, seed } from "../support/chance.ts";
import { Ledger } from "../support/checker.ts";
import { eventually } from "../support/eventually.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server, type ServerOptions } from "../support/server.ts";
import { linesOf, sayAll, Talker } from "../support/talker.ts";
import { HANDSHAKE, OPCODE, TcpClient } from "../support/tcp_client.ts";

/** A server and 20 clients that send without pause, 8 pushes of each unanswered. */
class Load implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly #writing: Promise<void>[];

  private constructor(readonly server: Server, readonly talkers: Talker[]) {
    this.#writing = talkers.map((talker) => sayAll(talker, this.ledger, linesOf(talker.userId)));
  }

  static async start(options: ServerOptions = {}): Promise<Load> {
    const server = await Server.start(options);
    const users = Array.from(
      { length: 20 },
      (_, n) => ({ userId: `user_${n}`, version: n % 2 === 0 ? 1 : 2 } as const),
    );
    const talkers = await Promise.all(
      users.map((user) => Talker.join(server.socketUrl, user, "general", { limit: 0 })),
    );
    return new Load(server, talkers);
  }

  /** Waits until so many more are acknowledged. */
  async flows(count: number): Promise<void> {
    const goal = this.ledger.acknowledged + count;
    await this.talkers[0]?.until(() => this.ledger.acknowledged >= goal);
  }

  /** Everything that went wrong, once the server is up again and all sockets are closed. */
  async findings(): Promise<string[]> {
    await Promise.all(this.#writing);
    const history = await new RestClient(this.server.url, "reader").history("general");
    return this.ledger.findings(history, this.talkers.flatMap(({ streams }) => streams));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await Promise.all(this.talkers.map((talker) => talker[Symbol.asyncDispose]()));
    await Promise.all(this.#writing);
  }
}

Deno.test(`SIGTERM under load: whatever was acknowledged is stored (seed ${seed})`, async () => {
  await using load = await Load.start();
  await load.flows(chance()(1, 2_000));
  await load.server.stop();
  await load.server.restart();
  assertEquals(await load.findings(), []);
});

/** Sends without pause on bare TCP and resolves with the code of the close frame; Deno's own client loses it when it is just sending. */
async function sendUntilClosed(port: number, answered: () => void): Promise<number | undefined> {
  using client = await TcpClient.upgrade(port);
  const push = (event: string, payload: object) =>
    client.writeFrame(OPCODE.text, JSON.stringify(["1", "1", "text_channel:general", event, payload])).catch(() => {});
  await push("phx_join", { limit: 0 });
  for (let n = 0; n < 8; n++) await push("new_message", { content: `line ${n}` });
  for (;;) {
    const frame = await client.frame();
    if (!frame) return undefined;
    if (frame.opcode === OPCODE.close) return new DataView(frame.payload.buffer).getUint16(0);
    if (!new TextDecoder().decode(frame.payload).includes("phx_reply")) continue;
    answered();
    await push("new_message", { content: "more" });
  }
}

Deno.test("SIGTERM under load: every socket is closed with 1012", async () => {
  await using server = await Server.start();
  let answered = 0;
  const codes = Promise.all(Array.from({ length: 20 }, () => sendUntilClosed(server.port, () => answered++)));
  await eventually(() => answered > 500);
  server.kill("SIGTERM");
  assertEquals(await codes, Array.from({ length: 20 }, () => 1012));
});

Deno.test("SIGTERM under load: the program ends with 0 within 5 s", async () => {
  await using load = await Load.start();
  await load.flows(100);
  const start = performance.now();
  assertEquals(await load.server.stop(), 0);
  assert(performance.now() - start < 5_000, `it took ${performance.now() - start} ms`);
});

Deno.test("SIGTERM does not wait for a client that answers nothing", async () => {
  await using server = await Server.start();
  using mute = await TcpClient.upgrade(server.port);
  await mute.writeFrame(OPCODE.text, JSON.stringify(["1", "1", "text_channel:general", "phx_join", {}]));
  await mute.frame();
  const start = performance.now();
  assertEquals(await server.stop(), 0);
  assert(performance.now() - start < 6_000, `it took ${performance.now() - start} ms`);
});

/** A server whose database is locked by this process, with a push that waits for it. */
async function withWaitingPush(
  test: (server: Server, push: ReturnType<Talker["push"]>, unlock: () => void, talker: Talker) => Promise<void>,
): Promise<void> {
  await using server = await Server.start();
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  using database = new DatabaseSync(`${server.folder}/chat.db`);
  database.exec("BEGIN IMMEDIATE");
  const push = talker.push("new_message", { content: "hello" });
  await talker.push("ping"); // the push is behind it
  await test(server, push, () => database.exec("ROLLBACK"), talker);
}

Deno.test("SIGTERM: what is in flight is answered before its socket is closed", () =>
  withWaitingPush(async (server, push, unlock, talker) => {
    server.kill("SIGTERM");
    await eventually(() => server.output.includes(`"stopping"`));
    unlock();
    assertEquals((await push)?.status, "ok");
    assertEquals((await talker.closed).code, 1012);
    assertEquals(await server.exited, 0);
  }));

Deno.test("while it drains, health says so with 503", () =>
  withWaitingPush(async (server, _push, unlock) => {
    server.kill("SIGTERM");
    await eventually(() => server.output.includes(`"stopping"`));
    const { status, body } = await new RestClient(server.url, "reader").health();
    unlock();
    assertEquals([status, body.status], [503, "draining"]);
    await server.exited;
  }));

Deno.test("while it drains, new sockets are refused", () =>
  withWaitingPush(async (server, _push, unlock) => {
    server.kill("SIGTERM");
    await eventually(() => server.output.includes(`"stopping"`));
    using late = await TcpClient.connect(server.port);
    const { status } = await late.request("GET", "/socket/websocket?vsn=2.0.0&token=bob", HANDSHAKE);
    unlock();
    assertEquals(status, 503);
    await server.exited;
  }));

Deno.test("while it drains, new pushes are refused with unavailable", () =>
  withWaitingPush(async (server, _push, unlock, talker) => {
    server.kill("SIGTERM");
    await eventually(() => server.output.includes(`"stopping"`));
    const late = talker.push("new_message", { content: "late" });
    await talker.push("ping");
    unlock();
    assertEquals([(await late)?.status, (await late)?.response.reason], ["error", "unavailable"]);
    await server.exited;
  }));

Deno.test("SIGTERM ends it soon after the drain time-out, however many writes wait for a database that is locked", async () => {
  await using server = await Server.start({ env: { CHAT_DRAIN_TIMEOUT: "1" } });
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  using database = new DatabaseSync(`${server.folder}/chat.db`);
  database.exec("BEGIN IMMEDIATE");
  const pushes = [...linesOf("alice", 900)].map((content) => talker.push("new_message", { content }));
  await talker.push("ping");
  const start = performance.now();
  assertEquals(await server.stop(), 0);
  assert(performance.now() - start < 10_000, `it took ${performance.now() - start} ms`);
  await Promise.all(pushes);
});

Deno.test("a second SIGTERM ends it at once", () =>
  withWaitingPush(async (server) => {
    server.kill("SIGTERM");
    await eventually(() => server.output.includes(`"stopping"`));
    const start = performance.now();
    server.kill("SIGTERM");
    assertEquals(await server.exited, 1);
    assert(performance.now() - start < 1_000);
  }));

Deno.test("a process frozen for 3 s under load loses nothing and keeps its sockets", async () => {
  await using load = await Load.start();
  await load.flows(500);
  load.server.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // the freeze itself: nothing could be waited for
  load.server.kill("SIGCONT");
  await load.flows(500);
  assertEquals(load.talkers.map(({ open }) => open), load.talkers.map(() => true));
  await load.server.crash();
  await load.server.restart();
  assertEquals(await load.findings(), []);
});

Deno.test("a process frozen for longer than the idle time-out keeps the sockets that sent meanwhile", async () => {
  await using server = await Server.start({ env: { CHAT_IDLE_TIMEOUT: "1" } });
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  server.kill("SIGSTOP");
  const beats = setInterval(() => talker.push("ping"), 300);
  await new Promise((resolve) => setTimeout(resolve, 2_500)); // the freeze itself
  server.kill("SIGCONT");
  const reply = await talker.push("ping");
  clearInterval(beats);
  assertEquals(reply?.status, "ok");
});
