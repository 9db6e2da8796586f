import { assertEquals } from "@std/assert";
import { openStore, shownUrl } from "../../src/store/open_store.ts";
import { assertRefused } from "./support/assert_refused.ts";
import { TempFolder } from "./support/temp_folder.ts";

const channel = { id: "a", name: "a", description: "" };

Deno.test("openStore() opens a store in memory for memory:", async () => {
  await using store = await openStore({ url: "memory:", synchronous: "full" });
  await store.createChannel(channel);
  assertEquals((await store.listChannels({ limit: 10 })).channels.length, 1);
});

Deno.test("openStore() opens another store each time for memory:", async () => {
  await using one = await openStore({ url: "memory:", synchronous: "full" });
  await using other = await openStore({ url: "memory:", synchronous: "full" });
  await one.createChannel(channel);
  assertEquals((await other.listChannels({ limit: 10 })).channels, []);
});

Deno.test("openStore() opens the file that sqlite: names", async () => {
  using folder = new TempFolder();
  await using store = await openStore({ url: `sqlite:${folder.database}`, synchronous: "full" });
  await store.createChannel(channel);
  assertEquals(Deno.statSync(folder.database).isFile, true);
});

Deno.test("openStore() opens the same store for the same file", async () => {
  using folder = new TempFolder();
  const options = { url: `sqlite:${folder.database}`, synchronous: "full" } as const;
  await using one = await openStore(options);
  await using other = await openStore(options);
  await one.createChannel(channel);
  assertEquals((await other.listChannels({ limit: 10 })).channels.length, 1);
});

Deno.test("openStore() makes the folders of the file", async () => {
  using folder = new TempFolder();
  await using _store = await openStore({ url: `sqlite:${folder.path}/new/newer/chat.db`, synchronous: "full" });
  assertEquals(Deno.statSync(`${folder.path}/new/newer/chat.db`).isFile, true);
});

Deno.test("openStore() rejects with unavailable where the folder cannot be made", async () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  await assertRefused(
    "unavailable",
    () => openStore({ url: `sqlite:${folder.path}/file/new/chat.db`, synchronous: "full" }),
    "folder",
  );
});

Deno.test("openStore() rejects with unavailable where the file is not a database", async () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(folder.database, "hello");
  await assertRefused(
    "unavailable",
    () => openStore({ url: `sqlite:${folder.database}`, synchronous: "full" }),
    "not a SQLite database",
  );
});

Deno.test("shownUrl() keeps the secrets of a URL of Postgres to itself, wherever they stand", () => {
  for (const scheme of ["postgres", "postgresql"]) {
    for (
      const rest of ["u:hunter2@h/db", "u:a@hunter2@h/db", "hunter2@h/db", "h/db?password=hunter2", "u:a/hunter2@h/db"]
    ) {
      assertEquals(shownUrl(`${scheme}://${rest}`), `${scheme}://h/db`);
    }
  }
});

Deno.test("openStore() rejects with unavailable where Postgres cannot be reached", async () => {
  const url = "postgres://chat:hunter2@127.0.0.1:1/chat";
  const { message } = await assertRefused(
    "unavailable",
    () => openStore({ url, synchronous: "full" }),
    "cannot be reached",
  );
  assertEquals(message.includes("hunter2"), false);
});
