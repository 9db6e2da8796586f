import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { assertError } from "../support/assert_error.ts";
import { eventually } from "../support/eventually.ts";
import { inSeconds, SECRET, sign, tokenFor } from "../support/jwt.ts";
import { RawClient } from "../support/raw_client.ts";
import { HANDSHAKE, OPCODE, TcpClient } from "../support/tcp_client.ts";
import { TestService } from "../support/test_service.ts";

const PRODUCTION = { env: "production", secretKeyBase: SECRET } as const;
const GENERAL = "text_channel:general";
const HEARTBEAT = `[null,"1","phoenix","heartbeat",{}]`;
const ALIVE = `[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]`;

/** The status and body of the answer to a handshake, and its headers. */
async function shake(
  { port }: TestService,
  query: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; headers: Headers; text: string }> {
  using client = await TcpClient.connect(port);
  const head = await client.request(method, `/socket/websocket?${query}`, { ...HANDSHAKE, ...headers });
  return { ...head, text: await client.text(Number(head.headers.get("content-length") ?? 0)) };
}

/** Sends a text frame and reads the next. */
async function ask(client: TcpClient, text: string): Promise<string> {
  await client.writeFrame(OPCODE.text, text);
  return new TextDecoder().decode((await client.frame())?.payload);
}

/** Reads frames until one is of this event, and gives back its payload. */
async function hear(client: TcpClient, event: string): Promise<Record<string, unknown>> {
  for (;;) {
    const frame = await client.frame();
    if (!frame || frame.opcode === OPCODE.close) throw new Error(`the socket ended before ${event}`);
    const [, , , heard, payload] = JSON.parse(new TextDecoder().decode(frame.payload));
    if (heard === event) return payload;
  }
}

/** Whom the service takes a client for. */
async function nameOf(client: TcpClient): Promise<unknown> {
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "1", GENERAL, "phx_join", {}]));
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "2", GENERAL, "new_message", { content: "x" }]));
  return (await hear(client, "new_message")).user_id;
}

/** The header in which phoenix.js 1.8 hides a token. */
function offer(...tokens: string[]): Record<string, string> {
  const offers = tokens.map((token) => `base64url.bearer.phx.${btoa(token).replaceAll("=", "")}`);
  return { "Sec-WebSocket-Protocol": ["phoenix", ...offers].join(", ") };
}

function assertRefused({ status, headers, text }: Awaited<ReturnType<typeof shake>>): void {
  assertEquals([status, headers.get("content-length"), text], [403, "0", ""]);
}

// Versions (protocol section 1.3)

for (const vsn of ["", "vsn=1.0.0", "vsn=1.0.7", "vsn=1.0.10"]) {
  Deno.test(`a socket with ${vsn || "no vsn"} speaks V1`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port, vsn);
    const heartbeat = `{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}`;
    const reply = `{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}`;
    assertEquals(await ask(client, heartbeat), reply);
  });
}

for (const vsn of ["vsn=2.0.0", "vsn=2.0.9", "vsn=2.0.10", "other=1&vsn=2.0.0", "vsn=%32.0.0"]) {
  Deno.test(`a socket with ${vsn} speaks V2`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port, vsn);
    assertEquals(await ask(client, HEARTBEAT), ALIVE);
  });
}

for (
  const vsn of [
    "vsn=",
    "vsn=2",
    "vsn=2.0",
    "vsn=2.0.",
    "vsn=v2.0.0",
    "vsn=abc",
    "vsn=3.0.0",
    "vsn=2.1.0",
    "vsn=1.1.0",
    "vsn=0.0.0",
    "vsn=2.0.0.0",
    "vsn=2.0.00",
    "vsn=02.0.0",
    "vsn=2.0.0-rc.1",
    "vsn=2.0.x",
    "vsn=%202.0.0",
    "vsn=2.0.0%0A",
    "vsn=-2.0.0",
    "vsn[]=2.0.0",
    "vsn%5B%5D=2.0.0",
    "vsn[a]=2.0.0",
    "vsn=2.0.0&vsn[]=2.0.0",
    "vsn=٢.0.0",
  ]
) {
  Deno.test(`a handshake with ${vsn} is refused with 403 and nothing more`, async () => {
    await using service = await TestService.start();
    assertRefused(await shake(service, encodeURI(vsn).replaceAll("%25", "%")));
  });
}

