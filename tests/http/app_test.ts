import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { originCheck } from "../../src/auth/origin.ts";
import { Chat } from "../../src/chat/chat.ts";
import { ChatError } from "../../src/errors.ts";
import { createApp } from "../../src/http/app.ts";
import { Health } from "../../src/http/health.ts";
import { Clients } from "../../src/http/clients.ts";
import { Handshake } from "../../src/http/handshake.ts";
import { LongPollServer } from "../../src/http/longpoll.ts";
import { SessionTokens } from "../../src/auth/session_tokens.ts";
import { SocketServer } from "../../src/http/socket.ts";
import { FailureBudget } from "../../src/auth/failure_budget.ts";
import { openLog } from "../../src/telemetry/log.ts";
import { assertError } from "../support/assert_error.ts";
import { failingStore } from "../support/failing_store.ts";
import { inSeconds, SECRET, sign, tokenFor } from "../support/jwt.ts";
import { TcpClient } from "../support/tcp_client.ts";
import { type Answer, type CallOptions, read, TestService } from "../support/test_service.ts";

const PRODUCTION = { env: "production", secretKeyBase: SECRET } as const;
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/** A request of every kind that the service answers, and the status of a fresh one's answer. */
const EVERY: readonly [method: string, path: string, status: number, options?: CallOptions][] = [
  ["GET", "/", 200],
  ["HEAD", "/", 200],
  ["GET", "/api/health", 200],
  ["GET", "/api/channels", 200],
  ["HEAD", "/api/channels", 200],
  ["POST", "/api/channels", 201, { body: { name: "new" } }],
  ["POST", "/api/channels", 400, { body: "{" }],
  ["POST", "/api/channels", 409, { body: { name: "general", id: "general" } }],
  ["POST", "/api/channels", 413, { body: " ".repeat(65_537) }],
  ["GET", "/api/channels/general", 200],
  ["PATCH", "/api/channels/general", 200, { body: { name: "changed" } }],
  ["DELETE", "/api/channels/random", 200],
  ["GET", "/api/channels/none", 404],
  ["GET", "/api/channels/general/messages", 200],
  ["POST", "/api/channels/general/messages", 201, { body: { content: "hi" } }],
  ["GET", `/api/channels/general/messages/${ULID}`, 404],
  ["OPTIONS", "/api/channels", 204],
  ["PUT", "/api/channels", 405],
  ["GET", "/api/channels", 401, { headers: { authorization: "Basic YTpi" } }],
  ["GET", "/api/nothing", 404],
  ["GET", "/nothing", 404],
  ["POST", "/", 405],
  ["GET", "/socket", 404],
  ["GET", "/socket/websocket", 400],
];

for (const [method, path, status, options] of EVERY) {
  const name = `${method} ${path} with status ${status}`;

  Deno.test(`createApp() answers ${name} with an X-Request-Id`, async () => {
    await using service = await TestService.start();
    const answer = await service.call(method, path, options);
    assertEquals(answer.status, status);
    assertMatch(answer.headers.get("x-request-id") ?? "", UUID);
  });

  Deno.test(`createApp() answers ${name} without naming itself`, async () => {
    await using service = await TestService.start();
    const { headers } = await service.call(method, path, options);
    assertEquals([headers.get("server"), headers.get("x-powered-by")], [null, null]);
  });
}

for (const [method, path, status, options] of EVERY.filter(([, path]) => path.startsWith("/api"))) {
  Deno.test(`createApp() lets nobody keep ${method} ${path} with status ${status}`, async () => {
    await using service = await TestService.start();
    assertEquals((await service.call(method, path, options)).headers.get("cache-control"), "no-store");
  });
}

Deno.test("createApp() gives each request an id of its own", async () => {
  await using service = await TestService.start();
  const ids = [await service.call("GET", "/"), await service.call("GET", "/")].map(({ headers }) =>
    headers.get("x-request-id")
  );
  assertNotEquals(ids[0], ids[1]);
});

for (const id of ["abc", "A-1_b=", "f".repeat(255), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]) {
  Deno.test(`createApp() keeps the X-Request-Id ${id.slice(0, 20)} that it was given`, async () => {
    await using service = await TestService.start();
    const answer = await service.call("GET", "/api/nothing", { headers: { "x-request-id": id } });
    assertEquals(answer.headers.get("x-request-id"), id);
    assertError(answer, "not_found");
  });
}

