import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { SignJWT } from "jose";
import { SessionTokens } from "../../src/auth/session_tokens.ts";
import { chance, seed } from "../support/chance.ts";
import { eventually } from "../support/eventually.ts";
import { SECRET, tokenFor } from "../support/jwt.ts";
import { PollStage } from "../support/poll_stage.ts";
import { ask, type PollAnswer, PollSession } from "../support/poll_session.ts";
import { RestClient } from "../support/rest_client.ts";
import { Server } from "../support/server.ts";
import { Talker } from "../support/talker.ts";
import { TcpClient } from "../support/tcp_client.ts";
import { TestService } from "../support/test_service.ts";

const PATH = "/socket/longpoll";
const GENERAL = "text_channel:general";
const PRODUCTION = { env: "production", secretKeyBase: SECRET, signingSalt: "salt" } as const;
const HEARTBEAT = `[null,"1","phoenix","heartbeat",{}]`;
const ALIVE = `[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]`;

function heartbeat(ref: number): string {
  return JSON.stringify([null, String(ref), "phoenix", "heartbeat", {}]);
}

function message(ref: string, content: string): string {
  return JSON.stringify(["1", ref, GENERAL, "new_message", { content }]);
}

/** Posts a message over REST; it is on its way to every session when this resolves. */
async function say({ url }: { url: string }, content: string): Promise<void> {
  await new RestClient(url, "speaker").post("general", { content });
}

/** Lets a request arrive that is not answered yet: one that was sent later has been answered. */
async function arrive(url: string): Promise<void> {
  for (let n = 0; n < 3; n++) await ask(url, "vsn=0");
}

async function works(session: PollSession): Promise<void> {
  assertEquals((await session.push("ping", { alive: true })).status, "ok");
}

async function crashes({ log }: TestService): Promise<readonly string[]> {
  await Promise.resolve();
  return log.filter((line) => line.includes(`"ERROR"`));
}

// GET (protocol section 7.1)

Deno.test("long poll GET without a token opens a session (7.1)", async () => {
  await using service = await TestService.start();
  const { status, token = "", ...rest } = await ask(service.url, "vsn=2.0.0");
  assertEquals([status, rest], [410, { messages: [] }]);
  assertEquals((await ask(service.url, `vsn=2.0.0&token=${token}`, { method: "POST", body: HEARTBEAT })).status, 200);
});

for (const query of ["vsn=2.0.0&", "vsn=2.0.0&token=", "token=nonsense&vsn=2.0.0", "vsn=2.0.0&token=null"]) {
  Deno.test(`long poll GET ?${query} opens a session (7.1)`, async () => {
    await using service = await TestService.start();
    const { status, token, messages } = await ask(service.url, query);
    assertEquals([status, messages], [410, []]);
    assertMatch(token ?? "", /^[\da-f]{12}\.[\w-]{32}\.[\w-]{43}~0$/);
  });
}

Deno.test("long poll sessions have each their own token (7.2)", async () => {
  await using service = await TestService.start();
  const sessions = await Promise.all(Array.from({ length: 20 }, () => PollSession.open(service.url)));
  assertEquals(new Set(sessions.map(({ token }) => token)).size, 20);
});

Deno.test("long poll GET gives the messages as strings, in order, with the token (7.1)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  await session.batch([heartbeat(1), heartbeat(2), heartbeat(3)]);
  const messages = [1, 2, 3].map((ref) => ALIVE.replace('"1"', `"${ref}"`));
  assertEquals(await session.poll(), { status: 200, token: session.token, messages });
});

Deno.test("long poll GET is answered with 204 after the window (7.1)", async () => {
  await using stage = await PollStage.start({ windowMs: 100 });
  const session = await PollSession.open(stage.url);
  const start = performance.now();
  assertEquals(await session.poll(), { status: 204, token: session.token, messages: [] });
  assertGreater(performance.now() - start, 95);
  assertLess(performance.now() - start, 1_000);
});

Deno.test("long poll window is 10 s, below the 20 s of phoenix.js (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  const start = performance.now();
  assertEquals((await session.poll()).status, 204);
  assertLess(Math.abs(performance.now() - start - 10_000), 500);
});