// Handshakes

Deno.test("a handshake is answered as RFC 6455 wants it", async () => {
  await using service = await TestService.start();
  const { status, headers } = await shake(service, "vsn=2.0.0");
  assertEquals(status, 101);
  assertEquals(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assertEquals([headers.get("upgrade"), headers.get("connection")?.toLowerCase()], ["websocket", "upgrade"]);
  assertEquals(headers.get("server"), null);
});

for (
  const headers of [
    { Connection: "keep-alive, Upgrade" },
    { Connection: "keep-alive,upgrade" },
    { Connection: "uPgRaDe, Keep-Alive" },
    { Upgrade: "WebSocket" },
    { Upgrade: "WEBSOCKET", Connection: "UPGRADE" },
    { "User-Agent": "", Pragma: "no-cache" },
  ]
) {
  Deno.test(`a handshake with ${JSON.stringify(headers)} is taken`, async () => {
    await using service = await TestService.start();
    assertEquals((await shake(service, "vsn=2.0.0", headers)).status, 101);
  });
}

for (
  const headers of [
    { Upgrade: "" },
    { Upgrade: "h2c" },
    { Connection: "" },
    { Connection: "keep-alive" },
    { "Sec-WebSocket-Version": "" },
    { "Sec-WebSocket-Version": "8" },
    { "Sec-WebSocket-Version": "14" },
    { "Sec-WebSocket-Key": "" },
  ]
) {
  Deno.test(`a handshake with ${JSON.stringify(headers)} is answered with 400`, async () => {
    await using service = await TestService.start();
    const { status, text } = await shake(service, "vsn=2.0.0", headers);
    assertEquals([status, JSON.parse(text).error.code], [400, "invalid"]);
  });
}

for (const method of ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]) {
  Deno.test(`a handshake by ${method} is answered with 400`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.connect(service.port);
    assertEquals((await client.request(method, "/socket/websocket?vsn=2.0.0", HANDSHAKE)).status, 400);
  });
}

for (const method of ["GET", "POST"]) {
  Deno.test(`a plain ${method} of the socket's address is answered with 400`, async () => {
    await using service = await TestService.start();
    assertError(await service.call(method, "/socket/websocket?vsn=2.0.0"), "invalid");
  });
}

Deno.test("a handshake at another address is answered with 404", async () => {
  await using service = await TestService.start();
  for (const path of ["/socket", "/socket/", "/socket/websocket/", "/", "/api/channels/none"]) {
    using client = await TcpClient.connect(service.port);
    const { status } = await client.request("GET", `${path}?vsn=2.0.0`, HANDSHAKE);
    assertEquals(status, path === "/" ? 200 : 404);
  }
});

for (const host of ["[", "a b", "x:99999", "%"]) {
  Deno.test(`a handshake is taken whatever the host ${JSON.stringify(host)} means`, async () => {
    await using service = await TestService.start();
    assertEquals((await shake(service, "vsn=2.0.0", { Host: host })).status, 101);
    assertEquals(service.log.filter((line) => line.includes("ERROR")), []);
  });
}

for (const extension of ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"]) {
  Deno.test(`an offer of ${extension} is not taken`, async () => {
    await using service = await TestService.start();
    const headers = { "Sec-WebSocket-Extensions": extension };
    const answer = await shake(service, "vsn=2.0.0", headers);
    assertEquals([answer.status, answer.headers.get("sec-websocket-extensions")], [101, null]);
  });
}

// Tokens (protocol section 1.8)

Deno.test("a socket has the user of its token parameter", async () => {
  await using service = await TestService.start(PRODUCTION);
  using client = await TcpClient.upgrade(service.port, `vsn=2.0.0&token=${await tokenFor("alice")}`);
  assertEquals(await nameOf(client), "alice");
});

Deno.test("a socket's token parameter is percent-decoded", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port, `vsn=2.0.0&token=${encodeURIComponent("Zoë & 😀+1")}`);
  assertEquals(await nameOf(client), "Zoë & 😀+1");
});

Deno.test("a socket without a token is anonymous in development", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  assertMatch(String(await nameOf(client)), /^anonymous_\d+$/);
});

Deno.test("a socket's user cannot be chosen by another parameter or in a payload", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl, {
    token: "alice",
    user_id: "mallory",
    sub: "mallory",
  });
  await client.join("general", { user_id: "mallory" });
  await client.push(GENERAL, "new_message", { content: "x", user_id: "mallory" });
  assertEquals(client.events("new_message").map(({ user_id }) => user_id), ["alice"]);
});

