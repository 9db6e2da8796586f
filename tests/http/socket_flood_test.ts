import { assert, assertEquals, assertLess } from "@std/assert";
import { chance, seed } from "../support/chance.ts";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { Server, type ServerOptions } from "../support/server.ts";
import { OPCODE, TcpClient } from "../support/tcp_client.ts";

const GENERAL = "text_channel:general";
const MB = 1_024 * 1_024;

/** A size from `/proc/<pid>/status` in bytes: `VmRSS` is the memory now, `VmHWM` the most it ever was. */
async function memory({ pid }: Server, line: "VmRSS" | "VmHWM"): Promise<number> {
  // Deno itself reads /proc with every permission only.
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).output();
  const [, kilobytes] = new RegExp(`^${line}:\\s*(\\d+) kB`, "m").exec(textOf(stdout)) ?? [];
  return Number(kilobytes) * 1_024;
}

function textOf(payload: Uint8Array): string {
  return new TextDecoder().decode(payload);
}

/** Connects as a user and joins `general`. */
async function enter({ port }: Server, user: string): Promise<TcpClient> {
  const client = await TcpClient.upgrade(port, `vsn=2.0.0&token=${user}`);
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "1", GENERAL, "phx_join", { limit: 0 }]));
  await client.find(({ payload }) => textOf(payload).includes("phx_reply"));
  return client;
}

const READERS = 10;
/** Four bytes a character: 9.6 MB for each who is in the channel. */
const FLOOD = 600;
const CONTENT = "😀".repeat(4_000);

/** A channel of members who never read, one who speaks far more than their buffers hold, and one who listens. */
class Stalled implements AsyncDisposable {
  private constructor(readonly server: Server, readonly readers: TcpClient[], readonly listener: RawClient) {}

  static async start(options: ServerOptions = {}): Promise<Stalled> {
    const server = await Server.start(options);
    const readers = await Promise.all(Array.from({ length: READERS }, (_, n) => enter(server, `reader_${n}`)));
    const listener = await RawClient.connect(server.socketUrl, { token: "listener" });
    await listener.join("general");
    return new Stalled(server, readers, listener);
  }

  /** Says everything; each message is answered before the next twenty are sent. */
  async flood(): Promise<void> {
    using speaker = await enter(this.server, "speaker");
    for (let said = 0; said < FLOOD; said += 20) {
      for (let n = said; n < said + 20; n++) {
        const push = ["1", `said ${n}`, GENERAL, "new_message", { content: `${n} ${CONTENT.slice(0, 7_980)}` }];
        await speaker.writeFrame(OPCODE.text, JSON.stringify(push));
      }
      await speaker.find(({ payload }) => textOf(payload.subarray(0, 40)).startsWith(`["1","said ${said + 19}"`));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.readers) reader[Symbol.dispose]();
    await this.server[Symbol.asyncDispose]();
    await eventually(() => this.listener.closed);
  }
}

Deno.test("members who stop reading take no message from the others", async () => {
  await using stalled = await Stalled.start();
  await stalled.flood();
  const { listener } = stalled;
  await eventually(() => listener.events("new_message").length >= FLOOD, 15_000);
  const said = listener.events("new_message").map(({ content }) => Number(String(content).split(" ")[0]));
  assertEquals(said, Array.from({ length: FLOOD }, (_, n) => n));
});

Deno.test("members who stop reading are taken out of the channel", async () => {
  await using stalled = await Stalled.start();
  await stalled.flood();
  const left = () => stalled.listener.events("presence_diff").flatMap(({ leaves }) => Object.keys(leaves as object));
  await eventually(() => left().filter((user) => user.startsWith("reader_")).length === READERS);
});

Deno.test("members who stop reading cost less than 10 MB each", async () => {
  await using stalled = await Stalled.start();
  const before = await memory(stalled.server, "VmRSS");
  await stalled.flood();
  const grown = await memory(stalled.server, "VmHWM") - before;
  assertLess(grown, READERS * 10 * MB, `${grown / MB} MB`);
});