for (const id of ["", "a b", "<script>", `"`, "a\tb", "ä", "a,b", "a;b", "%0d%0a", "../x", "f".repeat(256)]) {
  Deno.test(`createApp() replaces the X-Request-Id ${JSON.stringify(id.slice(0, 20))}`, async () => {
    await using service = await TestService.start();
    const answer = await service.call("GET", "/api/nothing", { headers: { "x-request-id": id } });
    assertMatch(answer.headers.get("x-request-id") ?? "", UUID);
    assertError(answer, "not_found");
  });
}

// Bodies

for (
  const body of ["", " ", "{", "{'a':1}", "{a:1}", "undefined", "{}{}", "{} x", '{"content":"x",}', "\u0000", "<xml/>"]
) {
  for (const path of ["/api/channels", "/api/channels/general/messages"]) {
    Deno.test(`createApp() refuses ${JSON.stringify(body)}, which is no JSON, at POST ${path}`, async () => {
      await using service = await TestService.start();
      assertError(await service.call("POST", path, { body }), "invalid");
    });
  }
}

for (const body of ["[]", '[{"content":"x","name":"x"}]', "null", "true", "7", '"content"', "[".repeat(30_000)]) {
  for (const [method, path] of [["POST", "/api/channels"], ["PATCH", "/api/channels/general"]] as const) {
    Deno.test(`createApp() refuses ${body.slice(0, 20)}, which is no object, at ${method} ${path}`, async () => {
      await using service = await TestService.start();
      assertError(await service.call(method, path, { body }), "invalid");
    });
  }
}

Deno.test("createApp() refuses POST without a body", async () => {
  await using service = await TestService.start();
  assertError(await service.call("POST", "/api/channels"), "invalid");
});

Deno.test("createApp() takes nothing from an own __proto__ of the body", async () => {
  await using service = await TestService.start();
  const body = '{"__proto__":{"content":"x","name":"x"}}';
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "invalid");
  assertError(await service.call("POST", "/api/channels", { body }), "invalid");
  assertEquals(Object.keys(Object.prototype), []);
});

Deno.test("createApp() refuses a body that is not UTF-8", async () => {
  await using service = await TestService.start();
  const body = new Uint8Array([...`{"content":"`].map((character) => character.charCodeAt(0)).concat(0xff, 0x22, 0x7d));
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "invalid");
});

Deno.test("createApp() reads text that is cut within a character by the network", async () => {
  await using service = await TestService.start();
  const bytes = new TextEncoder().encode('{"content":"😀é"}');
  using client = await TcpClient.connect(service.port);
  await client.write("POST /api/channels/general/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const byte of bytes) {
    await client.write("1\r\n");
    await client.write(new Uint8Array([byte]));
    await client.write("\r\n");
  }
  await client.write("0\r\n\r\n");
  assertEquals((await client.head()).status, 201);
  const { body } = await service.call("GET", "/api/channels/general/messages");
  assertEquals((body.messages as { content: string }[]).map(({ content }) => content), ["😀é"]);
});

for (const encoding of ["gzip", "deflate", "br", "zstd", "gzip, gzip"]) {
  Deno.test(`createApp() refuses a body of content-encoding ${encoding}, whatever is in it`, async () => {
    await using service = await TestService.start();
    const json = JSON.stringify({ content: "x" });
    const gzip = new Response(new Blob([json]).stream().pipeThrough(new CompressionStream("gzip")));
    for (const body of [json, await gzip.bytes()]) {
      const headers = { "content-encoding": encoding };
      assertError(await service.call("POST", "/api/channels/general/messages", { body, headers }), "invalid");
    }
    assertEquals((await service.call("GET", "/api/channels/general/messages")).body.head_seq, 0);
  });
}

Deno.test("createApp() refuses a gzip body that does not say so", async () => {
  await using service = await TestService.start();
  const gzip = new Response(new Blob(['{"content":"x"}']).stream().pipeThrough(new CompressionStream("gzip")));
  const body = await gzip.bytes();
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "invalid");
});