for (const separator of [",", ", ", " , ", ",\t"]) {
  Deno.test(`a socket has the user of its subprotocol after ${JSON.stringify(separator)} and answers phoenix`, async () => {
    await using service = await TestService.start(PRODUCTION);
    const token = btoa(await tokenFor("alice")).replaceAll("=", "");
    const protocol = ["phoenix", `base64url.bearer.phx.${token}`].join(separator);
    using client = await TcpClient.connect(service.port);
    const headers = { ...HANDSHAKE, "Sec-WebSocket-Protocol": protocol };
    const head = await client.request("GET", "/socket/websocket?vsn=2.0.0", headers);
    assertEquals([head.status, head.headers.get("sec-websocket-protocol")], [101, "phoenix"]);
    assertEquals(await nameOf(client), "alice");
  });
}

Deno.test("a socket of Deno's own client gets phoenix for a protocol", async () => {
  await using service = await TestService.start(PRODUCTION);
  const token = btoa(await tokenFor("alice")).replaceAll("=", "");
  await using client = await RawClient.connect(service.socketUrl, {}, ["phoenix", `base64url.bearer.phx.${token}`]);
  assertEquals(client.socket.protocol, "phoenix");
});

for (
  const [name, encode] of Object.entries({
    "the standard alphabet": (text: string) => text,
    "the url alphabet": (text: string) => text.replaceAll("+", "-").replaceAll("/", "_"),
  })
) {
  for (const token of ["a", "ab", "abc", "~~~???>>>", "ÿþý"]) {
    Deno.test(`a token ${token} in ${name} without padding is read from the subprotocol`, async () => {
      await using service = await TestService.start();
      const encoded = encode(btoa(token).replaceAll("=", ""));
      const headers = { "Sec-WebSocket-Protocol": `phoenix,base64url.bearer.phx.${encoded}` };
      using client = await TcpClient.upgrade(service.port, "vsn=2.0.0", headers);
      assertEquals(await nameOf(client), token);
    });
  }
}

Deno.test("two tokens among the subprotocols count as none", async () => {
  await using production = await TestService.start(PRODUCTION);
  const tokens = [await tokenFor("alice"), await tokenFor("bob")];
  assertRefused(await shake(production, "vsn=2.0.0", offer(...tokens)));
  assertRefused(await shake(production, "vsn=2.0.0", offer(tokens[0] ?? "", tokens[0] ?? "")));
});

Deno.test("two tokens among the subprotocols leave the parameter to count", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port, "vsn=2.0.0&token=carol", offer("alice", "bob"));
  assertEquals(await nameOf(client), "carol");
});

Deno.test("a token in the subprotocol comes before the parameter", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port, "vsn=2.0.0&token=bob", offer("alice"));
  assertEquals(await nameOf(client), "alice");
});

Deno.test("a wrong token in the subprotocol is not saved by a right parameter", async () => {
  await using service = await TestService.start(PRODUCTION);
  assertRefused(await shake(service, `vsn=2.0.0&token=${await tokenFor("alice")}`, offer("nonsense")));
});

for (const encoded of ["a", "abcde", "!!!!", "ab=c", "YWxpY2U.", "%41"]) {
  Deno.test(`a token ${encoded} in the subprotocol, which is no base64, is refused with 403`, async () => {
    await using service = await TestService.start();
    const headers = { "Sec-WebSocket-Protocol": `phoenix, base64url.bearer.phx.${encoded}` };
    assertRefused(await shake(service, "vsn=2.0.0", headers));
  });
}

for (
  const [protocol, answered] of [["phoenix", "phoenix"], ["foo, phoenix", "phoenix"], ["foo", null], ["Phoenix", null]]
) {
  Deno.test(`an offer of the subprotocol ${protocol} is answered with ${answered}`, async () => {
    await using service = await TestService.start();
    const { status, headers } = await shake(service, "vsn=2.0.0", { "Sec-WebSocket-Protocol": protocol ?? "" });
    assertEquals([status, headers.get("sec-websocket-protocol")], [101, answered]);
  });
}

