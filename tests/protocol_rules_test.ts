/**
 * The list of rules in docs/protocol.md: without a gap, each held by a test that names it. Rules that no other test names are tested here.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { SECRET, tokenFor } from "./support/jwt.ts";
import { RawClient } from "./support/raw_client.ts";
import { TestService } from "./support/test_service.ts";

const root = new URL("../", import.meta.url);
const protocol = Deno.readTextFileSync(new URL("docs/protocol.md", root));

/** How many rules each section of the specification has that concern a server; 0 is a section that is one rule. */
const SECTIONS: Readonly<Record<string, number>> = { 1: 10, 2: 4, 3: 10, 4: 8, 5: 3, 6: 5, 7: 6, 8: 7, 9: 0, 10: 0 };

/** Files whose tests hold rules without naming their numbers. */
const WITHOUT_NUMBERS = [
  "tests/http/socket_test.ts",
  "tests/http/socket_server_test.ts",
  "tests/e2e/phoenix_clients_test.ts",
];

interface Rule {
  readonly number: string;
  readonly words: string;
  readonly heldBy: string;
}

function rules(): Rule[] {
  const [, list = ""] = protocol.split("\n## Rules and their tests\n");
  return [...list.matchAll(/^\| (\d+(?:\.\d+)?) +\| (.*?) +\| (.*?) +\|$/gm)]
    .map(([, number = "", words = "", heldBy = ""]) => ({ number, words, heldBy }));
}

/** Whether a test file says of one of its tests that it holds a rule: `(3.7)`, `(3.3, 4.4)` or `rule 3.7`. */
function names(file: string, number: string): boolean {
  const escaped = number.replace(".", "\\.");
  const pattern = new RegExp(`\\((?:[\\d., ]*[ ,])?${escaped}(?:,[\\d., ]*)?\\)|\\brule ${escaped}\\b`);
  return pattern.test(Deno.readTextFileSync(new URL(file, root)));
}

Deno.test("docs/protocol.md: the list of rules has no gap and no order of its own", () => {
  const wanted = Object.entries(SECTIONS).flatMap(([section, count]) =>
    count === 0 ? [section] : Array.from({ length: count }, (_, index) => `${section}.${index + 1}`)
  );
  assertEquals(rules().map(({ number }) => number), wanted);
});

