import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { assertError } from "../support/assert_error.ts";
import { eventually } from "../support/eventually.ts";
import { SECRET, tokenFor } from "../support/jwt.ts";
import { RawClient } from "../support/raw_client.ts";
import { TestService } from "../support/test_service.ts";

interface Message {
  readonly id: string;
  readonly user_id: string;
  readonly content: string;
  readonly timestamp: string;
  readonly seq: number;
}

const GENERAL = "/api/channels/general/messages";
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** Sends to `general` over REST and gives back the stored message. */
async function send(service: TestService, content: string, token = "alice"): Promise<Message> {
  const answer = await service.call("POST", GENERAL, { token, body: { content } });
  assertEquals(answer.status, 201, answer.text);
  return answer.body.message as Message;
}

/** Sends the messages 1 to `count`. */
async function fill(service: TestService, count: number): Promise<Message[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => send(service, String(index + 1))));
}

/** A page of `general`: what its messages say, and whether there is more. */
async function page(service: TestService, query = ""): Promise<{ messages: Message[]; said: number[]; more: unknown }> {
  const { status, body, text } = await service.call("GET", GENERAL + query);
  assertEquals(status, 200, text);
  const messages = body.messages as Message[];
  return { messages, said: messages.map(({ content }) => Number(content)), more: body.has_more };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

Deno.test("POST messages gives the new message whole", async () => {
  await using service = await TestService.start();
  const before = Date.now();
  const { status, body } = await service.call("POST", GENERAL, { token: "alice", body: { content: "Hi!" } });
  const { id, timestamp, ...rest } = body.message as Record<string, unknown>;
  assertEquals(status, 201);
  assertEquals(rest, { channel_id: "general", user_id: "alice", content: "Hi!", seq: 1, version: 1 });
  assertMatch(String(id), /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assertMatch(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert(Date.parse(String(timestamp)) >= before && Date.parse(String(timestamp)) <= Date.now());
});

Deno.test("POST messages tells where the new message is", async () => {
  await using service = await TestService.start();
  const { headers, body } = await service.call("POST", GENERAL, { body: { content: "x" } });
  const location = headers.get("location") ?? "";
  assertEquals(location, `${GENERAL}/${(body.message as Message).id}`);
  assertEquals((await service.call("GET", location)).body, body);
});

Deno.test("POST messages is answered when the message is in the history", async () => {
  await using service = await TestService.start();
  for (let i = 0; i < 20; i++) {
    const message = await send(service, String(i));
    assertEquals((await page(service)).messages.at(-1), message);
  }
});

Deno.test("POST messages numbers the messages of a channel from 1 without holes", async () => {
  await using service = await TestService.start();
  const seqs = (await fill(service, 100)).map(({ seq }) => seq).sort((a, b) => a - b);
  assertEquals(seqs, range(1, 100));
});

Deno.test("POST messages takes a channel's numbers from no other", async () => {
  await using service = await TestService.start();
  await fill(service, 3);
  const { body } = await service.call("POST", "/api/channels/tech/messages", { body: { content: "x" } });
  assertEquals((body.message as Message).seq, 1);
});

Deno.test("POST messages reaches members as the answer shows it", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  const { body } = await service.call("POST", GENERAL, { body: { content: "x", nonce: "n" } });
  await eventually(() => client.events("new_message").length > 0);
  const frame = client.received.find(([, , , event]) => event === "new_message");
  assertEquals(frame, [null, null, "text_channel:general", "new_message", body.message as Record<string, unknown>]);
});

Deno.test("POST messages reaches the members of no other channel", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("tech");
  await send(service, "x");
  await client.push("text_channel:tech", "ping");
  assertEquals(client.events("new_message"), []);
});

Deno.test("POST messages takes the author from the token alone", async () => {
  await using service = await TestService.start({ env: "production", secretKeyBase: SECRET });
  const lies = { user_id: "mallory", user: { name: "mallory" }, sub: "mallory" };
  const body = { content: "x", ...lies };
  const answer = await service.call("POST", `${GENERAL}?user_id=mallory`, { token: await tokenFor("alice"), body });
  assertEquals((answer.body.message as Message).user_id, "alice");
  assertEquals(answer.text.includes("mallory"), false);
});

Deno.test("POST messages ignores what only the service can say", async () => {
  await using service = await TestService.start();
  const lies = {
    id: ULID,
    seq: 99,
    version: 99,
    channel_id: "tech",
    timestamp: "1970-01-01T00:00:00.000Z",
    deleted: true,
  };
  const { body } = await service.call("POST", GENERAL, { token: "alice", body: { content: "x", ...lies } });
  const { id, timestamp, ...rest } = body.message as Record<string, unknown>;
  assertNotEquals([id, timestamp], [lies.id, lies.timestamp]);
  assertEquals(rest, { channel_id: "general", user_id: "alice", content: "x", seq: 1, version: 1 });
});

for (
  const content of [
    "x",
    " leading and trailing \n",
    "a\x1b[31m\u202e\x07\r\n",
    `<script>alert("1")</script> & 'quotes' \\`,
    "é e\u0301 ﬀ İ ß",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "\u200b",
    "$1 %s {} ${x}",
    "a\u2028b\u2029c",
    "__proto__",
  ]
) {
  Deno.test(`POST messages keeps ${JSON.stringify(content)} exactly as it was sent`, async () => {
    await using service = await TestService.start();
    assertEquals((await send(service, content)).content, content);
    assertEquals((await page(service)).messages.map((message) => message.content), [content]);
  });
}

for (const [name, text] of [["letters", "a"], ["emoji", "😀"], ["three-byte characters", "語"]] as const) {
  Deno.test(`POST messages takes 4,000 ${name}`, async () => {
    await using service = await TestService.start();
    assertEquals((await send(service, text.repeat(4_000))).content, text.repeat(4_000));
  });

  Deno.test(`POST messages refuses 4,001 ${name}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", GENERAL, { body: { content: text.repeat(4_001) } }), "invalid");
  });
}

for (const content of ["", " ", "\n\r\t", "\u00a0\u2003\u3000\ufeff"]) {
  Deno.test(`POST messages refuses ${JSON.stringify(content)}, which is empty`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", GENERAL, { body: { content } }), "invalid");
  });
}

for (const content of [undefined, null, 7, true, [], ["x"], {}, { content: "x" }]) {
  Deno.test(`POST messages refuses the content ${JSON.stringify(content)}, which is no text`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", GENERAL, { body: { content } }), "invalid");
  });
}

for (const content of [String.raw`\ud800`, String.raw`a\udc00b`, String.raw`\ude00\ud83d`, String.raw`\ud83d x`]) {
  Deno.test(`POST messages refuses ${content}, which is no Unicode`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", GENERAL, { body: `{"content":"${content}"}` }), "invalid");
  });
}

Deno.test("POST messages refuses a NUL", async () => {
  await using service = await TestService.start();
  assertError(await service.call("POST", GENERAL, { body: { content: "a\0b" } }), "invalid");
});

Deno.test("POST messages takes a surrogate pair that is written as escapes", async () => {
  await using service = await TestService.start();
  const { body } = await service.call("POST", GENERAL, { body: String.raw`{"content":"\ud83d\ude00"}` });
  assertEquals((body.message as Message).content, "😀");
});

Deno.test("POST messages that is refused uses no number and tells nobody", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  for (const body of [{}, { content: "" }, { content: "x", nonce: 7 }]) await service.call("POST", GENERAL, { body });
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("new_message"), []);
  assertEquals((await send(service, "x")).seq, 1);
});

for (
  const [method, path] of [["GET", "/api/channels/none/messages"], ["POST", "/api/channels/none/messages"], [
    "GET",
    `/api/channels/none/messages/${ULID}`,
  ], ["GET", `${GENERAL}/${ULID}`]] as const
) {
  Deno.test(`${method} ${path} answers 404`, async () => {
    await using service = await TestService.start();
    const options = method === "POST" ? { body: { content: "x" } } : {};
    assertError(await service.call(method, path, options), "not_found");
  });
}

Deno.test("POST messages makes no channel that is not there", async () => {
  await using service = await TestService.start();
  await service.call("POST", "/api/channels/none/messages", { body: { content: "x" } });
  assertError(await service.call("GET", "/api/channels/none"), "not_found");
});

for (const method of ["GET", "POST"]) {
  Deno.test(`${method} messages answers what cannot be a channel's id with 400`, async () => {
    await using service = await TestService.start();
    const options = method === "POST" ? { body: { content: "x" } } : {};
    for (const id of ["a%20b", "%C3%A9", "a".repeat(65), "a.b", "%00", "*"]) {
      assertError(await service.call(method, `/api/channels/${id}/messages`, options), "invalid");
    }
  });
}