for (
  const [name, token] of Object.entries({
    "no token": undefined,
    "an empty token": "",
    "an opaque token": "alice",
    "an expired token": await sign({ sub: "alice", exp: inSeconds(-60) }),
    "a token without exp": await sign({ sub: "alice" }),
    "a token with exp as a text": await sign({ sub: "alice", exp: String(inSeconds(60)) }),
    "a token without sub": await sign({ exp: inSeconds(60) }),
    "a token of another secret": await sign({ sub: "alice", exp: inSeconds(60) }, { secret: "another" }),
    "alg none": await sign({ sub: "alice", exp: inSeconds(60) }, { header: { alg: "none" } }),
    "RS256 signed with the secret": await sign({ sub: "alice", exp: inSeconds(60) }, { header: { alg: "RS256" } }),
    "a crit header": await sign({ sub: "alice", exp: inSeconds(60) }, { header: { alg: "HS256", crit: ["x"], x: 1 } }),
    "a token of 16 KB": "a".repeat(16_384),
  })
) {
  Deno.test(`a handshake with ${name} in production is refused with 403 and nothing more`, async () => {
    await using service = await TestService.start(PRODUCTION);
    const answer = await shake(service, token === undefined ? "vsn=2.0.0" : `vsn=2.0.0&token=${token}`);
    assertRefused(answer);
    assertFalse(token !== undefined && token !== "" && JSON.stringify([...answer.headers]).includes(token));
    if (token !== undefined && token !== "") assertRefused(await shake(service, "vsn=2.0.0", offer(token)));
  });
}

Deno.test("a handshake that is refused leaves no socket behind", async () => {
  await using service = await TestService.start({ ...PRODUCTION, maxSockets: 1 });
  for (let i = 0; i < 5; i++) assertRefused(await shake(service, "vsn=2.0.0&token=nonsense"));
  using _ = await TcpClient.upgrade(service.port, `vsn=2.0.0&token=${await tokenFor("alice")}`);
});

Deno.test("an address with too many refused logins is answered with 429 and when to come back, whatever its token", async () => {
  await using service = await TestService.start({ ...PRODUCTION, loginFailures: 2 });
  const query = `vsn=2.0.0&token=${await tokenFor("alice")}`;
  assertEquals((await shake(service, query)).status, 101);
  for (let i = 0; i < 2; i++) assertRefused(await shake(service, "vsn=2.0.0&token=nonsense"));
  const { status, headers, text } = await shake(service, query);
  assertEquals([status, headers.get("content-length"), text], [429, "0", ""]);
  assertMatch(headers.get("retry-after") ?? "", /^(29|30|31)$/);
});

Deno.test("an address with too many refused logins is answered with 429 over REST too", async () => {
  await using service = await TestService.start({ ...PRODUCTION, loginFailures: 1 });
  assertRefused(await shake(service, "vsn=2.0.0&token=nonsense"));
  const answer = await service.call("GET", "/api/channels", { token: await tokenFor("alice") });
  assertError(answer, "rate_limited");
  assertMatch(answer.headers.get("retry-after") ?? "", /^\d+$/);
});

Deno.test("logins that are right are never too many", async () => {
  await using service = await TestService.start({ ...PRODUCTION, loginFailures: 1 });
  const token = await tokenFor("alice");
  for (let i = 0; i < 5; i++) assertEquals((await shake(service, `vsn=2.0.0&token=${token}`)).status, 101);
  assertEquals((await service.call("GET", "/api/channels", { token })).status, 200);
});

// Origins (protocol section 1.9)

const FOREIGN = [
  "https://evil.example",
  "http://localhost.evil.example",
  "null",
  "file://",
  "http://127.0.0.1.evil.example",
];

Deno.test("a socket is opened for the service's own pages, and for those of this machine in development", async () => {
  await using service = await TestService.start();
  const own = { Host: "chat.example.com" };
  for (const origin of ["https://chat.example.com", "http://localhost:3000", "http://127.0.0.1:8080", ""]) {
    assertEquals((await shake(service, "vsn=2.0.0", { ...own, Origin: origin })).status, 101);
  }
});

for (const origin of FOREIGN) {
  Deno.test(`a handshake from ${origin} is refused with 403 and nothing more`, async () => {
    await using service = await TestService.start();
    assertRefused(await shake(service, "vsn=2.0.0", { Origin: origin }));
  });
}