for (
  const [query, headers] of [
    ["vsn=3.0.0", {}],
    ["vsn=2.0", {}],
    ["vsn[]=2.0.0", {}],
    ["vsn=2.0.0", { origin: "https://evil.example" }],
    ["vsn=2.0.0", { origin: "null" }],
    [`vsn=2.0.0&token=${"x".repeat(129)}`, {}],
    ["vsn=2.0.0&token=a%00b", {}],
  ] as const
) {
  Deno.test(`long poll GET ?${query.slice(0, 30)} ${JSON.stringify(headers)} is answered with 403 (7.1)`, async () => {
    await using service = await TestService.start();
    assertEquals(await ask(service.url, query, { headers }), { status: 403 });
    assertEquals(await crashes(service), []);
  });
}

Deno.test("long poll GET of a session from a foreign origin is answered with 403 and takes nothing (1.9)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  await session.post(HEARTBEAT);
  assertEquals(await session.poll({ headers: { origin: "https://evil.example" } }), { status: 403 });
  assertEquals((await session.poll()).messages, [ALIVE]);
});

Deno.test("long poll POST from a foreign origin is answered with 403 and does nothing (1.9)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  const headers = { origin: "https://evil.example" };
  const init = { method: "POST", body: message("2", "evil"), headers };
  assertEquals(await ask(service.url, session.query, init), { status: 403 });
  assertEquals((await new RestClient(service.url, "bob").page("general")).messages, []);
});

// POST (protocol section 7.4)

for (
  const query of ["vsn=2.0.0", "vsn=2.0.0&token=nonsense", "vsn=2.0.0&token=%ff", `vsn=2.0.0&token=${"é".repeat(80)}`]
) {
  Deno.test(`long poll POST ?${query.slice(0, 30)} without a session is answered with 410 (7.1)`, async () => {
    await using service = await TestService.start();
    assertEquals(await ask(service.url, query, { method: "POST", body: HEARTBEAT }), { status: 410 });
    assertEquals(await crashes(service), []);
  });
}

Deno.test("long poll POST is answered with 200 and nothing more, also where the reply is an error (7.1)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  const init = { method: "POST", body: JSON.stringify(["1", "1", "room:x", "phx_join", {}]) };
  assertEquals(await ask(service.url, session.query, init), { status: 200 });
  const { messages } = await session.poll();
  const reply = `[null,"1","room:x","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]`;
  assertEquals(messages, [reply]);
});

for (const contentType of [undefined, "application/json", "text/plain;charset=UTF-8"]) {
  Deno.test(`long poll POST as ${contentType} is one message (7.4)`, async () => {
    await using service = await TestService.start();
    const session = await PollSession.open(service.url);
    const pretty = JSON.stringify(JSON.parse(HEARTBEAT), undefined, 2); // over lines, as a batch may not be
    assertEquals(await session.post(pretty, contentType), 200);
    assertEquals((await session.poll()).messages, [ALIVE]);
  });
}

for (const contentType of ["application/x-ndjson", "Application/X-NDJSON", "application/x-ndjson; charset=utf-8"]) {
  Deno.test(`long poll POST as ${contentType} is a batch (7.4)`, async () => {
    await using service = await TestService.start();
    const session = await PollSession.open(service.url);
    assertEquals(await session.post(`${heartbeat(1)}\n${heartbeat(2)}`, contentType), 200);
    assertEquals((await session.poll()).messages?.length, 2);
  });
}

Deno.test("long poll POST of 150 lines loses none and keeps their order (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  const contents = Array.from({ length: 150 }, (_, n) => `line ${n}`);
  assertEquals(await session.batch(contents.map((content, n) => message(`m${n}`, content))), 200);
  await session.until(() =>
    session.contents.length === 150 && session.frames.filter(([, ref]) => String(ref).startsWith("m")).length === 150
  );
  assertEquals(session.contents, contents);
  const replies = session.frames.filter(([, ref, , event]) => event === "phx_reply" && String(ref).startsWith("m"));
  assertEquals(replies.map(([, ref, , , { status }]) => `${ref} ${status}`), contents.map((_, n) => `m${n} ok`));
});

Deno.test("long poll POST ignores blank lines, CRLF and a trailing newline (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  for (
    const body of ["", "\n", "\r\n\r\n", `\n${heartbeat(1)}\r\n\r\n \t\n${heartbeat(2)}\n\n`, `${heartbeat(3)}\r\n`]
  ) {
    assertEquals(await session.post(body, "application/x-ndjson"), 200);
  }
  assertEquals((await session.poll()).messages?.map((text) => JSON.parse(text)[1]), ["1", "2", "3"]);
});