Deno.test("GET messages/:id finds no message of another channel", async () => {
  await using service = await TestService.start();
  const { id } = await send(service, "x");
  assertError(await service.call("GET", `/api/channels/tech/messages/${id}`), "not_found");
});

const MALFORMED = [
  "",
  "x",
  "1",
  "'",
  "01ARZ3NDEKTSV4RRFFQ69G5FA",
  "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
  "81ARZ3NDEKTSV4RRFFQ69G5FAV",
  "01arz3ndektsv4rrffq69g5fav",
  "01ARZ3NDEKTSV4RRFFQ69G5FAI",
  "01ARZ3NDEKTSV4RRFFQ69G5FA\0",
  "null",
  "%",
  "😀".repeat(13),
];

for (const id of MALFORMED.filter((text) => text !== "")) {
  Deno.test(`GET messages/:id refuses the id ${JSON.stringify(id)}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `${GENERAL}/${encodeURIComponent(id)}`), "invalid");
  });
}

// Nonces

Deno.test("POST messages shows the nonce it was sent with", async () => {
  await using service = await TestService.start();
  const { body } = await service.call("POST", GENERAL, { body: { content: "x", nonce: "n" } });
  assertEquals((body.message as { nonce?: string }).nonce, "n");
});

Deno.test("POST messages answers a nonce that comes again with 200 and the first message", async () => {
  await using service = await TestService.start();
  const options = { token: "alice", body: { content: "x", nonce: "n" } };
  const first = await service.call("POST", GENERAL, options);
  const again = await service.call("POST", GENERAL, options);
  assertEquals([first.status, again.status, again.body], [201, 200, first.body]);
  assertEquals(again.headers.get("location"), first.headers.get("location"));
});

Deno.test("POST messages stores and tells once what a nonce came with again", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  const options = { token: "alice", body: { content: "x", nonce: "n" } };
  const asks = await Promise.all(Array.from({ length: 20 }, () => service.call("POST", GENERAL, options)));
  assertEquals(asks.map(({ status }) => status).sort(), [...Array(19).fill(200), 201]);
  assertEquals((await page(service)).messages.length, 1);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("new_message").length, 1);
});

Deno.test("POST messages answers a nonce with other content with 409", async () => {
  await using service = await TestService.start();
  await service.call("POST", GENERAL, { token: "alice", body: { content: "x", nonce: "n" } });
  const other = await service.call("POST", GENERAL, { token: "alice", body: { content: "y", nonce: "n" } });
  assertError(other, "conflict");
  assertEquals((await page(service)).messages.map(({ content }) => content), ["x"]);
});

Deno.test("POST messages keeps the nonces of authors apart", async () => {
  await using service = await TestService.start();
  for (const token of ["alice", "bob"]) {
    const { status } = await service.call("POST", GENERAL, { token, body: { content: "x", nonce: "n" } });
    assertEquals(status, 201);
  }
});

Deno.test("POST messages keeps the nonces of channels apart", async () => {
  await using service = await TestService.start();
  for (const id of ["general", "tech"]) {
    const options = { token: "alice", body: { content: "x", nonce: "n" } };
    assertEquals((await service.call("POST", `/api/channels/${id}/messages`, options)).status, 201);
  }
});

Deno.test("POST messages knows the nonce of a message that came by socket", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl, { token: "alice" });
  await client.join("general");
  const body = { content: "x", nonce: "n" };
  const { response } = await client.push("text_channel:general", "new_message", body);
  const answer = await service.call("POST", GENERAL, { token: "alice", body });
  assertEquals([answer.status, (answer.body.message as Message).id], [200, response.id as string]);
});

for (const nonce of ["a", "a".repeat(64), "😀".repeat(64), " ", "__proto__"]) {
  Deno.test(`POST messages takes the nonce ${JSON.stringify(nonce.slice(0, 20))}`, async () => {
    await using service = await TestService.start();
    assertEquals((await service.call("POST", GENERAL, { body: { content: "x", nonce } })).status, 201);
  });
}

for (const nonce of ["", "a".repeat(65), 7, null, true, ["a"], {}]) {
  Deno.test(`POST messages refuses the nonce ${JSON.stringify(nonce).slice(0, 20)}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", GENERAL, { body: { content: "x", nonce } }), "invalid");
  });
}