Deno.test("a socket is opened in production for the service's own pages alone", async () => {
  await using service = await TestService.start(PRODUCTION);
  const query = `vsn=2.0.0&token=${await tokenFor("alice")}`;
  const from = async (origin: string) =>
    (await shake(service, query, { Host: "chat.example.com", Origin: origin })).status;
  assertEquals(await from("https://chat.example.com"), 101);
  for (const origin of [...FOREIGN, "http://localhost:3000", "https://chat.example.com:8443"]) {
    assertEquals(await from(origin), 403);
  }
});

Deno.test("a socket is opened for the pages of the list and no other", async () => {
  await using service = await TestService.start({ allowedOrigins: ["https://a.example", "//*.b.example:8443"] });
  const from = async (origin: string) => (await shake(service, "vsn=2.0.0", { Origin: origin })).status;
  for (const origin of ["https://a.example", "http://x.b.example:8443", "https://b.example:8443"]) {
    assertEquals(await from(origin), 101);
  }
  for (
    const origin of [...FOREIGN, "http://a.example", "https://x.a.example", "https://b.example", "http://127.0.0.1"]
  ) {
    assertEquals(await from(origin), 403);
  }
});

// Frames

for (
  const [name, opcode, fill] of [["text", OPCODE.text, "x"], ["text of two-byte characters", OPCODE.text, "é"]] as const
) {
  const sized = (bytes: number) => {
    const frame = `[null,"1","phoenix","heartbeat","?"]`;
    const room = bytes - frame.length + 1;
    const width = new TextEncoder().encode(fill).length;
    return frame.replace("?", fill.repeat(Math.floor(room / width)) + "x".repeat(room % width));
  };

  Deno.test(`a frame of 65,536 bytes of ${name} is taken`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    assertEquals(await ask(client, sized(65_536)), ALIVE);
  });

  Deno.test(`a frame of 65,537 bytes of ${name} closes the socket with 1009`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    await client.writeFrame(opcode, sized(65_537));
    assertEquals(await client.closeCode(), 1009);
  });
}

/** A heartbeat in binary form, of so many bytes. */
function binaryHeartbeat(bytes: number): Uint8Array<ArrayBuffer> {
  const header = [0, 0, 1, 7, 9, ...new TextEncoder().encode("1phoenixheartbeat")];
  const frame = new Uint8Array(bytes);
  frame.set(header);
  return frame;
}

Deno.test("a binary frame of 65,536 bytes is taken", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  await client.writeFrame(OPCODE.binary, binaryHeartbeat(65_536));
  assertEquals(new TextDecoder().decode((await client.frame())?.payload), ALIVE);
});

Deno.test("a binary frame of 65,537 bytes closes the socket with 1009", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  await client.writeFrame(OPCODE.binary, binaryHeartbeat(65_537));
  assertEquals(await client.closeCode(), 1009);
});

Deno.test("a message in fragments that are small closes the socket with 1009 where it is too large", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  for (let i = 0; i < 9; i++) await client.writeFrame(i === 0 ? 1 : 0, "x".repeat(8_192), i === 8);
  assertEquals(await client.closeCode(), 1009);
});

Deno.test("a frame has another limit where the settings say so", async () => {
  await using service = await TestService.start({ maxFrameBytes: 1_024 });
  using client = await TcpClient.upgrade(service.port);
  assertEquals(await ask(client, HEARTBEAT.padEnd(1_024)), ALIVE);
  await client.writeFrame(OPCODE.text, HEARTBEAT.padEnd(1_025));
  assertEquals(await client.closeCode(), 1009);
});

Deno.test("a frame that is too large is neither stored nor told", async () => {
  await using service = await TestService.start();
  await using watcher = await RawClient.connect(service.socketUrl);
  await watcher.join("general");
  using client = await TcpClient.upgrade(service.port);
  await ask(client, JSON.stringify(["1", "1", GENERAL, "phx_join", {}]));
  await client.writeFrame(
    OPCODE.text,
    JSON.stringify(["1", "2", GENERAL, "new_message", { content: "x" }]).padEnd(65_537),
  );
  assertEquals(await client.closeCode(), 1009);
  await watcher.push(GENERAL, "ping");
  assertEquals(watcher.events("new_message"), []);
  assertEquals((await service.call("GET", "/api/channels/general/messages")).body.head_seq, 0);
});

