import { assert, assertEquals } from "@std/assert";
import { SETTINGS } from "../src/config.ts";
import { ERROR_STATUS } from "../src/errors.ts";
import { createApp } from "../src/http/app.ts";
import { Server } from "./support/server.ts";

const protocol = await Deno.readTextFile(new URL("../docs/protocol.md", import.meta.url));
const rest = await Deno.readTextFile(new URL("../docs/rest.md", import.meta.url));

/** An example of the documentation and the answer that stands below it. */
interface Example {
  readonly script: string;
  readonly status: number;
  readonly body: unknown;
}

function examples(markdown: string): Example[] {
  const pattern =
    /^```sh\n(.*?)^```\n\nAnswers (\d{3})\b[^\n]*(?::\n\n```(?:nd)?json\n(.*?)^```|, without a body\.)$/gms;
  return [...markdown.matchAll(pattern)].map(([, script = "", status, body = ""]) => ({
    script,
    status: Number(status),
    body: parse(body),
  }));
}

/** A JSON value, the values of NDJSON's lines, or nothing. */
function parse(text: string): unknown {
  try {
    return text.trim() === "" ? undefined : JSON.parse(text);
  } catch {
    return text.trim().split("\n").map((line) => JSON.parse(line));
  }
}

/** The keys and types of a JSON value; of an array those of its first element. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shape(member)]));
}

/** The error codes of a document's table, each with its status. */
function errorTable(markdown: string): Record<string, number> {
  const rows = markdown.matchAll(/^\| `(\w+)` +\| (\d{3}) +\|/gm);
  return Object.fromEntries([...rows].map(([, code, status]) => [code, Number(status)]));
}