Deno.test("POST messages refuses a nonce with a lone surrogate", async () => {
  await using service = await TestService.start();
  assertError(await service.call("POST", GENERAL, { body: String.raw`{"content":"x","nonce":"\ud800"}` }), "invalid");
});

// Pages

Deno.test("GET messages of a channel where nothing was said is empty", async () => {
  await using service = await TestService.start();
  const { body } = await service.call("GET", GENERAL);
  const { epoch, ...rest } = body;
  assertEquals(rest, { messages: [], has_more: false, head_seq: 0 });
  assertMatch(String(epoch), /./);
});

Deno.test("GET messages gives the newest 50, oldest first", async () => {
  await using service = await TestService.start();
  for (let i = 1; i <= 60; i++) await send(service, String(i));
  const { said, more } = await page(service);
  assertEquals([said, more], [range(11, 60), true]);
});

Deno.test("GET messages shows a message as POST answered it", async () => {
  await using service = await TestService.start();
  const sent = [await send(service, "1"), await send(service, "2", "bob")];
  assertEquals((await page(service)).messages, sent);
});

Deno.test("GET messages tells the head and the epoch of the channel", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await fill(service, 3);
  const { head_seq, epoch } = await client.join("general");
  const { body } = await service.call("GET", `${GENERAL}?limit=1`);
  assertEquals([body.head_seq, body.epoch], [head_seq, epoch]);
});