Deno.test("createApp() takes a body of exactly the limit", async () => {
  await using service = await TestService.start();
  const body = JSON.stringify({ content: "x" }).padEnd(65_536);
  assertEquals((await service.call("POST", "/api/channels/general/messages", { body })).status, 201);
});

Deno.test("createApp() answers a body of one byte more with 413", async () => {
  await using service = await TestService.start();
  const body = JSON.stringify({ content: "x" }).padEnd(65_537);
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "too_large");
});

Deno.test("createApp() counts a body in bytes", async () => {
  await using service = await TestService.start();
  const body = JSON.stringify({ content: "x", comment: "é".repeat(32_768) });
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "too_large");
});

Deno.test("createApp() stores nothing of a body that is too large", async () => {
  await using service = await TestService.start();
  await service.call("POST", "/api/channels/general/messages", { body: '{"content":"x"}'.padEnd(70_000) });
  assertEquals((await service.call("GET", "/api/channels/general/messages")).body.head_seq, 0);
});

Deno.test("createApp() answers 413 before the end of a body that only claims its size", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.connect(service.port);
  const path = "/api/channels/general/messages";
  assertEquals((await client.request("POST", path, { "Content-Length": "9000000" }, " ".repeat(65_537))).status, 413);
});

for (const [size, status] of [[65_536, 201], [65_537, 413]] as const) {
  Deno.test(`createApp() answers ${size} bytes without content-length with ${status}`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.connect(service.port);
    const half = '{"content":"x"}'.padEnd(32_768);
    const rest = " ".repeat(size - half.length);
    const chunks = [half, rest, ""].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
    const path = "/api/channels/general/messages";
    assertEquals((await client.request("POST", path, { "Transfer-Encoding": "chunked" }, chunks)).status, status);
  });
}

Deno.test("createApp() stops reading a body that never ends", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.connect(service.port);
  const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`.repeat(5);
  const path = "/api/channels/general/messages";
  assertEquals((await client.request("POST", path, { "Transfer-Encoding": "chunked" }, chunk)).status, 413);
});

Deno.test("createApp() has another limit where the settings say so", async () => {
  await using service = await TestService.start({ maxFrameBytes: 1_024 });
  assertError(await service.call("POST", "/api/channels", { body: " ".repeat(1_025) }), "too_large");
});

// Addresses

for (
  const [method, path, allow] of [
    ["POST", "/", "GET, HEAD"],
    ["POST", "/api/health", "GET, HEAD"],
    ["PUT", "/api/channels", "GET, HEAD, POST"],
    ["DELETE", "/api/channels", "GET, HEAD, POST"],
    ["POST", "/api/channels/general", "GET, HEAD, PATCH, DELETE"],
    ["PUT", "/api/channels/none", "GET, HEAD, PATCH, DELETE"],
    ["PUT", "/api/channels/general/messages", "GET, HEAD, POST"],
    ["POST", `/api/channels/general/messages/${ULID}`, "GET, HEAD, PATCH, DELETE"],
    ["PURGE", "/api/channels", "GET, HEAD, POST"],
  ] as const
) {
  Deno.test(`createApp() answers ${method} ${path} with 405 and what is allowed`, async () => {
    await using service = await TestService.start();
    const answer = await service.call(method, path);
    assertError(answer, "method_not_allowed");
    assertEquals(answer.headers.get("allow"), allow);
  });
}

for (
  const path of [
    "/index.html",
    "/favicon.ico",
    "/api",
    "/api/",
    "/API/health",
    "/api/health/",
    "/api/channels/",
    "/api/channel",
    "/api/channels/general/",
    "/api/channels/general/message",
    "/socket",
    "/socket/",
    "/socket/websocket/",
    "/socket/websocketx",
    "/.env",
    "/main.ts",
    "/data/chat.db",
    "/api/channels/general/messages/a/b",
  ]
) {
  Deno.test(`createApp() has nothing at ${path}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", path), "not_found");
  });
}