Deno.test("long poll POST without a body does nothing (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  assertEquals(await session.post(null), 200);
  await works(session);
});

Deno.test("long poll POST takes a line of base64 as a binary push (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  const bytes = [0, 1, 1, GENERAL.length, 4, ...new TextEncoder().encode(`17${GENERAL}ping`), 1, 2, 3];
  assertEquals(await session.batch([heartbeat(1), btoa(String.fromCharCode(...bytes)), heartbeat(2)]), 200);
  const { messages = [] } = await session.poll();
  const reply = `\x01\x01\x01${String.fromCharCode(GENERAL.length)}\x0217${GENERAL}ok\x01\x02\x03`;
  assertEquals(new Set(messages), new Set([ALIVE, ALIVE.replace('"1"', '"2"'), reply]));
});

for (const line of ["not json", "[", "[]", "{}", "AAAA", "!!!!", `["1","2","x","y"]`, '"text"', "null", "\u2028[]"]) {
  Deno.test(`long poll POST of ${JSON.stringify(line)} ends its session and no other (7.4)`, async () => {
    await using service = await TestService.start();
    const session = await PollSession.open(service.url);
    const other = await PollSession.join(service.url, "bystander");
    assertEquals(await session.batch([heartbeat(1), line, heartbeat(2)]), 410);
    assertEquals(await session.post(HEARTBEAT), 410);
    assertEquals(await session.poll(), { status: 403 });
    await works(other);
    assertEquals(await crashes(service), []);
  });
}

Deno.test("long poll POST of a line over the cap is answered with 413 and ends the session (7.4)", async () => {
  await using service = await TestService.start({ maxFrameBytes: 1_000 });
  const session = await PollSession.open(service.url);
  const fits = JSON.stringify([null, "1", "phoenix", "heartbeat", { pad: "" }]);
  const padded = (bytes: number) => fits.replace(`""`, `"${"é".repeat((bytes - fits.length) / 2)}"`);
  const even = 1_000 - (1_000 - fits.length) % 2;
  assertEquals(await session.batch([padded(even)]), 200);
  assertEquals((await session.poll()).messages, [ALIVE]);
  assertEquals(await session.batch([heartbeat(1), padded(even + 2)]), 413);
  assertEquals(await session.post(HEARTBEAT), 410);
});

Deno.test("long poll POST over the cap of a batch is answered with 413 and none of it is taken (7.4)", async () => {
  await using service = await TestService.start({ maxBatchBytes: 10_000 });
  const session = await PollSession.join(service.url, "alice");
  const lines = Array.from({ length: 200 }, (_, n) => message(`m${n}`, `line ${n}`));
  assertGreater(lines.join("\n").length, 10_000);
  assertEquals(await session.batch(lines), 413);
  await works(session);
  assertEquals(session.contents, []);
  const whole = heartbeat(1) + "\n".repeat(10_000 - HEARTBEAT.length);
  assertEquals(await session.post(whole, "application/x-ndjson"), 200);
  assertEquals(await session.post(`${whole}\n`, "application/x-ndjson"), 413);
});

Deno.test("long poll POST that comes in chunks is taken whole (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  const body = new TextEncoder().encode([message("a", "Zoë 😀"), message("b", "two")].join("\n"));
  using tcp = await TcpClient.connect(service.port);
  const head = { Host: "127.0.0.1", "Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked" };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  await tcp.write(`POST ${PATH}?${session.query} HTTP/1.1\r\n${lines.join("")}\r\n`);
  for (let at = 0; at < body.length; at += 7) { // cuts the letters of more than one byte
    const part = body.subarray(at, at + 7);
    await tcp.write(`${part.length.toString(16)}\r\n`);
    await tcp.write(part);
    await tcp.write("\r\n");
  }
  await tcp.write("0\r\n\r\n");
  assertEquals((await tcp.head()).status, 200);
  assertEquals(await tcp.text(14), `{"status":200}`);
  await session.until(() => session.contents.length === 2);
  assertEquals(session.contents, ["Zoë 😀", "two"]);
});