for (
  const text of [
    "",
    "x",
    "{}",
    "[]",
    "null",
    "7",
    `["1","2","t","e"]`,
    `[["1"],"2","t","e",{}]`,
    "[".repeat(60_000),
    "\u0000",
  ]
) {
  Deno.test(`the frame ${JSON.stringify(text.slice(0, 30))} closes a V2 socket with 1011`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    await client.writeFrame(OPCODE.text, text);
    assertEquals(await client.closeCode(), 1011);
  });
}

for (const text of ["", "x", "[]", "null", HEARTBEAT, `{"topic":"t","event":"e","payload":{}}`]) {
  Deno.test(`the frame ${JSON.stringify(text)} closes a V1 socket with 1011`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port, "");
    await client.writeFrame(OPCODE.text, text);
    assertEquals(await client.closeCode(), 1011);
  });
}

for (const bytes of [[], [1, 0, 0, 0, 0], [0], [0, 0, 0, 0], [0, 255, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0xff]]) {
  Deno.test(`the binary frame ${bytes.join(" ") || "of nothing"} closes a socket with 1011`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    await client.writeFrame(OPCODE.binary, new Uint8Array(bytes));
    assertEquals(await client.closeCode(), 1011);
  });
}

Deno.test("a binary frame closes a V1 socket with 1011", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port, "");
  await client.writeFrame(OPCODE.binary, binaryHeartbeat(30));
  assertEquals(await client.closeCode(), 1011);
});

Deno.test("a socket that is closed for its frame leaves its rooms", async () => {
  await using service = await TestService.start();
  await using watcher = await RawClient.connect(service.socketUrl);
  await watcher.join("general");
  using client = await TcpClient.upgrade(service.port, "vsn=2.0.0&token=typist");
  await ask(client, JSON.stringify(["1", "1", GENERAL, "phx_join", {}]));
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "2", GENERAL, "typing", {}]));
  await client.writeFrame(OPCODE.text, "garbage");
  await eventually(() => watcher.events("user_stopped_typing").length > 0);
  assertEquals(watcher.events("user_stopped_typing"), [{ user_id: "typist" }]);
});

Deno.test("a message may come in fragments, cut within a character", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  await client.writeFrame(OPCODE.text, JSON.stringify(["1", "1", GENERAL, "phx_join", {}]));
  await hear(client, "phx_reply");
  const bytes = new TextEncoder().encode(JSON.stringify(["1", "2", GENERAL, "ping", { text: "😀é" }]));
  for (const [index, byte] of bytes.entries()) {
    await client.writeFrame(index === 0 ? 1 : 0, new Uint8Array([byte]), index === bytes.length - 1);
  }
  assertEquals(await hear(client, "phx_reply"), { status: "ok", response: { text: "😀é" } });
});

Deno.test("a ping between fragments is answered at once, with what it carried", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  await client.writeFrame(OPCODE.text, HEARTBEAT.slice(0, 9), false);
  await client.writeFrame(OPCODE.ping, "are you there?");
  const pong = await client.frame();
  assertEquals([pong?.opcode, new TextDecoder().decode(pong?.payload)], [OPCODE.pong, "are you there?"]);
  await client.writeFrame(OPCODE.continuation, HEARTBEAT.slice(9));
  assertEquals(new TextDecoder().decode((await client.frame())?.payload), ALIVE);
});

for (const size of [0, 1, 125]) {
  Deno.test(`a ping of ${size} bytes is answered with the same`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    await client.writeFrame(OPCODE.ping, "p".repeat(size));
    const pong = await client.frame();
    assertEquals([pong?.opcode, pong?.payload.length], [OPCODE.pong, size]);
  });
}

Deno.test("a pong that nobody asked for is ignored", async () => {
  await using service = await TestService.start();
  using client = await TcpClient.upgrade(service.port);
  await client.writeFrame(OPCODE.pong, "p");
  assertEquals(await ask(client, HEARTBEAT), ALIVE);
});

for (const code of [1000, 1001, 4000, 4999]) {
  Deno.test(`a close with ${code} is echoed`, async () => {
    await using service = await TestService.start();
    using client = await TcpClient.upgrade(service.port);
    await client.writeFrame(OPCODE.close, new Uint8Array([code >> 8, code & 255]));
    assertEquals(await client.closeCode(), code);
  });
}