for (
  const [target, statuses] of [
    ["/api/channels/%2e%2e", [400, 404]],
    ["/api/channels/..", [400, 404]],
    ["/api/channels/../../main.ts", [400, 404]],
    ["/api/channels/%2e%2e%2f%2e%2e%2fmain.ts", [400, 404]],
    ["/api/channels/..%5c..%5cmain.ts", [400, 404]],
    ["/../main.ts", [404]],
    ["/%2e%2e/main.ts", [404]],
    ["//api/health", [404]],
    ["/api//health", [404]],
    ["/api/channels/%00", [400]],
    ["/api/channels/general%00", [400]],
    ["/api/channels/general%0d%0aX-Evil:%201", [400]],
    ["/api/channels/%ff", [400]],
    ["/api/channels/%zz", [400]],
    ["/api/channels/%", [400]],
    ["/api/channels/%2567eneral", [400]],
    ["/api/channels/general%2fmessages", [400]],
    ["/api/channels/general;x=1", [400]],
    ["/api/channels/general%20", [400]],
    ["/api/channels/ge*", [400]],
    [`/api/channels/${"a".repeat(65)}`, [400]],
    [`/api/channels/${"a".repeat(8_000)}`, [400]],
    [`/api/channels/general/messages/${"0".repeat(8_000)}`, [400]],
    [`/${"a/".repeat(4_000)}`, [404]],
    [`/api/channels/${"a".repeat(300_000)}`, [400, 414, 431]],
    ["*", [400, 404]],
  ] as const
) {
  Deno.test(`createApp() is not fooled by ${target.slice(0, 50)}`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.connect(service.port);
    const { status } = await client.request("GET", target);
    assert(statuses.some((expected) => expected === status), String(status));
    assertEquals((await service.call("GET", "/api/health")).status, 200);
  });
}

Deno.test("createApp() reads an address that is encoded more than it needs", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.connect(service.port);
  assertEquals((await client.request("GET", "/api/channels/%67eneral")).status, 200);
});

for (const host of ["[", "a b", "x:99999", "%", "chat.example.com"]) {
  for (const path of ["/", "/api/health", "/api/channels"]) {
    Deno.test(`createApp() answers GET ${path} whatever the host ${JSON.stringify(host)} means`, async () => {
      await using service = await TestService.start();
      using client = await TcpClient.connect(service.port);
      assertEquals((await client.request("GET", path, { Host: host })).status, 200);
    });
  }
}

for (const path of ["/", "/api/health", "/api/channels", "/api/channels/general", "/api/channels/none", "/nothing"]) {
  Deno.test(`createApp() answers HEAD ${path} as GET, without the body`, async () => {
    await using service = await TestService.start();
    const [head, get] = [await service.call("HEAD", path), await service.call("GET", path)];
    const type = "content-type";
    assertEquals([head.status, head.headers.get(type), head.text], [get.status, get.headers.get(type), ""]);
  });
}

// Cross-origin requests

for (const origin of ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"]) {
  Deno.test(`createApp() answers the preflight of ${origin} in development`, async () => {
    await using service = await TestService.start();
    const asks = {
      origin,
      "access-control-request-method": "PATCH",
      "access-control-request-headers": "authorization",
    };
    const { status, headers, text } = await service.call("OPTIONS", "/api/channels/general", { headers: asks });
    assertEquals([status, text], [204, ""]);
    assertEquals(headers.get("access-control-allow-origin"), origin);
    assertStringIncludes(headers.get("access-control-allow-methods") ?? "", "PATCH");
    assertStringIncludes(headers.get("access-control-allow-headers") ?? "", "authorization");
  });
}

for (const origin of ["https://evil.example", "http://localhost.evil.example", "null", "", "file://"]) {
  Deno.test(`createApp() allows a page of ${JSON.stringify(origin)} nothing in its preflight`, async () => {
    await using service = await TestService.start();
    const asks = { origin, "access-control-request-method": "POST" };
    const { headers } = await service.call("OPTIONS", "/api/channels", { headers: asks });
    assertEquals(headers.get("access-control-allow-origin"), null);
  });

  for (const path of ["/api/channels", "/api/health", "/api/nothing"]) {
    Deno.test(`createApp() answers GET ${path} of a page of ${JSON.stringify(origin)} with 403`, async () => {
      await using service = await TestService.start();
      const answer = await service.call("GET", path, { headers: { origin } });
      assertError(answer, "forbidden");
      assertEquals(answer.headers.get("access-control-allow-origin"), null);
    });
  }
}

