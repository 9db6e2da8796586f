import { assertEquals, assertGreater } from "@std/assert";
import type { Message } from "../../src/store/store.ts";
import { SqliteStore } from "../../src/store/sqlite_store.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { TempFolder } from "./support/temp_folder.ts";
import { noTmpfs, Tmpfs } from "./support/tmpfs.ts";

const channel = { id: "a", name: "a", description: "" };

function draft(content: string) {
  return { channelId: "a", userId: "u", content };
}

function testWithTmpfs(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: noTmpfs ? `${name} (not tried: ${noTmpfs})` : name, ignore: noTmpfs !== undefined, fn });
}

/** Fills the disk with messages; resolves with those acknowledged. */
async function fill(store: SqliteStore): Promise<Message[]> {
  const acknowledged: Message[] = [];
  for (;;) {
    try {
      acknowledged.push((await store.append(draft("x".repeat(16_000)))).message);
    } catch {
      return acknowledged;
    }
  }
}

testWithTmpfs("SqliteStore rejects with unavailable while the disk is full", async () => {
  using disk = new Tmpfs("2m");
  await using store = await SqliteStore.open({ path: `${disk.path}/chat.db`, synchronous: "full" });
  await store.createChannel(channel);
  assertGreater((await fill(store)).length, 10);
  await assertRefused("unavailable", () => store.append(draft("x".repeat(16_000))), "The disk is full.");
});

testWithTmpfs("SqliteStore keeps what it acknowledged and nothing else when the disk is full", async () => {
  using disk = new Tmpfs("2m");
  const [path, ballast] = [`${disk.path}/chat.db`, `${disk.path}/ballast`];
  Deno.writeFileSync(ballast, new Uint8Array(512 * 1_024));
  const before = await SqliteStore.open({ path, synchronous: "full" });
  await before.createChannel(channel);
  const acknowledged = await fill(before);
  assertEquals((await before.history("a", { limit: 1_000 })).messages, acknowledged);
  await before[Symbol.asyncDispose]();
  Deno.removeSync(ballast);
  await using after = await SqliteStore.open({ path, synchronous: "full" });
  assertEquals((await after.history("a", { limit: 1_000 })).messages, acknowledged);
});

testWithTmpfs("SqliteStore goes on by itself when a full disk has room again", async () => {
  using disk = new Tmpfs("2m");
  const ballast = `${disk.path}/ballast`;
  Deno.writeFileSync(ballast, new Uint8Array(512 * 1_024));
  await using store = await SqliteStore.open({ path: `${disk.path}/chat.db`, synchronous: "full" });
  await store.createChannel(channel);
  const { length } = await fill(store);
  Deno.removeSync(ballast);
  assertEquals((await store.append(draft("after"))).message.seq, length + 1);
});

testWithTmpfs("SqliteStore.open() rejects with unavailable on a full disk", async () => {
  using disk = new Tmpfs("1m");
  const ballast = `${disk.path}/ballast`;
  Deno.writeFileSync(ballast, new Uint8Array(1_024 * 1_024 - 8_192));
  await assertRefused("unavailable", () => SqliteStore.open({ path: `${disk.path}/chat.db`, synchronous: "full" }));
  Deno.removeSync(ballast);
  await using _store = await SqliteStore.open({ path: `${disk.path}/chat.db`, synchronous: "full" });
});

// A file system with a file open for writing cannot be made read-only: the kernel says it is busy. So this is tried at the opening alone.
testWithTmpfs(
  "SqliteStore.open() rejects with unavailable on a read-only disk, and opens when it is writable again",
  async () => {
    using disk = new Tmpfs("2m");
    const path = `${disk.path}/chat.db`;
    const before = await SqliteStore.open({ path, synchronous: "full" });
    await before.createChannel(channel);
    await before[Symbol.asyncDispose]();
    disk.remount("ro");
    await assertRefused("unavailable", () => SqliteStore.open({ path, synchronous: "full" }), "cannot be opened");
    disk.remount("rw");
    await using after = await SqliteStore.open({ path, synchronous: "full" });
    assertEquals((await after.append(draft("hi"))).message.seq, 1);
  },
);

