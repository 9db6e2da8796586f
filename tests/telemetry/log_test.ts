import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, openLog } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { inSeconds, SECRET, sign, tokenFor } from "../support/jwt.ts";
import { RawClient } from "../support/raw_client.ts";
import { Server } from "../support/server.ts";
import { HANDSHAKE, TcpClient } from "../support/tcp_client.ts";

const LEVELS = ["debug", "info", "warning", "error"] as const;

/** The one line that `message` and `properties` make. */
function lineOf(message: string, properties: Record<string, unknown> = {}): string {
  const lines: string[] = [];
  openLog("debug", (line) => lines.push(line)).info(message, properties);
  assertEquals(lines.length, 1);
  return lines.join();
}

const circle: Record<string, unknown> = {};
circle.self = circle;

const ODD: [name: string, message: string, properties?: Record<string, unknown>][] = [
  ["a newline", "one\ntwo"],
  ["CR and LF", 'one\r\n{"level":"ERROR"}\r\n'],
  ["an ANSI escape", "\x1b[31mred\x1b[0m \x9b31m"],
  ["line separators", "one\u2028two\u2029three\u0085four"],
  ["a NUL", "\0"],
  ["a quote and a backslash", `"\\"`],
  ["a lone surrogate", "\ud800"],
  ["1 MB", "x".repeat(1_000_000)],
  ["braces that are no placeholders", "{} {{ }} {a} {"],
  ["a placeholder", "{text}", { text: "one\ntwo\x1b[31m" }],
  ["a property with a newline", "m", { text: "one\ntwo" }],
  ["a property name with a newline", "m", { "one\ntwo": 1 }],
  ["a property of 1 MB", "m", { text: "x".repeat(1_000_000) }],
  ["a bigint", "m", { size: 10n }],
  ["a circle", "m", { circle }],
  ["an error", "m", { error: new Error("one\ntwo", { cause: new Error("three") }) }],
  ["what JSON leaves out", "m", { a: undefined, b: () => 1, c: Symbol("c"), d: NaN }],
  ["an own __proto__", "m", JSON.parse(`{"__proto__":{"level":"FAKE"}}`)],
  ["bytes", "m", { bytes: new Uint8Array([10, 13, 27]) }],
];

for (const [name, message, properties] of ODD) {
  Deno.test(`openLog() writes one JSON object and one newline for ${name}`, () => {
    const line = lineOf(message, properties);
    assertEquals(line.indexOf("\n"), line.length - 1);
    assertEquals(JSON.parse(line).level, "INFO");
  });

  Deno.test(`openLog() writes no control character for ${name}`, () => {
    // deno-lint-ignore no-control-regex -- they are what must not be there
    assertFalse(/[\x00-\x1f\x7f-\x9f]/.test(lineOf(message, properties).slice(0, -1)));
  });
}