Deno.test("createApp() stores nothing for a foreign page, which needs no preflight to send a text", async () => {
  await using service = await TestService.start();
  const headers = { origin: "https://evil.example", "content-type": "text/plain" };
  const body = '{"content":"x"}';
  assertError(await service.call("POST", "/api/channels/general/messages", { body, headers }), "forbidden");
  assertError(await service.call("DELETE", "/api/channels/tech", { headers }), "forbidden");
  assertEquals((await service.call("GET", "/api/channels/general/messages")).body.head_seq, 0);
  assertEquals((await service.call("GET", "/api/channels/tech")).status, 200);
});

Deno.test("createApp() allows the origins of the list and no other", async () => {
  await using service = await TestService.start({ allowedOrigins: ["https://good.example"] });
  const allowed = async (origin: string) =>
    (await service.call("GET", "/api/channels", { headers: { origin } })).headers.get("access-control-allow-origin");
  assertEquals(await allowed("https://good.example"), "https://good.example");
  for (const origin of ["http://good.example", "https://good.example.evil.com", service.url, "http://localhost"]) {
    assertEquals(await allowed(origin), null);
  }
});

Deno.test("createApp() answers the preflight without a token in production", async () => {
  await using service = await TestService.start({ ...PRODUCTION, allowedOrigins: ["https://good.example"] });
  const headers = { origin: "https://good.example", "access-control-request-method": "POST" };
  const answer = await service.call("OPTIONS", "/api/channels", { headers });
  assertEquals([answer.status, answer.headers.get("access-control-allow-origin")], [204, "https://good.example"]);
});

for (const [path, code] of [["/api/channels/none", "not_found"], ["/api/channels?limit=0", "invalid"]] as const) {
  Deno.test(`createApp() lets an allowed page read the error ${code}`, async () => {
    await using service = await TestService.start();
    const answer = await service.call("GET", path, { headers: { origin: "http://localhost:3000" } });
    assertError(answer, code);
    assertEquals(answer.headers.get("access-control-allow-origin"), "http://localhost:3000");
    assertEquals(answer.headers.get("access-control-expose-headers"), "X-Request-Id,Location,Retry-After");
  });
}

Deno.test("createApp() lets an allowed page read that its token is wrong", async () => {
  await using service = await TestService.start({ ...PRODUCTION, allowedOrigins: ["https://good.example"] });
  const answer = await service.call("GET", "/api/channels", { headers: { origin: "https://good.example" } });
  assertError(answer, "unauthorized");
  assertEquals(answer.headers.get("access-control-allow-origin"), "https://good.example");
});

Deno.test("createApp() tells caches that answers depend on the origin, even without one", async () => {
  await using service = await TestService.start();
  for (const headers of [{}, { origin: "http://localhost:3000" }, { origin: "https://evil.example" }]) {
    for (const path of ["/api/health", "/api/channels", "/api/channels/none"]) {
      assertEquals((await service.call("GET", path, { headers })).headers.get("vary"), "Origin");
    }
  }
});

Deno.test("createApp() allows no credentials across origins", async () => {
  await using service = await TestService.start();
  for (const method of ["OPTIONS", "GET"]) {
    const headers = { origin: "http://localhost:3000", "access-control-request-method": "GET" };
    const answer = await service.call(method, "/api/channels", { headers });
    assertEquals(answer.headers.get("access-control-allow-credentials"), null);
  }
});

// Who is asking

