import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import denoJson from "../deno.json" with { type: "json" };
import { SETTINGS } from "../src/config.ts";
import { chance, seed } from "./support/chance.ts";
import { Ledger } from "./support/checker.ts";
import { eventually } from "./support/eventually.ts";
import { RestClient } from "./support/rest_client.ts";
import { Server } from "./support/server.ts";
import { linesOf, sayAll, Talker } from "./support/talker.ts";

const root = new URL("../", import.meta.url);
const readme = read("README.md");

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, root));
}

/** The fenced blocks of a language, without their fences. */
function blocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , text = ""]) => text);
}

/** The README's settings, as `deno fmt` lays a table out. */
function settingsTable(): string {
  const code = (text: string | undefined) => text === undefined ? "" : `\`${text}\``;
  const plain = (text: string) => text.replaceAll(/[*|]/g, "\\$&");
  const rows = [
    ["name", "flag", "default", "what it does"],
    ...SETTINGS.map((
      setting,
    ) => [code(setting.name), code(setting.flag), plain(setting.default), plain(setting.about)]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** The Markdown files that people read: the README and everything in `docs/`. */
function* documents(folder = "docs"): Generator<string> {
  if (folder === "docs") yield "README.md";
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory) yield* documents(`${folder}/${name}`);
    else if (name.endsWith(".md")) yield `${folder}/${name}`;
  }
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)]
    .map(([, heading = ""]) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"));
}

/** Whether there is something where a relative link of a document points. */
function resolves(link: string, from: string): boolean {
  const url = new URL(link, new URL(from, root));
  const anchor = url.hash.slice(1);
  url.hash = "";
  try {
    Deno.statSync(url);
  } catch {
    return false;
  }
  return anchor === "" || anchors(Deno.readTextFileSync(url)).includes(anchor);
}

Deno.test("README: the settings are those of the service", () => {
  const table = settingsTable();
  assert(readme.includes(`\n\n${table}\n`), `the README's table of settings must be:\n\n${table}`);
});

/** A JavaScript example of the README in a process of its own, changed in nothing but the port; `await using` ends it. */
class Example implements AsyncDisposable {
  /** What it printed so far, on both streams. */
  output = "";
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#reading = Promise.all([this.#collect(process.stdout), this.#collect(process.stderr)]);
  }

  static async start(source: string, server: Server): Promise<Example> {
    const folder = `${server.folder}/client`;
    await Deno.mkdir(folder);
    const imports = { phoenix: denoJson.imports["phoenix-1.8"] };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
    await Deno.writeTextFile(`${folder}/client.js`, source.replaceAll("localhost:4000", `localhost:${server.port}`));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net", "client.js"],
      cwd: folder,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    return new Example(command.spawn());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await this.#reading;
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}

Deno.test("README: the JavaScript client runs as it stands", async () => {
  const [source = ""] = blocks(readme, "js");
  await using server = await Server.start();
  await using client = await Example.start(source, server);
  await eventually(() => {
    for (const text of ["0 earlier messages", "alice: Hello!", "stored as number 1"]) {
      assertStringIncludes(client.output, text);
    }
    return true;
  }, 15_000);
});

const recovery = blocks(readme, "js").find((text) => text.includes("last_seq")) ?? "";

Deno.test(`README: the client that never misses a message lives through a kill -9 (seed ${seed})`, async () => {
  assert(recovery.split("\n").filter((line) => line.trim() !== "").length <= 30);
  await using server = await Server.start();
  await using client = await Example.start(recovery, server);
  const ledger = new Ledger();
  const speak = async (userId: string, count: number) => {
    await using talker = await Talker.join(server.socketUrl, { userId }, "general", { limit: 0 });
    await sayAll(talker, ledger, linesOf(userId, count));
  };
  const printed = (text: string) => eventually(() => client.output.includes(`${text}\n`), 15_000);

  await speak("first", 1);
  await printed("1 first: first 1");
  const [speaking, killAt] = [speak("before", 400), chance()(20, 300)];
  await eventually(() => ledger.acknowledged >= killAt);
  await server.crash();
  await speaking;
  await server.restart();
  await speak("meanwhile", 200);
  await printed("meanwhile: meanwhile 200");
  await speak("after", 50);
  await printed("after: after 50");

  const history = await new RestClient(server.url, "reader").history("general");
  assertEquals(
    client.output.trimEnd().split("\n"),
    history.map(({ seq, user_id, content }) => `${seq} ${user_id}: ${content}`),
  );
  assertEquals(ledger.findings(history, []), []);
});