Deno.test("long poll POST that breaks off before its end does nothing (7.4)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  const line = message("a", "half");
  {
    using tcp = await TcpClient.connect(service.port);
    await tcp.write(`POST ${PATH}?${session.query} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${line}\n`);
  }
  await works(session);
  assertEquals(session.contents, []);
});

for (
  const [what, init] of Object.entries<{ body: BodyInit; headers: Record<string, string> }>({
    "no UTF-8": { body: new Uint8Array([0x5b, 0xff, 0xfe]), headers: {} },
    "compressed": { body: HEARTBEAT, headers: { "content-encoding": "gzip" } },
  })
) {
  Deno.test(`long poll POST that is ${what} is answered with 408 and the session lives (7.1)`, async () => {
    await using service = await TestService.start();
    const session = await PollSession.open(service.url);
    assertEquals(await ask(service.url, session.query, { method: "POST", ...init }), { status: 408 });
    assertEquals(await session.post(HEARTBEAT), 200);
    assertEquals((await session.poll()).messages, [ALIVE]);
  });
}

// HTTP (protocol section 7.1)

Deno.test("long poll answers are JSON that nobody stores and every page may read (7.1)", async () => {
  await using service = await TestService.start();
  const { token } = await PollSession.open(service.url);
  for (
    const [method, query] of [["GET", "vsn=2.0.0"], ["GET", "vsn=3.0.0"], ["POST", "vsn=2.0.0"], [
      "POST",
      `vsn=2.0.0&token=${token}`,
    ]]
  ) {
    const { status, headers } = await service.call(
      String(method),
      `${PATH}?${query}`,
      method === "POST" ? { body: HEARTBEAT } : {},
    );
    assertEquals(status, 200);
    assertEquals(headers.get("content-type"), "application/json; charset=utf-8");
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("access-control-allow-origin"), "*");
  }
});

Deno.test("long poll OPTIONS is answered as a preflight (7.1)", async () => {
  await using service = await TestService.start();
  const asked = { origin: "https://a.example", "access-control-request-headers": "content-type,x-phoenix-authtoken" };
  const { status, headers, text } = await service.call("OPTIONS", PATH, { headers: asked });
  assertEquals([status, text], [200, ""]);
  assertEquals(headers.get("access-control-allow-origin"), "*");
  assertEquals(headers.get("access-control-allow-headers"), "content-type,x-phoenix-authtoken");
  assertEquals(headers.get("access-control-allow-methods"), "get, post, options");
  assertEquals(headers.get("access-control-max-age"), "3600");
});

Deno.test("long poll OPTIONS that asks for no header is answered without any (7.1)", async () => {
  await using service = await TestService.start();
  const { status, headers } = await service.call("OPTIONS", PATH);
  assertEquals([status, headers.get("access-control-allow-headers")], [200, null]);
});

for (const method of ["PUT", "DELETE", "PATCH", "HEAD"]) {
  Deno.test(`long poll ${method} is answered with HTTP 400 (7.1)`, async () => {
    await using service = await TestService.start();
    const { status, text } = await service.call(method, `${PATH}?vsn=2.0.0`, method === "HEAD" ? {} : { body: "x" });
    assertEquals([status, text], [400, ""]);
  });
}

// Polls (protocol section 7.3)

Deno.test("long poll keeps messages between polls and gives each once (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  for (const content of ["one", "two", "three"]) await say(service, content);
  await session.poll();
  assertEquals(session.contents, ["one", "two", "three"]);
  await say(service, "four");
  await session.poll();
  assertEquals(session.contents, ["one", "two", "three", "four"]);
});

Deno.test("long poll that waits is released by the first message at once (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  await drainOf(session);
  const polled = session.poll();
  await arrive(service.url);
  const start = performance.now();
  await say(service, "hello");
  assertEquals((await polled).status, 200);
  assertLess(performance.now() - start, 1_000);
  assertEquals(session.contents, ["hello"]);
});

Deno.test("long poll that waits gets everything that is sent in one turn (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  const polled = session.poll();
  await arrive(service.url);
  await session.batch(Array.from({ length: 50 }, (_, n) => heartbeat(n)));
  assertEquals((await polled).messages?.length, 50);
});

/** Polls until nothing more is on its way to a session. */
async function drainOf(session: PollSession): Promise<void> {
  await session.until(() => session.events("presence_diff").length > 0);
}