for (
  const [name, authorization] of Object.entries({
    "no token": undefined,
    "an empty header": "",
    "another scheme": "Basic YWxpY2U6c2VjcmV0",
    "no scheme": "c2VjcmV0",
    "a scheme alone": "Bearer",
    "a blank token": "Bearer  ",
    "two tokens": "Bearer one two",
    "a token that is none": "Bearer alice-and-her-secret",
    "an expired token": `Bearer ${await sign({ sub: "alice", exp: inSeconds(-60) })}`,
    "a token without exp": `Bearer ${await sign({ sub: "alice" })}`,
    "a token without sub": `Bearer ${await sign({ exp: inSeconds(60) })}`,
    "a token of another secret": `Bearer ${await tokenFor("alice")}x`,
    "a token that says none": `Bearer ${await sign({ sub: "a", exp: inSeconds(60) }, { header: { alg: "none" } })}`,
  })
) {
  Deno.test(`createApp() answers ${name} in production with 401 and never repeats it`, async () => {
    await using service = await TestService.start(PRODUCTION);
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const [method, path] of [["GET", "/api/channels"], ["POST", "/api/channels/general/messages"]] as const) {
      const answer = await service.call(method, path, { headers });
      assertError(answer, "unauthorized");
      const pieces = authorization?.split(/[\s.]/).filter((piece) => piece.length > 6) ?? [];
      for (const piece of pieces) assertFalse(answer.text.includes(piece), piece);
    }
  });
}

for (const scheme of ["Bearer", "bearer", "BEARER", "Bearer  "]) {
  Deno.test(`createApp() takes a token after ${JSON.stringify(scheme)}`, async () => {
    await using service = await TestService.start(PRODUCTION);
    const headers = { authorization: `${scheme} ${await tokenFor("alice")}` };
    assertEquals((await service.call("GET", "/api/channels", { headers })).status, 200);
  });
}

for (const authorization of ["Bearer one two", "Bearer", "XBearer alice", "Basic YTpi", "alice", "Bearer\talice"]) {
  Deno.test(`createApp() does not take ${JSON.stringify(authorization)} for anonymous in development`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", "/api/channels", { headers: { authorization } }), "unauthorized");
  });
}

Deno.test("createApp() takes no token from the address", async () => {
  await using service = await TestService.start(PRODUCTION);
  const token = await tokenFor("alice");
  assertError(await service.call("GET", `/api/channels?token=${token}&access_token=${token}`), "unauthorized");
});

Deno.test("createApp() tells a stranger nothing of what exists", async () => {
  await using service = await TestService.start(PRODUCTION);
  const paths = ["/api/channels/general", "/api/channels/none", "/api/nothing"];
  const [first, ...others] = await Promise.all(paths.map((path) => service.call("GET", path)));
  for (const { status, body } of others) assertEquals([status, body.error], [first?.status, first?.body.error]);
});

Deno.test("createApp() tells of its health, and shows its page, without a token", async () => {
  await using service = await TestService.start(PRODUCTION);
  for (const path of ["/", "/api/health"]) assertEquals((await service.call("GET", path)).status, 200);
});

Deno.test("createApp() lets a development client without a token be anonymous", async () => {
  await using service = await TestService.start();
  const { body } = await service.call("POST", "/api/channels/general/messages", { body: { content: "x" } });
  assertMatch((body.message as { user_id: string }).user_id, /^anonymous_\d+$/);
});

// Failures

const SECRETS = /SQLITE|\/home\/|node_modules|file:|\.ts\b|\n? +at /;

/** Answers requests over a store that fails with `error`, whatever it is asked. */
function failing(
  error: unknown,
): { call: (method: string, path: string, body?: unknown) => Promise<Answer>; log: string[] } {
  const lines: string[] = [];
  const log = openLog("debug", (line) => lines.push(line));
  const authenticate = jwtAuthenticator({ secret: undefined, anonymous: true });
  const checkOrigin = originCheck([], { loopback: true });
  const handshake = new Handshake({ authenticate, checkOrigin, failures: new FailureBudget(0), log });
  const closing = { closeRefusedJoins: true, drainWindowMs: 0 };
  const clients = new Clients({ route: () => undefined, maxClients: 1, maxTopics: 1, ...closing, log });
  const limits = { maxFrameBytes: 1_024, maxBatchBytes: 1_024, sendBufferBytes: 65_536, idleTimeoutMs: 60_000 };
  const tokens = new SessionTokens("secret", "salt");
  const app = createApp({
    chat: new Chat({ store: failingStore(error), adHocChannels: true, maxListed: 200, onFault: () => {} }),
    checkOrigin,
    handshake,
    sockets: new SocketServer({ handshake, clients, ...limits }),
    polls: new LongPollServer({ handshake, clients, tokens, ...limits }),
    health: new Health({ store: failingStore(error), node: "test", version: "0.0.0" }),
    maxBodyBytes: 65_536,
    log,
  });
  const call = async (method: string, path: string, body?: unknown) => {
    const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    return await read(await app.fetch(new Request(`http://localhost${path}`, init)));
  };
  return { call, log: lines };
}