for (
  const [name, bytes] of Object.entries({
    "a reserved bit": [0xc1, 0x80, 0, 0, 0, 0],
    "a reserved opcode": [0x83, 0x80, 0, 0, 0, 0],
    "a continuation of nothing": [0x80, 0x80, 0, 0, 0, 0],
    "a ping of 126 bytes": [0x89, 0xfe, 0, 126, 0, 0, 0, 0],
    "a fragmented ping": [0x09, 0x80, 0, 0, 0, 0],
    "text that is not UTF-8": [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
    "a frame of 1 TB": [0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "a frame of 64 MiB and a byte": [0x81, 0xff, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0, 0],
    "an HTTP request": [...new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  })
) {
  Deno.test(`${name} ends the socket, leaves its rooms and harms nobody else`, async () => {
    await using service = await TestService.start();
    await using watcher = await RawClient.connect(service.socketUrl);
    await watcher.join("general");
    using client = await TcpClient.upgrade(service.port, "vsn=2.0.0&token=typist");
    await ask(client, JSON.stringify(["1", "1", GENERAL, "phx_join", {}]));
    await client.writeFrame(OPCODE.text, JSON.stringify(["1", "2", GENERAL, "typing", {}]));
    await client.write(new Uint8Array(bytes));
    await client.closeCode();
    await eventually(() => watcher.events("user_stopped_typing").length > 0);
    assertEquals((await watcher.push(GENERAL, "new_message", { content: "x" })).status, "ok");
  });
}

// Limits

Deno.test("a socket that is silent for the idle time is closed with 1001, one that is not stays", async () => {
  await using service = await TestService.start({ idleTimeoutMs: 1_000 });
  using silent = await TcpClient.upgrade(service.port);
  using alive = await TcpClient.upgrade(service.port);
  const beats = setInterval(() => alive.writeFrame(OPCODE.text, HEARTBEAT), 200);
  const code = await silent.closeCode().finally(() => clearInterval(beats));
  assertEquals(code, 1001);
  assertEquals(await ask(alive, HEARTBEAT), ALIVE);
});

Deno.test("a socket joins as many topics as the settings allow and no more", async () => {
  await using service = await TestService.start({ maxTopics: 2 });
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await client.join("tech");
  const reply = await client.push("text_channel:random", "phx_join");
  assertEquals(reply, { status: "error", response: { reason: "too many channels joined" } });
});

Deno.test("a socket at the limit of topics may join one of them again, or another that it left one for", async () => {
  await using service = await TestService.start({ maxTopics: 1 });
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await client.join("general");
  await client.push(GENERAL, "phx_leave");
  await client.join("tech");
});

Deno.test("a socket more than the settings allow is answered with 503 and when to come back", async () => {
  await using service = await TestService.start({ maxSockets: 2 });
  using _first = await TcpClient.upgrade(service.port);
  using _second = await TcpClient.upgrade(service.port);
  const { status, headers, text } = await shake(service, "vsn=2.0.0");
  assertEquals([status, headers.get("retry-after"), text], [503, "1", ""]);
});

Deno.test("a socket that went makes room for another", async () => {
  await using service = await TestService.start({ maxSockets: 1 });
  for (let i = 0; i < 5; i++) {
    using client = await eventually(() => TcpClient.upgrade(service.port));
    assertEquals(await ask(client, HEARTBEAT), ALIVE);
  }
});

Deno.test("a socket that is cut while it opens makes room for another", async () => {
  await using service = await TestService.start({ maxSockets: 1 });
  const handshake = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  for (let i = 0; i < 20; i++) {
    using client = await TcpClient.connect(service.port);
    await client.write(`GET /socket/websocket HTTP/1.1\r\nHost: x\r\n${handshake}\r\n`);
  }
  using _ = await eventually(() => TcpClient.upgrade(service.port));
});

Deno.test("the limit of sockets does not touch REST", async () => {
  await using service = await TestService.start({ maxSockets: 1 });
  using _ = await TcpClient.upgrade(service.port);
  assertEquals((await service.call("GET", "/api/channels")).status, 200);
});

Deno.test("a socket of a user ends alone", async () => {
  await using service = await TestService.start();
  await using first = await RawClient.connect(service.socketUrl, { token: "alice" });
  await first.join("general");
  {
    await using second = await RawClient.connect(service.socketUrl, { token: "alice" });
    await second.join("general");
  }
  assertEquals((await first.push(GENERAL, "new_message", { content: "x" })).status, "ok");
  assert(first.closed === undefined);
});