Deno.test("long poll that waits gives way to a newer one with 204 (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  const older = session.poll();
  await arrive(service.url);
  const start = performance.now();
  const newer = session.poll();
  assertEquals(await older, { status: 204, token: session.token, messages: [] });
  assertLess(performance.now() - start, 1_000);
  await session.post(HEARTBEAT);
  assertEquals((await newer).messages, [ALIVE]);
});

/** Polls, waits, and goes away; resolves when the service has had the time to notice, which nothing tells the client. */
async function goAway(session: PollSession): Promise<void> {
  const gone = new AbortController();
  const polled = assertRejects(() => session.poll({ signal: gone.signal }));
  await arrive(session.url);
  gone.abort();
  await polled;
  await new Promise((resolve) => setTimeout(resolve, 100));
}

Deno.test("long poll whose client went away before the answer loses nothing (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  await drainOf(session);
  const rounds = ["one", "two", "three"];
  for (const round of rounds) {
    await goAway(session);
    await say(service, round);
    await session.until(() => session.contents.includes(round));
  }
  assertEquals(session.contents, rounds);
});

Deno.test("long poll gives what a client that went away missed before what came later (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.join(service.url, "alice");
  await drainOf(session);
  await goAway(session);
  for (const content of ["one", "two", "three"]) await say(service, content);
  await session.until(() => session.contents.length === 3);
  assertEquals(session.contents, ["one", "two", "three"]);
});

Deno.test("long poll whose client goes away does not keep the session (7.5)", async () => {
  await using stage = await PollStage.start();
  const session = await PollSession.open(stage.url);
  await goAway(session);
  stage.pass(15_001);
  assertEquals(await session.post(HEARTBEAT), 410);
});

Deno.test("long poll whose answer is lost gives it again to a poll with the same token (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  await session.poll({ signal: AbortSignal.timeout(20) }).catch(() => {});
  await session.post(HEARTBEAT);
  await session.poll();
  await session.post(HEARTBEAT);
  const { token, url, query } = session;
  const lost = await ask(url, query);
  await session.post(HEARTBEAT);
  assertEquals([lost.messages, (await session.poll()).messages], [[ALIVE], [ALIVE, ALIVE]]);
  assertNotEquals(session.token, token);
});

Deno.test("long poll whose very first answer is lost gives it again (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  await session.post(HEARTBEAT);
  const lost = await ask(session.url, session.query);
  assertEquals([lost.messages, (await session.poll()).messages], [[ALIVE], [ALIVE]]);
});

Deno.test("long poll gives only the first answer again to a client that keeps its first token (7.3)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url);
  const answers: unknown[] = [];
  for (let round = 0; round < 4; round++) {
    await session.post(HEARTBEAT);
    answers.push((await ask(session.url, session.query)).messages);
  }
  assertEquals(answers, [[ALIVE], [ALIVE, ALIVE], [ALIVE], [ALIVE]]);
});

Deno.test("long poll speaks V1 without vsn, and both versions share a channel (7.4)", async () => {
  await using service = await TestService.start();
  const old = await PollSession.open(service.url, "token=old");
  const join = { topic: GENERAL, event: "phx_join", payload: {}, ref: "1" };
  assertEquals(await old.post(JSON.stringify(join)), 200);
  const v1 = () => old.messages.map((text) => JSON.parse(text));
  await old.until(() => v1().find(({ ref }) => ref === "1"));
  assertEquals(Object.keys(v1()[0]).sort(), ["event", "payload", "ref", "topic"]);
  const session = await PollSession.join(service.url, "new");
  assertEquals(
    await old.post(JSON.stringify({ topic: GENERAL, event: "new_message", payload: { content: "hi" }, ref: "2" })),
    200,
  );
  await session.until(() => session.contents.length === 1);
  await old.until(() => v1().find(({ event }) => event === "new_message"));
  const { payload } = v1().find(({ event }) => event === "new_message");
  assertEquals(session.events("new_message"), [payload]);
  assertEquals(payload.user_id, "old");
});

// Tokens (protocol section 7.2)

Deno.test("long poll takes the last token for the session and the first for the user (7.2)", async () => {
  await using service = await TestService.start(PRODUCTION);
  const session = await PollSession.join(service.url, await tokenFor("alice"));
  assertMatch(session.query, /^token=.+&vsn=2\.0\.0&token=.+$/);
  await session.push("new_message", { content: "hello" });
  await session.until(() => session.events("new_message").length === 1);
  assertEquals(session.events("new_message")[0]?.user_id, "alice");
});