Deno.test("a member who stopped reading and reads again finds what was sent in time, in order, and a close with 1013", async () => {
  await using stalled = await Stalled.start();
  await stalled.flood();
  const [reader] = stalled.readers;
  const seqs: number[] = [];
  const close = await reader?.find(({ opcode, payload }) => {
    const [, seq] = /"seq":(\d+)/.exec(opcode === OPCODE.text ? textOf(payload) : "") ?? [];
    if (seq !== undefined) seqs.push(Number(seq));
    return opcode === OPCODE.close;
  });
  assertEquals(close && new DataView(close.payload.buffer).getUint16(close.payload.byteOffset), 1013);
  assertEquals(seqs, Array.from({ length: seqs.length }, (_, n) => n + 1));
  assert(seqs.length < FLOOD);
});

Deno.test("members who stop reading do not delay a stop beyond the drain time-out", async () => {
  await using stalled = await Stalled.start({ env: { CHAT_DRAIN_TIMEOUT: "1" } });
  await stalled.flood();
  const started = performance.now();
  assertEquals(await stalled.server.stop(), 0);
  assertLess(performance.now() - started, 5_000);
});

// What no client sends

type Draw = (min: number, max: number) => number;

const LONG = "x".repeat(60_000);
const DEEP = "[".repeat(20_000) + "]".repeat(20_000);
const ODD = [
  `""`,
  "0",
  "-1",
  "1e308",
  "null",
  "true",
  "[]",
  "{}",
  `"\\ud800"`,
  `"__proto__"`,
  `{"__proto__":{"a":1}}`,
  DEEP,
  JSON.stringify(LONG),
  `{"content":null}`,
  `{"content":[]}`,
  `{"content":"\\udfff"}`,
  `{"limit":-1}`,
  `{"limit":1e9}`,
  `{"nonce":{},"content":"x"}`,
];
const TOPICS = [
  `"phoenix"`,
  `"${GENERAL}"`,
  `"text_channel:"`,
  `"text_channel:a/b"`,
  `"text_channel:*"`,
  `"text_channel"`,
  `""`,
  "null",
  "7",
  "true",
  JSON.stringify(`text_channel:${"x".repeat(65)}`),
  JSON.stringify(LONG),
  `"user_socket:alice"`,
];
const EVENTS = [
  `"heartbeat"`,
  `"phx_leave"`,
  `"phx_reply"`,
  `"phx_error"`,
  `"phx_close"`,
  `"new_message"`,
  `"typing"`,
  `"ping"`,
  `"__proto__"`,
  `"constructor"`,
  `""`,
  "null",
  "7",
  JSON.stringify(LONG),
];
const REFS = ["null", `"1"`, "1", `"${"9".repeat(300)}"`, "true", `""`, `"\\u0000"`];

function pick<T>(draw: Draw, list: readonly T[]): T | undefined {
  return list[draw(0, list.length - 1)];
}

/** A frame that makes no sense but does not end the socket either. */
function nonsense(draw: Draw): string | Uint8Array {
  const ref = pick(draw, REFS);
  const topic = pick(draw, TOPICS);
  if (draw(0, 9) === 0) {
    const fields = [`${draw(0, 99)}`, `${draw(0, 99)}`, JSON.parse(topic ?? ""), "odd"].map((field) =>
      new TextEncoder().encode(String(field)).subarray(0, 255)
    );
    return new Uint8Array([
      0,
      ...fields.map(({ length }) => length),
      ...fields.flatMap((field) => [...field]),
      draw(0, 255),
    ]);
  }
  const event = draw(0, 9) === 0 && topic !== `"${GENERAL}"` ? `"phx_join"` : pick(draw, EVENTS);
  const more = draw(0, 9) === 0 ? `,${pick(draw, ODD)}` : "";
  const frame = `[${pick(draw, REFS)},${ref},${topic},${event},${pick(draw, ODD)}${more}]`;
  return frame.length < 65_536 ? frame : `[null,${ref},null,null,null]`;
}

/** A frame that ends the socket with 1011. */
function garbage(draw: Draw): string | Uint8Array {
  const random = Uint8Array.from({ length: draw(0, 300) }, () => draw(0, 255));
  const valid = `["1","2","${GENERAL}","typing",{}]`;
  return pick<string | Uint8Array>(draw, [
    "",
    valid.slice(0, draw(0, valid.length - 1)),
    valid.slice(draw(2, valid.length)),
    "[".repeat(draw(1, 60_000)),
    "null",
    "{}",
    `{"topic":"t","event":"e","payload":{},"ref":"1"}`,
    `["1","2","t","e"]`,
    `[{},"2","t","e",{}]`,
    `["1",[],"t","e",{}]`,
    `["1","2",{"a":1},"e",{}]`,
    "\ufeff\u0000\u2028",
    new Uint8Array([draw(1, 255), ...random]),
    new Uint8Array([0, 255, 255, 255, 255, ...random]),
    new Uint8Array([0, 2, 0, 0, 0, 0xc3, 0x28]),
    new Uint8Array(draw(0, 4)),
  ]) ?? "";
}