Deno.test("docs/rest.md: the examples run as they stand and get the answers shown", async () => {
  const found = examples(rest);
  assertEquals(found.length, [...rest.matchAll(/^```sh$/gm)].length, "an example stands without its answer");
  await using server = await Server.start();
  // curl reports each status on standard error, one a line.
  const curlrc = 'silent\nshow-error\nnoproxy = "*"\nwrite-out = "%{stderr}%{http_code}\\n"\n';
  await Deno.writeTextFile(`${server.folder}/.curlrc`, curlrc);
  // The variables of one script are there in the next, as in one shell.
  const variables = `${server.folder}/variables`;
  await Deno.writeTextFile(variables, "");
  for (const { script, status, body } of found) {
    const own = script.replaceAll("localhost:4000", `localhost:${server.port}`);
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", `set -a; . ${variables}\n${own}\ncode=$?; export -p >${variables}; exit $code`],
      env: { CURL_HOME: server.folder },
    }).output();
    const [answer, log] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
    assertEquals(
      { code, status: log?.split("\n").at(-1) },
      { code: 0, status: String(status) },
      `${script}\n${answer}`,
    );
    assertEquals(shape(parse(answer ?? "")), shape(body), script);
  }
});

Deno.test("docs/rest.md: every endpoint of its table has an example", () => {
  const scripts = examples(rest).map(({ script }) => script);
  const endpoints = [...rest.matchAll(/^\| `([A-Z]+) (\/api[^`]*)`/gm)];
  const without = endpoints.filter(([, method = "", path = ""]) => {
    const url = new RegExp(`localhost:4000${path.replaceAll(/:\w+/g, "[^/?'\" ]+")}(?:[?'"\\s]|$)`);
    return !scripts.some((script) => url.test(script) && methodOf(script) === method);
  });
  assert(endpoints.length > 0);
  assertEquals(without.map(([, method, path]) => `${method} ${path}`), []);
});

Deno.test("docs/rest.md: its table has every endpoint of the service, and no other", () => {
  const none = {} as never;
  const parts = { chat: none, checkOrigin: none, handshake: none, sockets: none, polls: none, health: none, log: none };
  const served = createApp({ ...parts, maxBodyBytes: 0 }).routes
    .filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/"))
    .map(({ method, path }) => `${method} ${plain(path.replace(/\/$/, ""))}`);
  const listed = [...rest.matchAll(/^\| `([A-Z]+) (\/api[^`]*)`/gm)].map(([, method, path = ""]) =>
    `${method} ${plain(path)}`
  );
  assertEquals(listed.toSorted(), [...new Set(served)].sort());
});

/** A path with its parameters unnamed. */
function plain(path: string): string {
  return path.replaceAll(/:\w+/g, ":");
}

/** The method of an example's last request. */
function methodOf(script: string): string {
  const request = script.slice(script.lastIndexOf("curl "));
  return / -X (\w+)/.exec(request)?.[1] ?? (request.includes(" -d ") ? "POST" : "GET");
}

for (const [name, markdown] of [["docs/rest.md", rest], ["docs/protocol.md", protocol]] as const) {
  Deno.test(`${name}: the table of errors is that of the service`, () => {
    assertEquals(errorTable(markdown), { ...ERROR_STATUS });
  });

  Deno.test(`${name}: every setting it names exists`, () => {
    const names = [...markdown.matchAll(/`(CHAT_[A-Z_]+|[A-Z]+(?:_[A-Z]+)+)(?:=\w+)?`/g)].map(([, name = ""]) => name);
    assert(names.length > 0);
    assertEquals(names.filter((name) => !SETTINGS.some((setting) => setting.name === name)), []);
  });
}

Deno.test("docs/protocol.md: its pushes are the events that a text channel takes", async () => {
  const taken = [...(await source("chat/room.ts")).matchAll(/^ +case "(\w+)":$/gm)].map(([, event]) => event);
  assert(taken.length > 0);
  assertEquals(eventsOf("### Pushes").sort(), taken.sort());
});

Deno.test("docs/protocol.md: the events that it says are sent are those that the chat sends", async () => {
  const files = ["change.ts", "read_states.ts", "typing.ts", "presence.ts"].map((name) => source(`chat/${name}`));
  const names = [...(await Promise.all(files)).join("\n").matchAll(/"([a-z]+(?:_[a-z]+)+)"/g)].map(([, name]) => name);
  const others = ["channel_updated", "system", "phx_close", "phx_error"];
  assertEquals([...new Set(eventsOf("### What the server sends"))].sort(), [...new Set([...names, ...others])].sort());
});

function source(path: string): Promise<string> {
  return Deno.readTextFile(new URL(`../src/${path}`, import.meta.url));
}

/** The events in the first column of a section's table. */
function eventsOf(heading: string): string[] {
  const [, section = ""] = protocol.split(`\n${heading}`);
  const [table = ""] = /^\|[^]*?\n\n/m.exec(section) ?? [];
  return [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) => cell.match(/\w+/g) ?? []);
}

Deno.test("docs/protocol.md: the limits are the defaults of their settings", () => {
  const rows = [...protocol.matchAll(/^\| [^|]+ \| ([\d,]+)[^|]* \| `(\w+)` +\|/gm)];
  const limits = rows.map(([, limit = "", name = ""]) => [name, limit.replaceAll(",", "")]);
  assertEquals(limits, limits.map(([name]) => [name, SETTINGS.find((setting) => setting.name === name)?.default]));
});

Deno.test("docs/protocol.md: no limit is left out", () => {
  const missing = SETTINGS.filter(({ group, name }) => group === "Limits" && !protocol.includes(`| \`${name}\``));
  assertEquals(missing, []);
});

Deno.test("docs/protocol.md: no setting that clients notice is left out", () => {
  const noticed = SETTINGS.filter(({ group, name }) => group === "Chat" || name.startsWith("CHAT_DRAIN_"));
  assertEquals(noticed.map(({ name }) => name).filter((name) => !protocol.includes(`\`${name}`)), []);
});

Deno.test("docs/protocol.md: its close codes are those that the service sends", async () => {
  const root = new URL("../src/", import.meta.url);
  const files = ["http/clients.ts", "http/socket.ts", "http/longpoll.ts", "phoenix/connection.ts"];
  const sources = await Promise.all(files.map((path) => Deno.readTextFile(new URL(path, root))));
  const sent = [...sources.join("\n").matchAll(/\bend\((\d{4}), "([^"]+)"\)/g)]
    .filter(([, code]) => code !== "1006") // says of a client that it is gone already
    .map(([, code, reason]) => `${code} ${reason}`);
  const listed = [...protocol.matchAll(/^\| (\d{4}) \| `([^`]+)` +\|/gm)].map(([, code, reason]) =>
    `${code} ${reason}`
  );
  assertEquals(listed.sort(), [...new Set(sent)].sort());
});