Deno.test("long poll takes the session from X-Phoenix-Longpoll-Token, before any in the query (7.2)", async () => {
  await using service = await TestService.start(PRODUCTION);
  const user = await tokenFor("alice");
  const session = await PollSession.open(service.url, `token=${user}&vsn=2.0.0`);
  const other = await PollSession.open(service.url, `token=${user}&vsn=2.0.0`);
  for (const query of [`token=${user}&vsn=2.0.0`, other.query]) {
    const headers = { "x-phoenix-longpoll-token": session.token };
    assertEquals((await ask(service.url, query, { method: "POST", body: HEARTBEAT, headers })).status, 200);
    const { token = "", messages } = await ask(service.url, query, { headers });
    assertEquals(messages, [ALIVE]);
    session.token = token;
  }
});

Deno.test("long poll takes the user from X-Phoenix-AuthToken (1.8)", async () => {
  await using service = await TestService.start(PRODUCTION);
  const jwt = await new SignJWT({ sub: "zoë" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
  const session = await PollSession.open(service.url, "vsn=2.0.0", { headers: { "X-Phoenix-AuthToken": jwt } });
  await session.push("phx_join");
  await session.push("new_message", { content: "hello" });
  await session.until(() => session.events("new_message").length === 1);
  assertEquals(session.events("new_message")[0]?.user_id, "zoë");
});

for (
  const [what, headers] of Object.entries<Record<string, string>>({
    "no token": {},
    "an X-Phoenix-AuthToken that is none": { "x-phoenix-authtoken": "none" },
    "an X-Phoenix-AuthToken of another secret": { "x-phoenix-authtoken": await foreign() },
  })
) {
  Deno.test(`long poll GET with ${what} is answered with 403 in production (7.1)`, async () => {
    await using service = await TestService.start(PRODUCTION);
    assertEquals(await ask(service.url, "vsn=2.0.0", { headers }), { status: 403 });
    assertEquals(await ask(service.url, "vsn=2.0.0&token=none", { headers }), { status: 403 });
  });
}

function foreign(): Promise<string> {
  return new SignJWT({ sub: "eve" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET.toLowerCase()));
}

for (
  const [what, forge] of Object.entries<(token: string) => string>({
    "made up": () => `a.${"A".repeat(32)}.${"A".repeat(43)}`,
    "with a letter changed": (token) => (token.startsWith("A") ? "B" : "A") + token.slice(1),
    "with its last letter changed": (token) => token.replace(/.(~0)$/, (_, end) => `-${end}`),
    "of another secret": () => new SessionTokens("another", "salt").make("home"),
    "of another salt": () => new SessionTokens(SECRET, "another").make("home"),
    "of as many letters, which are more bytes": (token) => `${token.slice(0, 46)}${encodeURIComponent("é".repeat(43))}`,
  })
) {
  Deno.test(`long poll session token ${what} is unknown (7.2)`, async () => {
    await using service = await TestService.start(PRODUCTION);
    const user = `token=${await tokenFor("alice")}&vsn=2.0.0`;
    const session = await PollSession.open(service.url, user);
    const query = `${user}&token=${forge(session.token)}`;
    assertEquals(await ask(service.url, query, { method: "POST", body: HEARTBEAT }), { status: 410 });
    const { status, token } = await ask(service.url, query);
    assertEquals(status, 410);
    assertNotEquals(token, session.token);
    assertEquals(await crashes(service), []);
  });
}

// End of a session (protocol section 7.5)

Deno.test("long poll GET of a session that has ended is answered with 403, so that every phoenix.js rejoins (7.5)", async () => {
  await using service = await TestService.start(PRODUCTION);
  const session = await PollSession.open(service.url, `token=${await tokenFor("alice")}&vsn=2.0.0`);
  assertEquals(await session.post("not json"), 410);
  assertEquals(await session.poll(), { status: 403 });
  assertEquals(await session.post(HEARTBEAT), 410);
  const token = new SessionTokens(SECRET, "salt").make("gone"); // of a session that another instance had
  assertEquals(await ask(service.url, `vsn=2.0.0&token=${token}`), { status: 403 });
});

Deno.test("long poll that waits when its session ends is answered with 403, so that every phoenix.js rejoins (7.5)", async () => {
  await using service = await TestService.start();
  const session = await PollSession.open(service.url, "token=alice&vsn=2.0.0");
  const polled = session.poll();
  await arrive(service.url);
  assertEquals(await session.post("not json"), 410);
  assertEquals(await polled, { status: 403 });
});

Deno.test("long poll session ends 1.5 windows after its last poll, and its member leaves (7.5)", async () => {
  await using stage = await PollStage.start();
  const [alice, bob] = [await PollSession.join(stage.url, "alice"), await PollSession.join(stage.url, "bob")];
  await alice.push("typing");
  await bob.until(() => bob.events("user_typing").length === 1);
  stage.pass(15_000);
  await works(bob);
  assertEquals(stage.clients.size, 2);
  stage.pass(1);
  assertEquals(stage.clients.size, 1);
  await bob.until(() => bob.events("presence_diff").some(({ leaves }) => Object.hasOwn(leaves as object, "alice")));
  await bob.until(() => bob.events("user_stopped_typing").length === 1);
  assertEquals(await alice.post(HEARTBEAT), 410);
  assertEquals(await alice.poll(), { status: 403 });
});

Deno.test("long poll session that only POSTs ends as well (7.5)", async () => {
  await using stage = await PollStage.start();
  const session = await PollSession.open(stage.url);
  stage.pass(10_000);
  assertEquals(await session.post(HEARTBEAT), 200);
  stage.pass(5_001);
  assertEquals(await session.post(HEARTBEAT), 410);
});

Deno.test("long poll session that is polled does not end (7.5)", async () => {
  await using stage = await PollStage.start();
  const session = await PollSession.open(stage.url);
  for (let n = 0; n < 5; n++) {
    stage.pass(14_000);
    await session.post(HEARTBEAT);
    assertEquals((await session.poll()).status, 200);
  }
  const polled = session.poll();
  await arrive(stage.url);
  stage.pass(100_000); // it waits: its client is there
  await session.post(HEARTBEAT);
  assertEquals((await polled).status, 200);
});

Deno.test("long poll session that is never polled ends when its buffer is full, others do not (7.3)", async () => {
  await using service = await TestService.start({ sendBufferBytes: 20_000 });
  const silent = await PollSession.join(service.url, "silent");
  const other = await PollSession.join(service.url, "other");
  for (let n = 0; n < 25; n++) {
    await say(service, `${n} ${"x".repeat(1_000)}`);
    await other.until(() => other.contents.length === n + 1);
  }
  assertEquals(await silent.post(HEARTBEAT), 410);
  assertEquals(await silent.poll(), { status: 403 });
  await works(other);
});

Deno.test("long poll session that was emptied may fill its buffer again (7.3)", async () => {
  await using service = await TestService.start({ sendBufferBytes: 20_000 });
  const session = await PollSession.join(service.url, "alice");
  for (let n = 0; n < 40; n += 10) {
    for (let m = n; m < n + 10; m++) await say(service, `${m} ${"x".repeat(1_000)}`);
    await session.until(() => session.contents.length === n + 10);
  }
  await works(session);
});

// Load

/** A size from `/proc/<pid>/status` in bytes: `VmRSS` is the memory now, `VmHWM` the most it ever was. */
async function memory({ pid }: Server, line: "VmRSS" | "VmHWM"): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`] }).output();
  const [, kilobytes] = new RegExp(`^${line}:\\s*(\\d+) kB`, "m").exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(kilobytes) * 1_024;
}

Deno.test("long poll: 5,000 sessions never polled cost bounded memory and are all gone after the idle time (7.5)", async () => {
  await using server = await Server.start();
  await using talker = await Talker.join(server.socketUrl, { userId: "talker" }, "general");
  const before = await memory(server, "VmRSS");
  const sessions: PollSession[] = [];
  const open = async () => {
    while (sessions.length < 5_000) {
      const session = PollSession.open(server.url, `token=u${sessions.length}&vsn=2.0.0`);
      sessions.push(await session);
      await (await session).post(JSON.stringify(["1", "1", GENERAL, "phx_join", { limit: 0 }]));
    }
  };
  await Promise.all(Array.from({ length: 16 }, open));
  for (let n = 0; n < 100; n++) await talker.push("new_message", { content: `${n} ${"é😀".repeat(600)}` });
  assertLess(await memory(server, "VmHWM") - before, 300 * 1_024 * 1_024);
  await eventually(async () => {
    const answers = await Promise.all(sessions.slice(-20).map((session) => session.post(HEARTBEAT)));
    return answers.every((status) => status === 410);
  }, 25_000);
  const all = await Promise.all(sessions.map((session) => session.post(HEARTBEAT)));
  assertEquals(all.filter((status) => status !== 410), []);
  assertEquals((await talker.push("ping", { still: "here" }))?.status, "ok");
});

const STATUSES = [200, 204, 403, 408, 410, 413];

Deno.test(`long poll answers whatever it is asked with a status of the list or HTTP 400 (seed ${seed})`, async () => {
  await using service = await TestService.start();
  const bystander = await PollSession.join(service.url, "bystander");
  const random = chance();
  const one = <T>(...values: [T, ...T[]]): T => values[random(0, values.length - 1)] ?? values[0];
  let session = await PollSession.open(service.url);
  const noise = (size: number) => Uint8Array.from({ length: size }, () => random(0, 255));
  const text = () =>
    String.fromCodePoint(...Array.from({ length: random(0, 40) }, () => one(random(0, 127), random(0, 0xd7ff))));
  const frame = () =>
    JSON.stringify([
      one<unknown>(null, "1", 1, {}, []),
      one<unknown>(null, "2", 2, true, [[]]),
      one<unknown>("phoenix", GENERAL, "text_channel:", text(), null, 7),
      one<unknown>("heartbeat", "phx_join", "phx_leave", "new_message", "ping", "typing", text(), null),
      one<unknown>({}, null, [], { content: text() }, { limit: random(-5, 500) }, text(), 1e308),
    ].slice(0, random(3, 9)));
  const line = () =>
    one(frame(), frame(), frame(), text(), btoa(String.fromCharCode(...noise(random(0, 60)))), "", "\r");
  const vsn = () =>
    one("vsn=2.0.0", "vsn=2.0.0", "", "vsn=1.0.0", "vsn=9", "vsn[]=2.0.0", "vsn=%00", "%", "&&&=", "a[b][c]=1");
  const token = () =>
    one(session.token, session.token, "", "x", "%ff%fe", ".", "a.b.c", encodeURIComponent(text()), `${session.token}.`);
  const statuses = new Set<number>();
  for (let n = 0; n < 2_000; n++) {
    const method = one("POST", "POST", "POST", "GET", "OPTIONS", "PUT", "DELETE");
    const body = one<Uint8Array<ArrayBuffer>>(
      new TextEncoder().encode(Array.from({ length: random(0, 6) }, line).join(one("\n", "\r\n", "\n\n"))),
      noise(random(0, 200)),
      new TextEncoder().encode("[".repeat(random(0, 60_000))),
    );
    const headers: Record<string, string> = one<Record<string, string>>(
      { "content-type": "application/x-ndjson" },
      { "content-type": "application/json" },
      {},
      { "x-phoenix-longpoll-token": one("", "x", session.token, "é") },
      { origin: one("null", "https://a.example", "http://localhost:1", "x") },
      { "x-phoenix-authtoken": one("", "y", "é".repeat(200)) },
    );
    const query = `${vsn()}&token=${token()}&${one("", "token=", `token=${token()}`)}`;
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(15_000) };
    if (method !== "GET") init.body = body;
    else await session.post(HEARTBEAT); // so that no poll waits
    const response = await fetch(`${service.url}${PATH}?${query}`, init);
    const answer = await response.text();
    if (method === "OPTIONS") assertEquals(response.status, 200);
    else if (method === "PUT" || method === "DELETE") assertEquals(response.status, 400);
    else {
      assertEquals(response.status, 200, `${method} ?${query}: ${answer}`);
      const { status } = JSON.parse(answer) as PollAnswer;
      statuses.add(status);
      assert(STATUSES.includes(status), answer);
      if (status === 410 || status === 413) session = await PollSession.open(service.url);
    }
    if (n % 100 === 0) await works(bystander);
  }
  await works(bystander);
  assertEquals(await crashes(service), []);
  assert([200, 403, 408, 410].every((status) => statuses.has(status)), String([...statuses]));
});
