import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { SqliteStore } from "../../src/store/sqlite_store.ts";
import type { Message } from "../../src/store/store.ts";
import { generator, newSeed } from "./support/random.ts";
import { TempFolder } from "./support/temp_folder.ts";

/** How often each crash is tried; more by `CRASH_ROUNDS`. */
const ROUNDS = Number(Deno.env.get("CRASH_ROUNDS") ?? 4);
const script = new URL("./support/writer.ts", import.meta.url).pathname;
const root = new URL("../../", import.meta.url).pathname;

/** What a writer was told. */
interface Ack {
  readonly writer: number;
  readonly n: number;
  readonly seq: number;
}

function command(path: string, synchronous: string, writers: number, messages: number): string[] {
  const options = [path, synchronous, String(writers), String(messages)];
  return [Deno.execPath(), "run", "--no-prompt", "--allow-read", "--allow-write", script, ...options];
}

function parse(line: string): Ack | undefined {
  const [word, ...numbers] = line.split(" ");
  const [writer = 0, n = 0, seq = 0] = numbers.map(Number);
  return word === "ack" ? { writer, n, seq } : undefined;
}

/** Lets a process write in full stream, ends it with SIGKILL after about `count` acknowledgements, resolves with all it got out. */
async function crash(path: string, writers: number, count: number): Promise<Ack[]> {
  const [program = "", ...args] = command(path, "full", writers, 1_000_000);
  await using child = new Deno.Command(program, { args, cwd: root, stdin: "null", stdout: "piped" }).spawn();
  const acks: Ack[] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    acks.push(...lines.map(parse).filter((ack) => ack !== undefined));
    if (acks.length < count) continue;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has been killed already; what it said before still comes.
    }
  }
  await child.status;
  return acks;
}

/** Everything in the channel, oldest first. */
async function stored(path: string): Promise<readonly Message[]> {
  await using store = await SqliteStore.open({ path, synchronous: "full" });
  const { messages, headSeq } = await store.changes("a", { after: 0, limit: 1_000_000 });
  assertEquals(messages.map(({ seq }) => seq), Array.from({ length: headSeq }, (_, n) => n + 1));
  return messages;
}

function numberOf({ content }: Message): number {
  return Number(content.replace("message ", ""));
}

Deno.test("SqliteStore has each acknowledged message once, in the order of its sender, after SIGKILL", async () => {
  const seed = newSeed();
  const random = generator(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const told = `seed ${seed}, round ${round}`;
    using folder = new TempFolder();
    const acks = await crash(folder.database, 4, 1 + random(600));
    const messages = await stored(folder.database);
    for (const { writer, n, seq } of acks) {
      const message = messages[seq - 1];
      assertEquals([message?.userId, message?.content], [`writer-${writer}`, `message ${n}`], told);
    }
    for (const writer of [0, 1, 2, 3]) {
      const sent = messages.filter(({ userId }) => userId === `writer-${writer}`).map(numberOf);
      assertEquals(sent, sent.map((_, index) => index + 1), told);
    }
  }
});

Deno.test("SqliteStore goes on after SIGKILL where it was, ids and times not running backwards", async () => {
  using folder = new TempFolder();
  await crash(folder.database, 2, 50);
  const last = (await stored(folder.database)).at(-1);
  assert(last);
  await using store = await SqliteStore.open({ path: folder.database, synchronous: "full" });
  const { message } = await store.append({ channelId: "a", userId: "u", content: "after" });
  assertEquals(message.seq, last.seq + 1);
  assert(message.id > last.id && message.createdAt >= last.createdAt);
});

Deno.test("SqliteStore opens a log whose end was torn off and has all but the last transaction", async () => {
  const seed = newSeed();
  const random = generator(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = 1 + random(100);
    const told = `seed ${seed}, round ${round}, ${bytes} bytes`;
    using folder = new TempFolder();
    const acks = await crash(folder.database, 1, 1 + random(100));
    const log = `${folder.database}-wal`;
    Deno.truncateSync(log, Deno.statSync(log).size - bytes);
    const messages = await stored(folder.database);
    assertEquals(messages.map(numberOf), messages.map((_, index) => index + 1), told);
    assertGreaterOrEqual(messages.length, acks.length - 1, told);
  }
});

const noStrace = await (async () => {
  try {
    const { success } = await new Deno.Command("strace", { args: ["-o", "/dev/null", "true"], stderr: "null" })
      .output();
    return success ? undefined : "strace is not permitted";
  } catch {
    return "there is no strace";
  }
})();

/** How many times the log was flushed to the disk before each of ten acknowledgements left the process, since the one before. */
async function flushesBeforeAcks(synchronous: string): Promise<number[]> {
  using folder = new TempFolder();
  const trace = `${folder.path}/trace`;
  const child = command(folder.database, synchronous, 1, 10);
  const args = ["-f", "-o", trace, "-e", "trace=fsync,fdatasync,write", ...child];
  const { success } = await new Deno.Command("strace", { args, cwd: root, stdout: "null", stderr: "null" }).output();
  assert(success);
  const flushes: number[] = [];
  let count = 0;
  for (const line of Deno.readTextFileSync(trace).split("\n")) {
    if (/(fsync|fdatasync)(\(\d+\)| resumed>.*\)) += 0/.test(line)) count++;
    if (/write\(1, "(ready|ack)/.test(line)) {
      flushes.push(count);
      count = 0;
    }
  }
  return flushes.slice(1);
}

Deno.test({
  name: `SqliteStore append() resolves after its log was flushed to the disk${
    noStrace ? ` (not tried: ${noStrace})` : ""
  }`,
  ignore: noStrace !== undefined,
  async fn() {
    const flushes = await flushesBeforeAcks("full");
    assertEquals(flushes.length, 10);
    for (const count of flushes) assertGreaterOrEqual(count, 1);
  },
});

Deno.test({
  name: `SqliteStore append() does not wait for the disk with synchronous: normal${
    noStrace ? ` (not tried: ${noStrace})` : ""
  }`,
  ignore: noStrace !== undefined,
  async fn() {
    assertEquals(await flushesBeforeAcks("normal"), Array(10).fill(0));
  },
});