/** Makes files refuse writes, even through descriptors that are open, or takes that back; says whether that is possible here. */
function setImmutable(immutable: boolean, ...paths: string[]): boolean {
  try {
    return new Deno.Command("chattr", { args: [immutable ? "+i" : "-i", ...paths], stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

const noImmutable = (() => {
  using folder = new TempFolder();
  const path = `${folder.path}/file`;
  Deno.writeTextFileSync(path, "");
  return !(setImmutable(true, path) && setImmutable(false, path));
})();

const name =
  "SqliteStore rejects with unavailable while its disk takes no writes, reads on, and goes on by itself after it";
Deno.test({
  name: noImmutable ? `${name} (not tried: chattr is not permitted)` : name,
  ignore: noImmutable,
  async fn() {
    using folder = new TempFolder();
    const files = [folder.database, `${folder.database}-wal`];
    await using store = await SqliteStore.open({ path: folder.database, synchronous: "full" });
    await store.createChannel(channel);
    await store.append(draft("before"));
    setImmutable(true, ...files);
    try {
      await assertRefused("unavailable", () => store.append(draft("during")), "The disk failed");
      await assertRefused("unavailable", () => store.ping(), "The disk failed");
      assertEquals((await store.history("a", { limit: 10 })).messages.map(({ content }) => content), ["before"]);
    } finally {
      setImmutable(false, ...files);
    }
    assertEquals((await store.append(draft("after"))).message.seq, 2);
  },
});

/** A database of which everything but the first page is overwritten. */
async function damaged(folder: TempFolder): Promise<SqliteStore> {
  const path = folder.database;
  const store = await SqliteStore.open({ path, synchronous: "full" });
  await store.createChannel(channel);
  await Promise.all(Array.from({ length: 500 }, (_, n) => store.append(draft(`message ${n}`))));
  await store[Symbol.asyncDispose]();
  using file = Deno.openSync(path, { write: true });
  file.seekSync(4_096, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(Deno.statSync(path).size - 4_096).fill(0xa5));
  return await SqliteStore.open({ path, synchronous: "full" });
}

Deno.test("SqliteStore reads reject with unavailable where the file is damaged", async () => {
  using folder = new TempFolder();
  await using store = await damaged(folder);
  await assertRefused("unavailable", () => store.getChannel("a"), "damaged");
  await assertRefused("unavailable", () => store.listChannels({ limit: 10 }), "damaged");
  await assertRefused("unavailable", () => store.history("a", { limit: 10 }), "damaged");
});

Deno.test("SqliteStore writes reject with unavailable where the file is damaged", async () => {
  using folder = new TempFolder();
  await using store = await damaged(folder);
  await assertRefused("unavailable", () => store.append(draft("hi")), "damaged");
  await assertRefused("unavailable", () => store.createChannel({ ...channel, id: "b" }), "damaged");
});

Deno.test("SqliteStore rejects with unavailable where its file is damaged while it is open", async () => {
  using folder = new TempFolder();
  const path = folder.database;
  const before = await SqliteStore.open({ path, synchronous: "full" });
  await before.createChannel(channel);
  await Promise.all(Array.from({ length: 500 }, (_, n) => before.append(draft(`message ${n}`))));
  await before[Symbol.asyncDispose]();
  await using store = await SqliteStore.open({ path, synchronous: "full" });
  using file = Deno.openSync(path, { write: true });
  file.seekSync(4_096, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(Deno.statSync(path).size - 4_096).fill(0xa5));
  await assertRefused("unavailable", () => store.history("a", { limit: 10 }), "damaged");
  await assertRefused("unavailable", () => store.append(draft("hi")), "damaged");
});