const FRAMES = 10_000;
const CONNECTIONS = 200;

/** Sends the frames of one connection, which answers to a member of `general`, and waits until the server has ended it. */
async function misbehave(server: Server, draw: Draw): Promise<number | undefined> {
  using client = await enter(server, `odd_${draw(0, 9)}`);
  const closed = client.closeCode();
  for (let n = 1; n < FRAMES / CONNECTIONS; n++) await send(client, nonsense(draw));
  await send(client, garbage(draw));
  return await closed;
}

async function send(client: TcpClient, frame: string | Uint8Array): Promise<void> {
  await client.writeFrame(typeof frame === "string" ? OPCODE.text : OPCODE.binary, frame);
}

/** What passes between two who have nothing to do with it. */
interface Conversation {
  readonly said: string[];
  readonly heard: unknown[];
  readonly longestMs: number;
}

/** Lets two members of another channel talk from before `work` until after it. */
async function meanwhile({ socketUrl }: Server, work: () => Promise<unknown>): Promise<Conversation> {
  await using alice = await RawClient.connect(socketUrl, { token: "alice" });
  await using bob = await RawClient.connect(socketUrl, { token: "bob" });
  await alice.join("bystanders");
  await bob.join("bystanders");
  let busy = true;
  const working = work().finally(() => busy = false);
  const said: string[] = [];
  let longestMs = 0;
  while (busy || said.length < 10) {
    const started = performance.now();
    const content = `line ${said.length}`;
    assertEquals((await alice.push("text_channel:bystanders", "new_message", { content })).status, "ok");
    said.push(content);
    longestMs = Math.max(longestMs, performance.now() - started);
  }
  await working;
  await bob.push("text_channel:bystanders", "ping");
  const strange = bob.received.filter(([, , topic]) => topic !== "text_channel:bystanders");
  assertEquals(strange, []);
  return { said, heard: bob.events("new_message").map(({ content }) => content), longestMs };
}

Deno.test(`10,000 malformed frames over 200 connections disturb nobody (seed ${seed})`, async () => {
  await using server = await Server.start();
  const { pid } = server;
  const draw = chance();
  const codes: unknown[] = [];
  const before = await memory(server, "VmRSS");
  const worker = async () => {
    for (let n = 0; n < CONNECTIONS / 10; n++) codes.push(await misbehave(server, draw));
  };
  const flood = () => Promise.all(Array.from({ length: 10 }, worker));
  const { said, heard, longestMs } = await meanwhile(server, flood);
  assertEquals(codes, Array(CONNECTIONS).fill(1011));
  assertEquals(heard, said);
  assertLess(longestMs, 2_000);
  const grown = await memory(server, "VmRSS") - before;
  assertLess(grown, 150 * MB, `${grown / MB} MB`);
  assertEquals([server.pid, (await (await fetch(`${server.url}/api/health`)).json()).status], [pid, "healthy"]);
  assertEquals(server.output.split("\n").filter((line) => line.includes(`"level":"ERROR"`)), []);
});

Deno.test("20,000 frames at once from one socket delay the others by less than a second", async () => {
  await using server = await Server.start();
  using flooder = await enter(server, "flooder");
  const flood = async () => {
    // On a busy machine it reads its answers too slowly and is closed with 1013: that ends the flood as well.
    const answered = flooder.find(({ opcode, payload }) => {
      return opcode === OPCODE.close || textOf(payload).includes(`"last"`);
    });
    for (let n = 0; n < 20_000; n++) {
      const ping = JSON.stringify(["1", n === 19_999 ? "last" : "r", GENERAL, "ping", {}]);
      await flooder.writeFrame(OPCODE.text, ping).catch(() => {});
    }
    await answered;
  };
  const { said, heard, longestMs } = await meanwhile(server, flood);
  assertEquals(heard, said);
  assertLess(longestMs, 1_000);
});
