import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { eventually } from "../support/eventually.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { type Reply, Talker } from "../support/talker.ts";

function run(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** A file system of 2 MiB of its own; disposing unmounts it. */
class SmallDisk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "chat-disk-" });

  constructor() {
    if (!run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", this.folder)) {
      Deno.removeSync(this.folder);
      throw new Error("mount is not permitted");
    }
  }

  /** Takes all the space that is left. */
  fill(): void {
    const file = Deno.openSync(`${this.folder}/filler`, { create: true, write: true });
    try {
      for (const size of [65_536, 4_096, 1]) writeAll(file, new Uint8Array(size));
    } finally {
      file.close();
    }
  }

  free(): void {
    Deno.removeSync(`${this.folder}/filler`);
  }

  [Symbol.dispose](): void {
    run("umount", this.folder);
    Deno.removeSync(this.folder);
  }
}

function writeAll(file: Deno.FsFile, block: Uint8Array): void {
  try {
    while (file.writeSync(block) > 0);
  } catch {
    // The disk is full.
  }
}

function mayMount(): boolean {
  try {
    new SmallDisk()[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

const mountable = Deno.build.os === "linux" && mayMount();

function onSmallDisk(name: string, test: (server: Server, disk: SmallDisk) => Promise<void>): void {
  const note = mountable ? "" : " (ignored: this user may not mount a file system)";
  Deno.test({
    name: `a full disk: ${name}${note}`,
    ignore: !mountable,
    fn: async () => {
      using disk = new SmallDisk();
      await using server = await Server.start({ folder: disk.folder });
      await test(server, disk);
    },
  });
}

function push(talker: Talker, content: string): Promise<Reply | undefined> {
  return talker.push("new_message", { content });
}

onSmallDisk("pushes get the error reply unavailable", async (server, disk) => {
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  disk.fill();
  const { status, response } = await push(talker, "x".repeat(4_000)) ?? { status: "closed", response: {} };
  assertEquals([status, response.reason, response.message], ["error", "unavailable", "The disk is full."]);
});

onSmallDisk("what was refused reaches nobody, now or later", async (server, disk) => {
  await using alice = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  await using bob = await Talker.join(server.socketUrl, { userId: "bob" }, "general");
  disk.fill();
  for (const content of ["one", "two", "three"]) {
    const reply = await push(alice, content.padEnd(4_000));
    assertEquals(reply?.status, "error");
  }
  disk.free();
  await eventually(async () => (await push(alice, "resumed"))?.status === "ok");
  await bob.until(({ contents }) => contents.includes("resumed"));
  assertEquals(bob.contents, ["resumed"]);
  assertEquals((await new RestClient(server.url, "bob").history("general")).map(({ seq }) => seq), [1]);
});

onSmallDisk("health says degraded with 503, and healthy when there is space again", async (server, disk) => {
  const rest = new RestClient(server.url, "alice");
  assertEquals((await rest.health()).status, 200);
  disk.fill();
  await eventually(async () => (await rest.health()).status === 503);
  const { body } = await rest.health();
  assertEquals([body.status, body.store], ["degraded", "failing"]);
  disk.free();
  await eventually(async () => (await rest.health()).status === 200);
  assertEquals((await rest.health()).body.status, "healthy");
});

onSmallDisk("sockets stay and history can be read", async (server, disk) => {
  await using talker = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  await push(talker, "before");
  disk.fill();
  assertEquals((await push(talker, "x".repeat(4_000)))?.status, "error");
  await using late = await Talker.join(server.socketUrl, { userId: "bob" }, "general");
  assertEquals(late.streams[0]?.reply?.messages.map(({ content }) => content), ["before"]);
  assert(talker.open);
});

/** A server whose database is locked by this process. */
async function whileLocked(
  test: (server: Server, alice: Talker, bob: Talker, unlock: () => void) => Promise<void>,
): Promise<void> {
  await using server = await Server.start();
  await using alice = await Talker.join(server.socketUrl, { userId: "alice" }, "general");
  await using bob = await Talker.join(server.socketUrl, { userId: "bob" }, "general");
  using database = new DatabaseSync(`${server.folder}/chat.db`);
  database.exec("BEGIN IMMEDIATE");
  await test(server, alice, bob, () => database.exec("ROLLBACK"));
}

Deno.test("a database that stays locked: the push is refused, reaches nobody, and the next one goes through", () =>
  whileLocked(async (_server, alice, bob, unlock) => {
    const refused = await push(alice, "refused");
    assertEquals([refused?.status, refused?.response.reason], ["error", "unavailable"]);
    const next = push(alice, "next");
    assertEquals((await alice.push("ping"))?.status, "ok"); // behind it: it waits for the lock now
    unlock();
    assertEquals((await next)?.status, "ok");
    await bob.until(({ contents }) => contents.includes("next"));
    assertEquals(bob.contents, ["next"]);
  }));

Deno.test("a database locked for a moment delays the push and no more", () =>
  whileLocked(async (_server, alice, bob, unlock) => {
    const reply = push(alice, "hello");
    assertEquals((await alice.push("ping"))?.status, "ok"); // behind it, and answered before it
    unlock();
    assertEquals((await reply)?.status, "ok");
    await bob.until(({ contents }) => contents.includes("hello"));
  }));

Deno.test("while the database is locked, history is read and joins are let in", () =>
  whileLocked(async (server, _alice, _bob, unlock) => {
    await using late = await Talker.join(server.socketUrl, { userId: "late" }, "general");
    assertEquals(late.streams[0]?.reply?.head_seq, 0);
    assertEquals(await new RestClient(server.url, "late").history("general"), []);
    unlock();
  }));