/** What each query finds among the messages 1 to 10; `5` stands for the id of the fifth. */
const PAGES: readonly [query: string, said: number[], more: boolean][] = [
  ["", range(1, 10), false],
  ["limit=10", range(1, 10), false],
  ["limit=9", range(2, 10), true],
  ["limit=1", [10], true],
  ["limit=100", range(1, 10), false],
  ["before=5", range(1, 4), false],
  ["before=5&limit=4", range(1, 4), false],
  ["before=5&limit=3", range(2, 4), true],
  ["before=1", [], false],
  ["before=10&limit=2", [8, 9], true],
  ["after=5", range(6, 10), false],
  ["after=5&limit=5", range(6, 10), false],
  ["after=5&limit=4", range(6, 9), true],
  ["after=10", [], false],
  ["after=1&limit=2", [2, 3], true],
  ["around=5", range(1, 10), false],
  ["around=5&limit=1", [5], true],
  ["around=5&limit=3", [4, 5, 6], true],
  ["around=1&limit=3", [1, 2, 3], true],
  ["around=10&limit=3", [8, 9, 10], true],
  ["around=1&limit=10", range(1, 10), false],
];

for (const [query, said, more] of PAGES) {
  Deno.test(`GET messages?${query} among 10 finds ${said.join(" ") || "none"}${more ? " and says there are more" : ""}`, async () => {
    await using service = await TestService.start();
    const ids = [""];
    for (let i = 1; i <= 10; i++) ids.push((await send(service, String(i))).id);
    const found = await page(
      service,
      `?${query.replace(/(before|after|around)=(\d+)/, (_, name, n) => `${name}=${ids[n]}`)}`,
    );
    assertEquals([found.said, found.more], [said, more]);
  });
}

Deno.test("GET messages answers one moment: its page ends at its head", async () => {
  await using service = await TestService.start();
  let sending = true;
  const sender = (async () => {
    for (let i = 1; sending; i++) await send(service, String(i));
  })();
  for (let i = 0; i < 100; i++) {
    const { body } = await service.call("GET", `${GENERAL}?limit=5`);
    assertEquals((body.messages as Message[]).at(-1)?.seq ?? 0, body.head_seq);
  }
  sending = false;
  await sender;
});

