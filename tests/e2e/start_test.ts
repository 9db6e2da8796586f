import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type Run, runProgram } from "../support/program.ts";
import { Server } from "../support/server.ts";

/** What a run starts from. */
interface Given {
  /** `FOLDER` in a value stands for the run's folder. */
  readonly env?: Record<string, string>;
  readonly args?: string[];
  /** Puts files into the folder. */
  readonly prepare?: (folder: string) => void;
}

/** Runs the program to its end in a folder of its own, with a port that is taken: to listen would be seen. */
async function run({ env = {}, args = [], prepare }: Given = {}): Promise<Run & { files: string[]; port: number }> {
  const folder = Deno.makeTempDirSync({ prefix: "chat-start-" });
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  try {
    prepare?.(folder);
    const settings = { PORT: String(port), CHAT_STORE_URL: "sqlite:FOLDER/chat.db", ...env };
    const given = Object.entries(settings).map(([name, value]) => [name, value.replace("FOLDER", folder)]);
    const result = await runProgram(folder, Object.fromEntries(given), args);
    return { ...result, port, files: [...Deno.readDirSync(folder)].map(({ name }) => name) };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("--help prints the settings, opens nothing and ends with 0", async () => {
  const { code, stdout, stderr, files } = await run({ args: ["--help"] });
  assertEquals([code, stderr, files], [0, "", []]);
  assertMatch(stdout, /Usage: chat .*--port NUMBER/s);
});

Deno.test("--version prints the version, opens nothing and ends with 0", async () => {
  const { code, stdout, stderr, files } = await run({ args: ["--version"] });
  assertEquals([code, stderr, files], [0, "", []]);
  assertMatch(stdout, /^chat \d+\.\d+\.\d+ \(Deno \d+\.\d+\.\d+\)\n$/);
});

Deno.test("--help helps also where the settings are wrong", async () => {
  assertEquals((await run({ env: { PORT: "many" }, args: ["--help"] })).code, 0);
});

Deno.test("wrong settings end with 78 and every complaint at once, before anything opens", async () => {
  const env = { PORT: "many", CHAT_LOG_LEVEL: "loud", CHAT_ENV: "staging" };
  const { code, stdout, stderr, files } = await run({ env, args: ["--drain-timeout", "soon"] });
  assertEquals([code, stdout, files], [78, "", []]);
  for (const name of ["PORT", "CHAT_LOG_LEVEL", "CHAT_ENV", "--drain-timeout"]) assertStringIncludes(stderr, name);
});

Deno.test("an unknown CHAT_ name ends with 78 and the name that was meant", async () => {
  const { code, stderr } = await run({ env: { CHAT_STORE_ULR: "memory:" } });
  assertEquals(code, 78);
  assertMatch(stderr, /"CHAT_STORE_ULR" is not a setting: did you mean CHAT_STORE_URL\?/);
});

Deno.test("production without a secret ends with 78 and says how to make one", async () => {
  const { code, stderr, files } = await run({ env: { CHAT_ENV: "production" } });
  assertEquals([code, files], [78, []]);
  assertMatch(stderr, /SECRET_KEY_BASE is not set: .*openssl rand/);
});

Deno.test("production with a weak secret ends with 78 and does not show it", async () => {
  const secret = "change-me-please-change-me-please-change-me";
  const { code, stderr } = await run({ env: { CHAT_ENV: "production", SECRET_KEY_BASE: secret } });
  assertEquals(code, 78);
  assert(!stderr.includes(secret), stderr);
});

Deno.test("a port that is taken ends with 69 and a sentence that names it", async () => {
  const { code, stderr, port } = await run();
  assertEquals(code, 69);
  assertMatch(stderr, new RegExp(`^chat: port ${port} is taken; .*--port`, "m"));
});

Deno.test("an address that is not this machine's ends with 69 and a sentence that names it", async () => {
  const { code, stderr } = await run({ env: { HOST: "203.0.113.1" } });
  assertEquals(code, 69, stderr);
  assertMatch(stderr, /^chat: .*203\.0\.113\.1/m);
});

function execute(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

const UNUSABLE: Record<string, [prepare: (path: string) => void, complaint: RegExp]> = {
  "a file that is no database": [
    (path) => Deno.writeTextFileSync(path, "This is a letter, not a database. ".repeat(100)),
    /not a SQLite database/,
  ],
  "a database of another program": [
    (path) => execute(path, "CREATE TABLE letters (text); PRAGMA user_version = 1"),
    /database of another program/,
  ],
  "a database of a newer version": [
    (path) => execute(path, "PRAGMA user_version = 999; PRAGMA application_id = 0x63686174"),
    /newer version/,
  ],
  "a folder in the place of the database": [(path) => Deno.mkdirSync(path), /cannot be opened/],
};

for (const [what, [prepare, complaint]] of Object.entries(UNUSABLE)) {
  Deno.test(`${what} ends with 69 and one clear sentence`, async () => {
    const { code, stderr } = await run({ prepare: (folder) => prepare(`${folder}/chat.db`) });
    assertEquals(code, 69, stderr);
    assertMatch(stderr, new RegExp(`^chat: sqlite:.*${complaint.source}`, "m"));
  });
}

Deno.test("a file in the place of the database's folder ends with 69 and one clear sentence", async () => {
  const { code, stderr } = await run({
    env: { CHAT_STORE_URL: "sqlite:FOLDER/data/chat.db" },
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/data`, ""),
  });
  assertEquals(code, 69, stderr);
  assertMatch(stderr, /^chat: sqlite:.*data\/chat\.db/m);
});

Deno.test("the banner names the addresses to open", async () => {
  await using server = await Server.start();
  for (const path of ["http://localhost:PORT/", "ws://localhost:PORT/socket", "http://localhost:PORT/api/health"]) {
    assertStringIncludes(server.output, path.replace("PORT", String(server.port)));
  }
});

Deno.test("the addresses in the banner answer", async () => {
  await using server = await Server.start();
  const urls = server.output.match(/http:\/\/\S+/g) ?? [];
  assertEquals(urls.length, 3);
  for (const url of urls) {
    const response = await fetch(url);
    await response.body?.cancel();
    assertEquals([url, response.status], [url, 200]);
  }
});

Deno.test("in production it prints no banner, only log lines of JSON", async () => {
  const secret = "kX9mQ2vR7tY4wZ1pL8nB5cD3fG6hJ0sA/Ue+iOxM=";
  await using server = await Server.start({
    env: { CHAT_ENV: "production", HOST: "127.0.0.1", SECRET_KEY_BASE: secret },
  });
  for (const line of server.output.trim().split("\n")) JSON.parse(line);
  assert(!server.output.includes(secret));
});

Deno.test("a database that was there is opened with what is in it", async () => {
  await using server = await Server.start();
  const url = `${server.url}/api/channels`;
  const created = await fetch(url, { method: "POST", body: JSON.stringify({ id: "kept", name: "Kept" }) });
  await created.body?.cancel();
  await server.stop();
  await server.restart();
  const { channel } = await (await fetch(`${server.url}/api/channels/kept`)).json();
  assertEquals(channel.name, "Kept");
});