Deno.test("openLog() writes when, how bad, what, and the properties beside it", () => {
  const { "@timestamp": at, ...rest } = JSON.parse(lineOf("hello", { port: 4_000, text: "a\nb" }));
  assertMatch(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertEquals(rest, { level: "INFO", message: "hello", logger: "chat", port: 4_000, text: "a\nb" });
});

for (const [index, level] of LEVELS.entries()) {
  Deno.test(`openLog("${level}") writes what is as bad or worse`, () => {
    const levels: string[] = [];
    const log = openLog(level, (line) => levels.push(JSON.parse(line).level));
    log.debug("m");
    log.info("m");
    log.warn("m");
    log.error("m");
    assertEquals(levels, ["DEBUG", "INFO", "WARN", "ERROR"].slice(index));
  });
}

Deno.test("openLog() does not fail its caller where nothing can be written", () => {
  const log = openLog("debug", () => {
    throw new Error("the pipe is gone");
  });
  log.error("m");
});

Deno.test("openLog() does not fail its caller over a property that throws", () => {
  openLog("debug", () => {}).error("m", {
    get secret(): string {
      throw new Error("no");
    },
  });
});

Deno.test("describe() tells the stack of an error and of its causes", () => {
  const text = describe(new Error("above", { cause: new TypeError("below", { cause: "at the bottom" }) }));
  assertMatch(text, /^Error: above\n {4}at .+\nCaused by: TypeError: below\n {4}at .+\nCaused by: at the bottom$/s);
});

Deno.test("describe() tells of what is no error", () => {
  assertEquals([describe("text"), describe(undefined), describe(null), describe(7)], [
    "text",
    "undefined",
    "null",
    "7",
  ]);
});

/** Runs a session on a server that logs all it can, and gives back all it printed once it has stopped. */
async function outputOf(session: (server: Server) => Promise<void>): Promise<string> {
  const env = { CHAT_LOG_LEVEL: "debug", CHAT_ENV: "production", HOST: "127.0.0.1", SECRET_KEY_BASE: SECRET };
  await using server = await Server.start({ env });
  await session(server);
  assertEquals(await server.stop(), 0);
  assertStringIncludes(server.output, "stopped");
  return server.output;
}

function assertHoldsNone(output: string, secrets: string[]): void {
  for (const secret of secrets) {
    for (const piece of [secret, ...secret.split("."), encodeURIComponent(secret), btoa(secret)]) {
      assert(piece.length >= 8);
      assertFalse(output.includes(piece), `the log holds ${piece}`);
    }
  }
}

Deno.test("the log at debug holds neither tokens nor what was said (promise C6)", async () => {
  const token = await tokenFor("a-very-private-person");
  const content = "the treasure is under the third oak";
  const output = await outputOf(async (server) => {
    await using byParam = await RawClient.connect(server.socketUrl, { token });
    await byParam.join("general");
    await byParam.push("text_channel:general", "new_message", { content, nonce: "a-private-nonce" });
    await byParam.push("text_channel:general", "no-such-event", { content });
    const protocols = ["phoenix", `base64url.bearer.phx.${btoa(token).replaceAll("=", "")}`];
    using byProtocol = await TcpClient.upgrade(server.port, "vsn=2.0.0", {
      "Sec-WebSocket-Protocol": protocols.join(", "),
    });
    await byProtocol.writeFrame(1, content);
    assertEquals(await byProtocol.closeCode(), 1011);
    const headers = { authorization: `Bearer ${token}` };
    const url = `${server.url}/api/channels/general/messages?token=${token}`;
    for (const body of [JSON.stringify({ content }), content, JSON.stringify({ content: [content] })]) {
      await (await fetch(url, { method: "POST", headers, body })).text();
    }
    await (await fetch(url, { headers })).text();
    await (await fetch(`${server.url}/nowhere?token=${token}`, { headers })).text();
  });
  assertHoldsNone(output, [token, content, "a-private-nonce", "a-very-private-person"]);
});

Deno.test("the log at debug tells why a connect was refused and not by which token (promise C6)", async () => {
  const tokens = [
    await sign({ sub: "somebody", exp: inSeconds(-60) }),
    await sign({ sub: "somebody", exp: inSeconds(60) }, { secret: "another secret altogether" }),
    await sign({ sub: `some\nbody${"y".repeat(200)}`, exp: inSeconds(60) }),
    "opaque-and-wrong",
  ];
  const output = await outputOf(async (server) => {
    for (const token of tokens) {
      using client = await TcpClient.connect(server.port);
      const refused = await client.request("GET", `/socket/websocket?vsn=2.0.0&token=${token}`, HANDSHAKE);
      assertEquals(refused.status, 403);
      const answer = await fetch(`${server.url}/api/channels`, { headers: { authorization: `Bearer ${token}` } });
      await answer.text();
      assertEquals(answer.status, 401);
    }
    await eventually(() => server.output.includes("The token has expired."));
  });
  assertHoldsNone(output, tokens);
});

for (const host of ["[", "a b", "x:99999", "%"]) {
  Deno.test(`the log at debug does not quote the address of a request whose host is ${host} (promise C6)`, async () => {
    const token = await tokenFor("somebody");
    const output = await outputOf(async (server) => {
      for (const path of ["/socket/websocket", "/api/channels", "/nowhere"]) {
        using client = await TcpClient.connect(server.port);
        await client.request("GET", `${path}?vsn=2.0.0&token=${token}`, { ...HANDSHAKE, Host: host });
      }
    });
    assertHoldsNone(output, [token]);
  });
}