Deno.test("GET messages?before walks to the first message while more arrive: each once, in order", async () => {
  await using service = await TestService.start();
  for (let i = 1; i <= 100; i++) await send(service, String(i));
  let walked: number[] = [];
  let cursor = "";
  for (let more: unknown = true, i = 101; more; i++) {
    const found = await page(service, `?limit=7${cursor}`);
    walked = [...found.said, ...walked];
    more = found.more;
    cursor = `&before=${found.messages[0]?.id}`;
    await send(service, String(i));
  }
  assertEquals(walked, range(1, 100));
});

Deno.test("GET messages?after walks to the last message while more arrive: each once, in order", async () => {
  await using service = await TestService.start();
  const first = await send(service, "1");
  for (let i = 2; i <= 50; i++) await send(service, String(i));
  const walked = [1];
  let cursor = first.id;
  for (let more: unknown = true, next = 51; more;) {
    const found = await page(service, `?limit=7&after=${cursor}`);
    walked.push(...found.said);
    more = found.more;
    cursor = found.messages.at(-1)?.id ?? cursor;
    for (let i = 0; i < 3 && next <= 80; i++) await send(service, String(next++));
  }
  assertEquals(walked, range(1, walked.length));
  assert(walked.length >= 80);
});

for (const query of ["before=A&after=A", "before=A&around=A", "after=A&around=A", "before=A&after=A&around=A"]) {
  Deno.test(`GET messages?${query} is refused`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `${GENERAL}?${query.replaceAll("A", ULID)}`), "invalid");
  });
}

for (
  const limit of ["0", "101", "-1", "abc", "1e2", "1.0", "", " 1", "1 ", "+1", "0x10", "Infinity", "NaN", "٣", "1,2"]
) {
  Deno.test(`GET messages refuses the limit ${JSON.stringify(limit)}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `${GENERAL}?limit=${encodeURIComponent(limit)}`), "invalid");
  });
}

for (const cursor of ["before", "after", "around"]) {
  for (const id of MALFORMED) {
    Deno.test(`GET messages refuses to go ${cursor} ${JSON.stringify(id)}`, async () => {
      await using service = await TestService.start();
      assertError(await service.call("GET", `${GENERAL}?${cursor}=${encodeURIComponent(id)}`), "invalid");
    });
  }
}

Deno.test("GET messages ignores parameters it does not know", async () => {
  await using service = await TestService.start();
  await send(service, "1");
  assertEquals((await page(service, "?__proto__=1&constructor=2&before_id=x&toString=&[]=1&=2")).said, [1]);
});

// Two doors, one order

Deno.test("messages sent by REST and by socket have one order for everybody", async () => {
  await using service = await TestService.start();
  await using watcher = await RawClient.connect(service.socketUrl, { token: "watcher" });
  await watcher.join("general");
  await using alice = await RawClient.connect(service.socketUrl, { token: "alice" });
  await alice.join("general");
  const bySocket = Array.from(
    { length: 50 },
    (_, i) => alice.push("text_channel:general", "new_message", { content: `s${i}` }),
  );
  const byRest = Array.from({ length: 50 }, (_, i) => send(service, `r${i}`, "bob"));
  await Promise.all([...bySocket, ...byRest]);
  await eventually(() => watcher.events("new_message").length === 100);
  const { body } = await service.call("GET", `${GENERAL}?limit=100`);
  assertEquals(watcher.events("new_message"), body.messages as Record<string, unknown>[]);
  assertEquals(alice.events("new_message"), body.messages as Record<string, unknown>[]);
  assertEquals((body.messages as Message[]).map(({ seq }) => seq), range(1, 100));
  const socketOnly = (body.messages as Message[]).map(({ content }) => content).filter((text) => text.startsWith("s"));
  assertEquals(socketOnly, range(0, 49).map((i) => `s${i}`));
});

Deno.test("timestamps and ids never run backwards in a channel", async () => {
  await using service = await TestService.start();
  await fill(service, 100);
  const { messages } = await page(service, "?limit=100");
  for (const field of ["id", "timestamp"] as const) {
    const values = messages.map((message) => message[field]);
    assertEquals(values, values.toSorted());
  }
  assertEquals(new Set(messages.map(({ id }) => id)).size, 100);
});
