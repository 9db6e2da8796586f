import { assertEquals } from "@std/assert";
import type { WriteOperation, WriteResult } from "../../src/store/sqlite_database.ts";
import { SqliteWriterThread } from "../../src/store/sqlite_writer.ts";
import { TempFolder } from "./support/temp_folder.ts";

const createChannel: WriteOperation = { name: "createChannel", args: [{ id: "a", name: "a", description: "" }] };
const append: WriteOperation = { name: "append", args: [{ channelId: "a", userId: "u", content: "hi" }] };
/** No operation of the store: its value is a function, which cannot leave the thread, so that the thread dies of it. */
const deadly = { name: "__lookupGetter__", args: ["__proto__"] } as unknown as WriteOperation;

function codes(results: readonly WriteResult[]): string[] {
  return results.map((result) => "error" in result ? `${result.error.code}: ${result.error.message}` : "ok");
}

Deno.test("SqliteWriterThread write() answers each operation for itself", async () => {
  using folder = new TempFolder();
  await using writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  const results = await writer.write([append, createChannel, createChannel, append]);
  assertEquals(codes(results), [
    "not_found: There is no such channel.",
    "ok",
    "conflict: There is a channel with this id.",
    "ok",
  ]);
});

Deno.test("SqliteWriterThread write() undoes all operations where one fails in an unforeseen way, and goes on", async () => {
  using folder = new TempFolder();
  await using writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  const results = await writer.write([createChannel, { name: "append", args: [] } as unknown as WriteOperation]);
  assertEquals(codes(results), Array(2).fill("unavailable: The database failed."));
  assertEquals(codes(await writer.write([append, createChannel])), ["not_found: There is no such channel.", "ok"]);
});

Deno.test("SqliteWriterThread write() says unavailable for all operations when the thread dies of one", async () => {
  using folder = new TempFolder();
  await using writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  const results = await writer.write([createChannel, deadly]);
  assertEquals(codes(results), Array(2).fill("unavailable: The storage failed."));
});

Deno.test("SqliteWriterThread write() goes on with another thread after one has died", async () => {
  using folder = new TempFolder();
  await using writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  await writer.write([createChannel]);
  await writer.write([deadly]);
  assertEquals(codes(await writer.write([append])), ["ok"]);
});

Deno.test("SqliteWriterThread closes after its thread has died", async () => {
  using folder = new TempFolder();
  const writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  await writer.write([deadly]);
  await writer[Symbol.asyncDispose]();
});

Deno.test("SqliteWriterThread write() says why where the file cannot be opened again, until it can", async () => {
  using folder = new TempFolder();
  const moved = `${folder.path}-moved`;
  await using writer = await SqliteWriterThread.open({ path: folder.database, synchronous: "full" });
  await writer.write([createChannel]);
  await writer.write([deadly]);
  Deno.renameSync(folder.path, moved);
  const results = await writer.write([append]).finally(() => Deno.renameSync(moved, folder.path));
  assertEquals(codes(results), [
    "unavailable: The database file cannot be opened: is its folder there and writable?",
  ]);
  assertEquals(codes(await writer.write([append])), ["ok"]);
});