for (const { number, words, heldBy } of rules()) {
  Deno.test(`docs/protocol.md: rule ${number} is held by what its list names`, () => {
    assert(words.split(" ").length <= 12 && words !== "", words);
    if (heldBy.startsWith("differs: see [")) return;
    const [, file = ""] = /^`(tests\/[^`]+)`$/.exec(heldBy) ?? [];
    assert(Deno.statSync(new URL(file, root)).isFile, file);
    if (!WITHOUT_NUMBERS.includes(file)) assert(names(file, number), `${file} does not name ${number}`);
  });
}

// Rules that no other test names

/** Asks for a long poll; the answer's body. */
async function poll(
  service: TestService,
  query: string,
  init: RequestInit = {},
): Promise<{ status: number; token?: string; messages?: string[] }> {
  const response = await fetch(`${service.url}/socket/longpoll?${query}`, init);
  assertEquals(response.status, 200);
  return await response.json();
}

/** The frames of a session until one is answered under this ref. */
async function untilReply(
  service: TestService,
  query: string,
  ref: string,
): Promise<[unknown, unknown, string, string, {
  status: string;
  response: Record<string, unknown>;
}]> {
  return await eventually(async () => {
    const { messages = [] } = await poll(service, query);
    return messages.map((message) => JSON.parse(message)).find((frame) => frame[1] === ref && frame[3] === "phx_reply");
  });
}

Deno.test("the token is taken from the parameter, the subprotocol or the header of a poll (1.8)", async () => {
  await using service = await TestService.start({ env: "production", secretKeyBase: SECRET });
  const token = await tokenFor("alice");
  const encoded = btoa(token).replaceAll("=", "");
  await using first = await RawClient.connect(service.socketUrl, { token });
  await using second = await RawClient.connect(service.socketUrl, {}, ["phoenix", `base64url.bearer.phx.${encoded}`]);
  assertEquals([first.socket.readyState, second.socket.protocol], [WebSocket.OPEN, "phoenix"]);
  assertEquals((await poll(service, `vsn=2.0.0&token=${token}`)).status, 410);
  assertEquals((await poll(service, "vsn=2.0.0", { headers: { "x-phoenix-authtoken": token } })).status, 410);
  assertEquals((await poll(service, "vsn=2.0.0")).status, 403);
});

Deno.test("a join with what the client has already is given what it has missed (4.7)", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl, { token: "alice" });
  const { epoch } = await client.join("general");
  for (const content of ["one", "two", "three"]) await client.push("text_channel:general", "new_message", { content });
  const { messages, recovered } = await client.join("general", { last_seq: 1, epoch });
  assertEquals([recovered, (messages as { content: string }[]).map(({ content }) => content)], [true, [
    "two",
    "three",
  ]]);
});

Deno.test("every heartbeat is answered, whatever else goes on (5.1)", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl, { token: "alice" });
  const beats = Array.from({ length: 20 }, () => client.push("phoenix", "heartbeat", {}, null));
  const joins = Array.from({ length: 20 }, (_, index) => client.join(`channel${index}`));
  assertEquals((await Promise.all(beats)).map(({ status }) => status), Array(20).fill("ok"));
  await Promise.all(joins);
});

const ENDS: readonly [what: string, code: number, (client: RawClient, service: TestService) => unknown][] = [
  ["a frame that cannot be decoded", 1011, (client) => client.send("{")],
  ["a frame that is too large", 1009, (client) => client.send("x".repeat(65_537))],
  ["a stop of the service", 1012, (_, service) => service.stop()],
];

for (const [what, code, end] of ENDS) {
  Deno.test(`${what} closes with ${code}, never with 1000 (6.2, 6.3)`, async () => {
    const service = await TestService.start();
    let stopped = false;
    try {
      await using client = await RawClient.connect(service.socketUrl, { token: "alice" });
      stopped = code === 1012;
      await end(client, service);
      await eventually(() => client.closed);
      assertEquals(client.closed?.code, code);
    } finally {
      if (!stopped) await service.stop();
    }
  });
}

Deno.test("the last token of a poll is the session's, the first the user's (7.2)", async () => {
  await using service = await TestService.start();
  const { status, token = "" } = await poll(service, "token=alice&vsn=2.0.0&");
  assertEquals(status, 410);
  const query = `token=alice&vsn=2.0.0&token=${encodeURIComponent(token)}`;
  const join = `["1","1","text_channel:general","phx_join",{}]`;
  assertEquals(await poll(service, query, { method: "POST", body: join }), { status: 200 });
  assertEquals((await untilReply(service, query, "1"))[4].status, "ok");
  const body = `["1","2","text_channel:general","new_message",{"content":"hi"}]`;
  assertEquals(await poll(service, query, { method: "POST", body }), { status: 200 });
  await untilReply(service, query, "2");
  const { body: history } = await service.call("GET", "/api/channels/general/messages");
  assertEquals((history.messages as { user_id: string }[]).map(({ user_id }) => user_id), ["alice"]);
});

Deno.test("a token that is no session's opens a new session (7.2)", async () => {
  await using service = await TestService.start();
  const { token } = await poll(service, "vsn=2.0.0&token=alice");
  const again = await poll(service, "token=alice&vsn=2.0.0&token=made-up");
  assertEquals([again.status, again.messages], [410, []]);
  assert(again.token !== token);
  assertMatch(again.token ?? "", /./);
});

Deno.test("a poll of a session that has ended is 403, so that every client connects again (7.2)", async () => {
  await using service = await TestService.start();
  const { token = "" } = await poll(service, "vsn=2.0.0&token=alice");
  const query = `token=alice&vsn=2.0.0&token=${encodeURIComponent(token)}`;
  assertEquals((await poll(service, query, { method: "POST", body: "{" })).status, 410);
  assertEquals(await poll(service, query), { status: 403 });
});

Deno.test("a post has one frame, or with ndjson many lines, JSON or base64, blank ones nothing (7.4)", async () => {
  await using service = await TestService.start();
  const { token = "" } = await poll(service, "vsn=2.0.0&token=alice");
  const query = `vsn=2.0.0&token=alice&token=${encodeURIComponent(token)}`;
  const join = `["1","1","text_channel:general","phx_join",{}]`;
  assertEquals((await poll(service, query, { method: "POST", body: join })).status, 200);
  const pings = Array.from({ length: 150 }, (_, index) => `["1","p${index}","text_channel:general","ping",{}]`);
  const binary = btoa(`\0${String.fromCharCode(1, 1, 20, 6)}1btext_channel:generaltyping`);
  const body = [...pings, "", binary, "\r", ""].join("\n");
  const headers = { "content-type": "application/x-ndjson" };
  assertEquals((await poll(service, query, { method: "POST", body, headers })).status, 200);
  const answered = new Set<unknown>();
  await eventually(async () => {
    const { messages = [] } = await poll(service, query);
    for (const message of messages) answered.add(JSON.parse(message)[1]);
    return answered.has("p149") && answered.has("b");
  });
  assertEquals(pings.filter((_, index) => !answered.has(`p${index}`)), []);
});

Deno.test("both transports are at the same path and meet in the same channels (7.6)", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl, { token: "bob" });
  await client.join("general");
  const { token = "" } = await poll(service, "vsn=2.0.0&token=alice");
  const query = `vsn=2.0.0&token=alice&token=${encodeURIComponent(token)}`;
  const frames = [
    `["1","1","text_channel:general","phx_join",{}]`,
    `["1","2","text_channel:general","new_message",{"content":"hi"}]`,
  ];
  for (const body of frames) assertEquals((await poll(service, query, { method: "POST", body })).status, 200);
  await eventually(() => client.events("new_message").some(({ user_id }) => user_id === "alice"));
});