Deno.test("README: the client that never misses a message keeps up with all that changes, here and away", async () => {
  await using server = await Server.start();
  await using client = await Example.start(recovery, server);
  const history = async () => {
    const messages = await new RestClient(server.url, "reader").history("general");
    return messages.map(({ seq, user_id, content, ...rest }) => {
      return `${seq} ${user_id}: ${"deleted" in rest ? "(deleted)" : content}`;
    });
  };
  /** The last line of each message, by its `seq`. */
  const shown = () => {
    const lines = client.output.trimEnd().split("\n").map((line) => [Number.parseInt(line), line] as const);
    return [...new Map(lines)].sort(([a], [b]) => a - b).map(([, line]) => line);
  };
  const agreed = async () => {
    const wanted = await history();
    await eventually(() => JSON.stringify(shown()) === JSON.stringify(wanted), 15_000).catch(() => {});
    assertEquals(shown(), wanted);
  };

  const [a = "", b = "", c = "", d = "", e = "", f = ""] = await change(server, async (push) => {
    const ids: string[] = [];
    for (const content of ["a", "b", "c", "d", "e", "f"]) {
      ids.push((await push("new_message", { content })).id as string);
    }
    return ids;
  });
  await agreed();
  await change(server, async (push) => {
    await push("edit_message", { id: a, content: "a, edited" });
    await push("add_reaction", { id: a, emoji: "👍" });
    await push("delete_message", { id: b });
    await push("delete_messages", { ids: [c, d] });
  });
  await agreed();

  // While the client is away the service is at another port, where it cannot find it.
  await server.crash();
  {
    await using elsewhere = await Server.start({ folder: server.folder });
    await change(elsewhere, async (push) => {
      await push("pin_message", { id: a });
      await push("edit_message", { id: e, content: "e, edited" });
      const { id: born } = await push("new_message", { content: "born" });
      await push("edit_message", { id: born, content: "born, edited" });
      const { id: gone } = await push("new_message", { content: "gone" });
      await push("delete_messages", { ids: [f, gone] });
    });
  }
  await server.restart();
  await agreed();
  await change(server, async (push) => void await push("new_message", { content: "after" }));
  await agreed();
  assertEquals(shown().length, 9);
});

/** Pushes, each answered with ok, as one user. */
async function change<T>(
  server: Server,
  run: (push: (event: string, payload: object) => Promise<Record<string, unknown>>) => Promise<T>,
): Promise<T> {
  await using talker = await Talker.join(server.socketUrl, { userId: "ann" }, "general", { limit: 0 });
  return await run(async (event, payload) => {
    const reply = await talker.push(event, payload);
    assertEquals(reply?.status, "ok", `${event}: ${JSON.stringify(reply?.response)}`);
    return reply?.response ?? {};
  });
}

Deno.test("README: the curl lines run as they stand", async () => {
  const lines = blocks(readme, "sh").find((text) => text.startsWith("curl "))?.trim().split("\n") ?? [];
  await using server = await Server.start();
  // curl writes the status below each body.
  const curlrc = 'silent\nshow-error\nnoproxy = "*"\nwrite-out = "\\n%{http_code}\\n"\n';
  await Deno.writeTextFile(`${server.folder}/.curlrc`, curlrc);
  const answers: (string | undefined)[] = [];
  for (const line of lines) {
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", line.replaceAll("localhost:4000", `localhost:${server.port}`)],
      env: { CURL_HOME: server.folder },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    answers.push(...new TextDecoder().decode(stdout).trim().split("\n"));
  }
  const [posted = "", created, listed = "", ok] = answers;
  assertEquals([created, ok, answers.length], ["201", "200", 4]);
  const { message } = JSON.parse(posted);
  assertEquals([message.user_id, message.content], ["alice", "Hello!"]);
  assertEquals(JSON.parse(listed).messages, [message]);
});

Deno.test("README: every promise is held by tests that exist", () => {
  const rows = readme.split("\n").filter((line) => line.startsWith("| ") && line.includes("`tests/"));
  const missing = rows.flatMap((row) => [...row.matchAll(/`(tests\/[^`]+)`/g)].map(([, path = ""]) => path))
    .filter((path) => !resolves(path, "README.md"));
  assert(rows.length > 0);
  assertEquals(missing, []);
});

Deno.test("README and docs: every relative link leads somewhere", () => {
  const broken = [...documents()].flatMap((path) => {
    const prose = read(path).replaceAll(/^```.*?^```$/gms, "");
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link)
      .filter((link) => !/^\w+:/.test(link) && !resolves(link, path))
      .map((link) => `${path}: ${link}`);
  });
  assertEquals(broken, []);
});

Deno.test("README: its commands name tasks that exist", () => {
  const tasks = [...readme.matchAll(/(?:deno|deno@[\d.]+) task (\w+)/g)].map(([, task = ""]) => task);
  const unknown = tasks.filter((task) => !(task in denoJson.tasks));
  for (const task of ["dev", "test"]) assertStringIncludes(blocks(readme, "sh").join(""), ` task ${task}\n`);
  assertEquals(unknown, []);
});

Deno.test("README: its commands take the Deno that CI and compile.sh take", () => {
  const versions = ["README.md", ".ci/run", "compile.sh"].flatMap((path) => {
    const found = [...read(path).matchAll(/npx --yes deno@(\d+\.\d+\.\d+)/g)].map(([, version]) => version);
    assert(found.length > 0, `${path} names no version of Deno`);
    return found;
  });
  assertEquals([...new Set(versions)].length, 1, versions.join(", "));
});