const THROUGH_THE_STORE = [
  ["GET", "/api/channels", undefined],
  ["POST", "/api/channels", { name: "x" }],
  ["GET", "/api/channels/general", undefined],
  ["PATCH", "/api/channels/general", { name: "x" }],
  ["DELETE", "/api/channels/general", undefined],
  ["GET", "/api/channels/general/messages", undefined],
  ["POST", "/api/channels/general/messages", { content: "what alice said" }],
  ["GET", `/api/channels/general/messages/${ULID}`, undefined],
] as const;

for (const [method, path, body] of THROUGH_THE_STORE) {
  Deno.test(`createApp() answers ${method} ${path} with 500 and no details where something breaks`, async () => {
    const { call } = failing(new Error("SQLITE_CORRUPT in /home/chat/chat.db"));
    const answer = await call(method, path, body);
    assertEquals(assertError(answer, "internal"), "Something went wrong on our side.");
    assertFalse(SECRETS.test(answer.text));
  });

  Deno.test(`createApp() answers ${method} ${path} with 503 and no cause where the store fails`, async () => {
    const cause = new Error("SQLITE_FULL in /home/chat/chat.db");
    const { call } = failing(new ChatError("unavailable", "The storage is full.", { cause, retryAfterMs: 1_500 }));
    const answer = await call(method, path, body);
    assertEquals(assertError(answer, "unavailable"), "The storage is full.");
    assertFalse(SECRETS.test(answer.text));
  });
}

Deno.test("createApp() logs once what broke, with its stack and the id that the client was given", async () => {
  const { call, log } = failing(new Error("SQLITE_CORRUPT in /home/chat/chat.db"));
  const { body } = await call("GET", "/api/channels");
  const [line, ...others] = log.map((text) => JSON.parse(text));
  assertEquals([line.level, line.requestId, others], ["ERROR", body.request_id, []]);
  assertMatch(line.error, /^Error: SQLITE_CORRUPT in \/home\/chat\/chat\.db\n {4}at /);
});

Deno.test("createApp() logs nothing of the address of a request that broke", async () => {
  const { call, log } = failing(new Error("broken"));
  await call("GET", "/api/channels?token=a-private-token");
  assertEquals(log.length, 1);
  assertFalse(/private/.test(log.join("")));
});

Deno.test("createApp() logs the cause of a 503 as a warning", async () => {
  const { call, log } = failing(new ChatError("unavailable", "Full.", { cause: new Error("SQLITE_FULL") }));
  const { body } = await call("GET", "/api/channels");
  const [line, ...others] = log.map((text) => JSON.parse(text));
  assertEquals([line.level, line.requestId, others], ["WARN", body.request_id, []]);
  assertStringIncludes(line.error, "Caused by: Error: SQLITE_FULL");
});

Deno.test("createApp() logs nothing that was said where sending fails", async () => {
  const { call, log } = failing(new Error("broken"));
  await call("POST", "/api/channels/general/messages", { content: "what alice said" });
  assertGreater(log.length, 0);
  assertFalse(log.join("").includes("what alice said"));
});

Deno.test("createApp() does not log what a client did wrong", async () => {
  const { call, log } = failing(new ChatError("not_found", "None."));
  for (const path of ["/api/channels", "/api/channels?limit=0", "/nothing"]) await call("GET", path);
  assertEquals(log, []);
});

for (
  const [retryAfterMs, header, seconds] of [[1, "1", 0.001], [1_000, "1", 1], [1_500, "2", 1.5], [0, "0", 0]] as const
) {
  Deno.test(`createApp() tells to come back after ${retryAfterMs} ms in whole seconds and exactly`, async () => {
    const { call } = failing(new ChatError("rate_limited", "Slow down.", { retryAfterMs }));
    const { status, headers, body } = await call("GET", "/api/channels");
    assertEquals([status, headers.get("retry-after")], [429, header]);
    assertEquals(body.error, { code: "rate_limited", message: "Slow down.", retry_after: seconds });
  });
}
