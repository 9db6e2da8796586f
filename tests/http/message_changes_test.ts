import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ErrorCode } from "../../src/errors.ts";
import { assertError } from "../support/assert_error.ts";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { type Answer, type CallOptions, TestService } from "../support/test_service.ts";

interface Message {
  readonly id: string;
  readonly channel_id: string;
  readonly user_id: string;
  readonly content: string;
  readonly timestamp: string;
  readonly seq: number;
  readonly version: number;
  readonly [field: string]: unknown;
}

const CHANNEL = "/api/channels/general";
const MESSAGES = `${CHANNEL}/messages`;
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** Sends to `general` as alice. */
async function send(service: TestService, body: object = {}, channel = "general"): Promise<Message> {
  const options = { token: "alice", body: { content: "hi", ...body } };
  const answer = await service.call("POST", `/api/channels/${channel}/messages`, options);
  assertEquals(answer.status, 201, answer.text);
  return answer.body.message as Message;
}

/** The message of an answer with the status 200 that has nothing else in it. */
function messageIn({ status, body, text }: Answer): Message {
  assertEquals([status, Object.keys(body)], [200, ["message"]], text);
  return body.message as Message;
}

/** A member of `general`. */
async function watch(service: TestService, token = "witness"): Promise<RawClient> {
  const client = await RawClient.connect(service.socketUrl, { token });
  await client.join("general");
  return client;
}

// Every address

/** Each route of messages with a call that a development service takes. */
const ROUTES: readonly [method: string, path: string, body?: unknown][] = [
  ["PATCH", `${MESSAGES}/ID`, { content: "x" }],
  ["DELETE", `${MESSAGES}/ID`],
  ["POST", `${MESSAGES}/bulk-delete`, { ids: [ULID, "01ARZ3NDEKTSV4RRFFQ69G5FAW"] }],
  ["GET", `${MESSAGES}/ID/reactions/%F0%9F%91%8D`],
  ["PUT", `${MESSAGES}/ID/reactions/%F0%9F%91%8D`],
  ["DELETE", `${MESSAGES}/ID/reactions/%F0%9F%91%8D`],
  ["GET", `${CHANNEL}/pins`],
  ["PUT", `${CHANNEL}/pins/ID`],
  ["DELETE", `${CHANNEL}/pins/ID`],
  ["GET", `${CHANNEL}/changes?after=0`],
  ["GET", `${CHANNEL}/export`],
  ["GET", `${CHANNEL}/search?q=x`],
  ["PUT", `${CHANNEL}/read`, { seq: 0 }],
  ["POST", `${CHANNEL}/typing`],
  ["GET", "/api/search?q=x"],
  ["GET", "/api/unread"],
  ["DELETE", "/api/users/alice/messages"],
];

for (const [method, path, body] of ROUTES) {
  const options: CallOptions = { token: "alice", ...(body === undefined ? {} : { body }) };

  Deno.test(`${method} ${path} is there, and kept by nobody`, async () => {
    await using service = await TestService.start();
    const { id } = await send(service);
    const answer = await service.call(method, path.replace("ID", id), options);
    assertEquals([answer.status, answer.headers.get("cache-control")], [
      path.endsWith("/typing") ? 204 : 200,
      "no-store",
    ]);
    assertMatch(answer.headers.get("x-request-id") ?? "", /./);
  });

  Deno.test(`${method} ${path} needs a token in production`, async () => {
    await using service = await TestService.start({ env: "production", secretKeyBase: "s".repeat(64) });
    assertError(await service.call(method, path.replace("ID", ULID), options), "unauthorized");
  });

  if (path.includes(CHANNEL)) {
    Deno.test(`${method} ${path} finds no channel that is not there`, async () => {
      await using service = await TestService.start();
      const target = path.replace("ID", ULID).replace("general", "none");
      assertError(await service.call(method, target, options), "not_found");
    });

    Deno.test(`${method} ${path} refuses what cannot be a channel's id`, async () => {
      await using service = await TestService.start();
      for (const id of ["a%20b", "%C3%A9", "a".repeat(65), "%00", "a%2Fb"]) {
        const target = path.replace("ID", ULID).replace("general", id);
        assertError(await service.call(method, target, options), "invalid");
      }
    });
  }

  if (path.includes("ID")) {
    Deno.test(`${method} ${path} finds no message of another channel, and none that is not there`, async () => {
      await using service = await TestService.start();
      const { id } = await send(service, {}, "tech");
      for (const missing of [id, ULID]) {
        const answer = await service.call(method, path.replace("ID", missing), options);
        assertError(answer, "not_found");
      }
    });

    Deno.test(`${method} ${path} refuses what cannot be a message's id`, async () => {
      await using service = await TestService.start();
      for (const id of ["x", "%20", ULID.toLowerCase(), `${ULID}0`, "%00", "%F0%9F%91%8D"]) {
        assertError(await service.call(method, path.replace("ID", id), options), "invalid");
      }
    });
  }

  Deno.test(`${method} ${path} answers another method with 405 and what is allowed`, async () => {
    await using service = await TestService.start();
    const answer = await service.call("PROPFIND", path.replace("ID", ULID), {
      token: "alice",
    });
    assertError(answer, "method_not_allowed");
    const allowed = answer.headers.get("allow")?.split(", ") ?? [];
    assert(allowed.includes(method), String(allowed));
  });

  Deno.test(`${method} ${path} is allowed to a page of this origin by its preflight`, async () => {
    await using service = await TestService.start();
    const headers = {
      "origin": "http://localhost:3000",
      "access-control-request-method": method,
      "access-control-request-headers": "authorization,content-type",
    };
    const answer = await service.call("OPTIONS", path.replace("ID", ULID), { headers });
    assertEquals([answer.status, answer.headers.get("access-control-allow-origin")], [204, "http://localhost:3000"]);
    assert(answer.headers.get("access-control-allow-methods")?.split(",").includes(method));
    assertEquals(answer.headers.get("access-control-allow-headers"), "authorization,content-type");
  });

  if (body !== undefined) {
    for (const text of ["", "x", "{", "null", "[]", "7", `"x"`, "{}", `{"__proto__":{"content":"x","seq":1}}`, "\0"]) {
      Deno.test(`${method} ${path} refuses the body ${JSON.stringify(text)}`, async () => {
        await using service = await TestService.start();
        const { id } = await send(service);
        assertError(await service.call(method, path.replace("ID", id), { token: "alice", body: text }), "invalid");
      });
    }

    Deno.test(`${method} ${path} answers a body that is too large with 413`, async () => {
      await using service = await TestService.start();
      const { id } = await send(service);
      const large = { token: "alice", body: { content: "x".repeat(100_000) } };
      assertError(await service.call(method, path.replace("ID", id), large), "too_large");
    });
  }

  if (method === "GET") {
    Deno.test(`HEAD ${path} is answered as GET, without the body`, async () => {
      await using service = await TestService.start();
      const { id } = await send(service);
      const [head, get] = await Promise.all(
        ["HEAD", "GET"].map((verb) => service.call(verb, path.replace("ID", id), options)),
      );
      assertEquals([head?.status, head?.text], [200, ""]);
      assertEquals(head?.headers.get("content-type"), get?.headers.get("content-type"));
    });
  }
}

// Editing and deleting

Deno.test("PATCH messages/:id gives the message as it is now, which members get as message_updated", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const sent = await send(service);
  const body = { content: "<@bob>", metadata: { a: 1 }, user_id: "eve", seq: 9 };
  const message = messageIn(await service.call("PATCH", `${MESSAGES}/${sent.id}`, { token: "alice", body }));
  const { edited_at, ...rest } = message;
  assertEquals<unknown>(rest, { ...sent, content: "<@bob>", version: 2, metadata: { a: 1 }, mentions: ["bob"] });
  assert(String(edited_at) >= sent.timestamp);
  assertEquals(messageIn(await service.call("GET", `${MESSAGES}/${sent.id}`)), message);
  await client.push("text_channel:general", "ping");
  assertEquals<unknown>(client.events("message_updated"), [message]);
});

Deno.test("DELETE messages/:id gives the stub, again too, which members hear of once", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const { id, timestamp } = await send(service, { metadata: { a: 1 }, nonce: "n" });
  const stub = {
    id,
    channel_id: "general",
    user_id: "alice",
    content: "",
    timestamp,
    seq: 1,
    version: 2,
    deleted: true,
  };
  for (let times = 0; times < 2; times++) {
    const answer = await service.call("DELETE", `${MESSAGES}/${id}`, { token: "alice" });
    assertEquals<unknown>(messageIn(answer), stub);
  }
  assertEquals<unknown>(messageIn(await service.call("GET", `${MESSAGES}/${id}`)), stub);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("message_deleted"), [{ id, channel_id: "general", seq: 1, version: 2, user_id: "alice" }]);
});

for (const [method, body] of [["PATCH", { content: "x" }], ["DELETE", undefined]] as const) {
  Deno.test(`${method} messages/:id of another user is forbidden`, async () => {
    await using service = await TestService.start();
    const sent = await send(service);
    assertError(await service.call(method, `${MESSAGES}/${sent.id}`, { token: "bob", body }), "forbidden");
    assertEquals(messageIn(await service.call("GET", `${MESSAGES}/${sent.id}`)), sent);
  });
}

Deno.test("a deleted message takes no edit, reaction and pin over REST", async () => {
  await using service = await TestService.start();
  const { id } = await send(service);
  await service.call("DELETE", `${MESSAGES}/${id}`, { token: "alice" });
  const calls: [string, string, unknown?][] = [
    ["PATCH", `${MESSAGES}/${id}`, { content: "x" }],
    ["PUT", `${MESSAGES}/${id}/reactions/x`],
    ["PUT", `${CHANNEL}/pins/${id}`],
  ];
  for (const [method, path, body] of calls) {
    assertError(await service.call(method, path, { token: "alice", body }), "not_found");
  }
});

Deno.test("POST messages/bulk-delete gives the stubs, and members get messages_deleted", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const ids = [(await send(service)).id, (await send(service)).id].reverse();
  const options = { token: "alice", body: { ids: [...ids, ULID] } };
  const { status, body } = await service.call("POST", `${MESSAGES}/bulk-delete`, options);
  const stubs = (body.messages as Message[]).map((
    { id, version, deleted, content },
  ) => [id, version, deleted, content]);
  assertEquals([status, Object.keys(body), stubs], [200, ["messages"], [[ids[0], 3, true, ""], [ids[1], 4, true, ""]]]);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("messages_deleted"), [{ channel_id: "general", ids, version: 4 }]);
});

Deno.test("POST messages/bulk-delete with one of another user is forbidden", async () => {
  await using service = await TestService.start();
  const ids = [(await send(service)).id, (await send(service)).id];
  assertError(await service.call("POST", `${MESSAGES}/bulk-delete`, { token: "bob", body: { ids } }), "forbidden");
});

Deno.test("POST messages takes reply_to, metadata and mentions and shows them", async () => {
  await using service = await TestService.start();
  const { id } = await send(service);
  const reply = await send(service, { content: "<@bob>", reply_to: id, metadata: { a: [null] } });
  const { reply_to, metadata, mentions } = reply;
  assertEquals<unknown>([reply_to, metadata, mentions], [{ id, user_id: "alice", content: "hi" }, { a: [null] }, [
    "bob",
  ]]);
  await service.call("DELETE", `${MESSAGES}/${id}`, { token: "alice" });
  const answer = messageIn(await service.call("GET", `${MESSAGES}/${reply.id}`));
  assertEquals<unknown>(answer.reply_to, { id, deleted: true });
});

const BAD_BODIES: readonly unknown[] = [
  { reply_to: ULID },
  { reply_to: "x" },
  { reply_to: 7 },
  { metadata: [] },
  { metadata: "x" },
  { metadata: { a: "\0" } },
  { metadata: { a: "x".repeat(4_096) } },
];
for (const body of BAD_BODIES) {
  Deno.test(`POST messages refuses ${JSON.stringify(body).slice(0, 30)}`, async () => {
    await using service = await TestService.start();
    const answer = await service.call("POST", MESSAGES, { body: { content: "x", ...body as object } });
    assertError(answer, "invalid");
  });
}

// Reactions

const EMOJI: readonly [path: string, emoji: string][] = [
  ["%F0%9F%91%8D", "👍"],
  ["👍", "👍"],
  [":party:", ":party:"],
  ["%3Aparty%3A", ":party:"],
  ["a%2Fb", "a/b"],
  ["%25", "%"],
  ["%2525", "%25"],
  ["%252F", "%2F"],
  ["%3F%23", "?#"],
  ["+1", "+1"],
  ["%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7", "👩‍👧"],
  ["__proto__", "__proto__"],
];
for (const [path, emoji] of EMOJI) {
  Deno.test(`PUT and DELETE reactions/${path} are of ${emoji}, and GET has who reacted`, async () => {
    await using service = await TestService.start();
    const { id } = await send(service);
    const target = `${MESSAGES}/${id}/reactions/${path}`;
    const put = messageIn(await service.call("PUT", target, { token: "bob" }));
    assertEquals(put.reactions, [{ emoji, count: 1, user_ids: ["bob"] }]);
    const reactors = await service.call("GET", target);
    assertEquals([reactors.status, reactors.body], [200, { user_ids: ["bob"], has_more: false }]);
    const gone = messageIn(await service.call("DELETE", target, { token: "bob" }));
    assertEquals([gone.version, gone.reactions], [3, undefined]);
  });
}

for (const path of ["%20", "a%20b", "%00", "%0A", "x".repeat(33), "%C2%A0"]) {
  Deno.test(`PUT, DELETE and GET reactions/${path.slice(0, 10)} are refused`, async () => {
    await using service = await TestService.start();
    const { id } = await send(service);
    for (const method of ["PUT", "DELETE", "GET"]) {
      assertError(await service.call(method, `${MESSAGES}/${id}/reactions/${path}`, { token: "bob" }), "invalid");
    }
  });
}

for (const path of ["reactions", "reactions/", "reactions/a/b", "reactions/x/"]) {
  Deno.test(`there is nothing at messages/:id/${path}`, async () => {
    await using service = await TestService.start();
    const { id } = await send(service);
    assertError(await service.call("PUT", `${MESSAGES}/${id}/${path}`, { token: "bob" }), "not_found");
  });
}

Deno.test("PUT and DELETE reactions again change nothing and tell nobody", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const { id } = await send(service);
  const versions = [];
  for (const method of ["DELETE", "PUT", "PUT", "DELETE", "DELETE"]) {
    const answer = await service.call(method, `${MESSAGES}/${id}/reactions/x`, { token: "bob" });
    versions.push(messageIn(answer).version);
  }
  assertEquals(versions, [1, 2, 2, 3, 3]);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("message_updated").map(({ version }) => version), [2, 3]);
});

Deno.test("GET reactions pages through who reacted", async () => {
  await using service = await TestService.start();
  const { id } = await send(service);
  const target = `${MESSAGES}/${id}/reactions/x`;
  await Promise.all(["c", "a", "b"].map((token) => service.call("PUT", target, { token })));
  const page = async (query: string) => (await service.call("GET", `${target}?${query}`)).body;
  assertEquals(await page("limit=2"), { user_ids: ["a", "b"], has_more: true });
  assertEquals(await page("limit=2&after=b"), { user_ids: ["c"], has_more: false });
  assertError(await service.call("GET", `${target}?limit=0`), "invalid");
});

Deno.test("PUT of a 21st kind of reaction is refused as conflict", async () => {
  await using service = await TestService.start();
  const { id } = await send(service);
  const kinds = Array.from(
    { length: 21 },
    (_, n) => service.call("PUT", `${MESSAGES}/${id}/reactions/r${n}`, { token: "bob" }),
  );
  const refused = (await Promise.all(kinds)).filter(({ status }) => status !== 200);
  assertEquals(refused.length, 1);
  for (const answer of refused) assertError(answer, "conflict");
});

// Pins

Deno.test("PUT and DELETE pins/:id give the message, and GET pins has the newest pin first, in pages", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const ids = [(await send(service)).id, (await send(service)).id, (await send(service)).id];
  for (const id of ids.toReversed()) {
    const message = messageIn(await service.call("PUT", `${CHANNEL}/pins/${id}`, { token: "bob" }));
    assertMatch(String(message.pinned_at), /Z$/);
    await eventually(() => new Date().toISOString() > String(message.pinned_at));
  }
  const page = async (query = "") => {
    const { status, body } = await service.call("GET", `${CHANNEL}/pins${query}`);
    assertEquals([status, Object.keys(body)], [200, ["messages", "has_more", "head_seq", "epoch"]]);
    return [(body.messages as Message[]).map(({ id }) => id), body.has_more];
  };
  assertEquals(await page(), [ids, false]);
  assertEquals(await page("?limit=2"), [ids.slice(0, 2), true]);
  assertEquals(await page(`?limit=2&before=${ids[1]}`), [ids.slice(2), false]);
  const unpinned = messageIn(await service.call("DELETE", `${CHANNEL}/pins/${ids[1]}`, { token: "bob" }));
  assertEquals(unpinned.pinned_at, undefined);
  assertEquals(await page(), [[ids[0], ids[2]], false]);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("message_updated").map(({ version }) => version), [4, 5, 6, 7]);
});

Deno.test("GET pins refuses a bad limit, a bad cursor and one that is not pinned", async () => {
  await using service = await TestService.start();
  const { id } = await send(service);
  for (const query of ["limit=0", "limit=101", "before=x", "before=", `before=${id}`, `before=${ULID}`]) {
    assertError(await service.call("GET", `${CHANNEL}/pins?${query}`), "invalid");
  }
});

// Changes and export

Deno.test("GET changes gives what changed since, in version order, in pages", async () => {
  await using service = await TestService.start();
  const [one, two] = [await send(service), await send(service)];
  await service.call("PATCH", `${MESSAGES}/${one.id}`, { token: "alice", body: { content: "x" } });
  await service.call("DELETE", `${MESSAGES}/${two.id}`, { token: "alice" });
  const { body: { epoch } } = await service.call("GET", MESSAGES);
  const page = async (query: string) => {
    const { status, body } = await service.call("GET", `${CHANNEL}/changes?${query}`);
    assertEquals([status, body.epoch, body.head_seq], [200, epoch, 4]);
    return [(body.messages as Message[]).map(({ version, deleted }) => [version, deleted ?? false]), body.has_more];
  };
  assertEquals(await page("after=0"), [[[3, false], [4, true]], false]);
  assertEquals(await page(`after=0&limit=1&epoch=${epoch}`), [[[3, false]], true]);
  assertEquals(await page("after=3"), [[[4, true]], false]);
  assertEquals(await page("after=4"), [[], false]);
});

const BAD_CHANGES: readonly [query: string, code: ErrorCode][] = [
  ["", "invalid"],
  ["after=", "invalid"],
  ["after=-1", "invalid"],
  ["after=x", "invalid"],
  ["after=0&limit=0", "invalid"],
  ["after=0&limit=101", "invalid"],
  [`after=0&epoch=${"x".repeat(65)}`, "invalid"],
  ["after=0&epoch=other", "conflict"],
  ["after=1", "conflict"],
];
for (const [query, code] of BAD_CHANGES) {
  Deno.test(`GET changes?${query.slice(0, 30)} is refused as ${code}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `${CHANNEL}/changes?${query}`), code);
  });
}

/** Fills `general` with so many messages, 100 unanswered at the most: a client that falls behind is cut off. */
async function fill(service: TestService, count: number, content = "x"): Promise<void> {
  await using client = await watch(service, "alice");
  for (let n = 1; n <= count; n++) {
    client.send(
      JSON.stringify(["1", `fill ${n}`, "text_channel:general", "new_message", { content: `${content} ${n}` }]),
    );
    if (n % 100 === 0) await eventually(() => client.events("new_message").length === n, 30_000);
  }
}

Deno.test("GET export streams 3,000 messages as NDJSON, as they are in history, oldest first", async () => {
  await using service = await TestService.start();
  await fill(service, 3_000);
  const { status, headers, text } = await service.call("GET", `${CHANNEL}/export`);
  assertEquals([status, headers.get("content-type"), headers.get("content-disposition")], [
    200,
    "application/x-ndjson; charset=utf-8",
    'attachment; filename="general.ndjson"',
  ]);
  assert(text.endsWith("}\n"));
  const messages: Message[] = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(messages.map(({ seq }) => seq), Array.from({ length: 3_000 }, (_, n) => n + 1));
  assertEquals(messages.slice(-100), (await service.call("GET", `${MESSAGES}?limit=100`)).body.messages as Message[]);
});

Deno.test("GET export keeps a line a message, whatever is in it, and has stubs of those that were deleted", async () => {
  await using service = await TestService.start();
  const [one, two] = [await send(service, { content: "a\nb\u2028c\r", metadata: { "\n": "\n" } }), await send(service)];
  const { body } = await service.call("DELETE", `${MESSAGES}/${two.id}`, { token: "alice" });
  const { text } = await service.call("GET", `${CHANNEL}/export`);
  assertEquals(text.split("\n").slice(0, -1).map((line) => JSON.parse(line)), [one, body.message]);
});

Deno.test("GET export of an empty channel is empty", async () => {
  await using service = await TestService.start();
  const { status, text } = await service.call("GET", `${CHANNEL}/export`);
  assertEquals([status, text], [200, ""]);
});

Deno.test("GET export that is broken off in the middle leaves nothing behind", async () => {
  await using service = await TestService.start();
  await fill(service, 3_000, "x".repeat(3_000));
  const stop = new AbortController();
  const response = await fetch(`${service.url}${CHANNEL}/export`, { signal: stop.signal });
  const reader = response.body?.getReader();
  assert(((await reader?.read())?.value?.length ?? 0) > 0);
  stop.abort();
  await reader?.read().catch(() => {});
  assertEquals((await service.call("GET", `${MESSAGES}?limit=1`)).status, 200);
  assertEquals(service.log.filter((line) => line.includes('"error"')), []);
});

// Search

Deno.test("GET search finds in one channel and in all, newest first, in pages", async () => {
  await using service = await TestService.start();
  const contents = ["red fox", "fox red", "red foxes"];
  const [one, two, three] = [
    await send(service, { content: contents[0] }),
    await send(service, { content: contents[1] }),
    await send(service, { content: contents[2] }, "tech"),
  ];
  const find = async (path: string) => {
    const { status, body, text } = await service.call("GET", path);
    assertEquals(status, 200, text);
    return body as { messages: Message[]; has_more: boolean; next?: string };
  };
  assertEquals(await find(`${CHANNEL}/search?q=red`), { messages: [two, one], has_more: false });
  assertEquals(await find("/api/search?q=red"), { messages: [three, two, one], has_more: false });
  assertEquals(await find(`/api/search?q=${encodeURIComponent('"red fox"')}`), { messages: [one], has_more: false });
  assertEquals(await find("/api/search?q=red+fox*"), { messages: [three, two, one], has_more: false });
  const { messages, has_more, next } = await find("/api/search?q=red&limit=2");
  assertEquals([messages, has_more], [[three, two], true]);
  assertEquals((await find(`/api/search?q=red&limit=2&before=${next}`)).messages, [one]);
});

Deno.test("GET search finds a message as it is now", async () => {
  await using service = await TestService.start();
  const [one, two] = [await send(service, { content: "red" }), await send(service, { content: "red" })];
  const found = async (q: string) =>
    ((await service.call("GET", `/api/search?q=${q}`)).body.messages as Message[]).length;
  assertEquals(await found("red"), 2);
  await service.call("PATCH", `${MESSAGES}/${one.id}`, { token: "alice", body: { content: "blue" } });
  await service.call("DELETE", `${MESSAGES}/${two.id}`, { token: "alice" });
  assertEquals([await found("red"), await found("blue")], [0, 1]);
});

for (
  const query of [
    "",
    "q=",
    "q=%20",
    "q=*",
    "q=%22",
    "q=%00",
    `q=${"x".repeat(257)}`,
    "q=x&limit=0",
    "q=x&before=-1",
    "q=x&before=",
  ]
) {
  for (const path of [`${CHANNEL}/search`, "/api/search"]) {
    Deno.test(`GET ${path}?${query.slice(0, 20)} is refused`, async () => {
      await using service = await TestService.start();
      assertError(await service.call("GET", `${path}?${query}`), "invalid");
    });
  }
}

for (
  const q of [
    `"`,
    `fox"`,
    "fox AND",
    "NOT fox",
    "content:fox",
    "fox NEAR(a",
    "(fox",
    "{fox}:x",
    "'; DROP TABLE messages; --",
    "fox\\",
    "^fox",
  ]
) {
  Deno.test(`GET search takes ${JSON.stringify(q)} for text or refuses it, and does not break`, async () => {
    await using service = await TestService.start();
    await send(service, { content: "the fox" });
    const { status } = await service.call("GET", `/api/search?q=${encodeURIComponent(q)}`);
    assertEquals(status, q === `"` ? 400 : 200);
  });
}

// The user's own

Deno.test("PUT read gives the read state, which all the user's sockets get and nobody else", async () => {
  await using service = await TestService.start();
  await using mine = await watch(service, "bob");
  await using theirs = await watch(service, "carol");
  await send(service, { content: "<@bob>" });
  await send(service);
  const { status, body } = await service.call("PUT", `${CHANNEL}/read`, {
    token: "bob",
    body: { seq: 1, user_id: "carol" },
  });
  assertEquals([status, body], [200, { channel_id: "general", head_seq: 2, last_read_seq: 1, unread: 1, mentions: 0 }]);
  for (const client of [mine, theirs]) await client.push("text_channel:general", "ping");
  assertEquals([mine.events("read_state"), theirs.events("read_state")], [[body], []]);
});

for (const seq of [-1, 1.5, "1", null, [1]]) {
  Deno.test(`PUT read refuses the seq ${JSON.stringify(seq)}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("PUT", `${CHANNEL}/read`, { token: "bob", body: { seq } }), "invalid");
  });
}

Deno.test("GET unread has every channel of the user, in pages", async () => {
  await using service = await TestService.start();
  await send(service, { content: "<@bob>" });
  const none = { head_seq: 0, last_read_seq: 0, unread: 0, mentions: 0 };
  const channels = [
    { channel_id: "general", head_seq: 1, last_read_seq: 0, unread: 1, mentions: 1 },
    { channel_id: "random", ...none },
    { channel_id: "tech", ...none },
  ];
  const page = async (query = "") => (await service.call("GET", `/api/unread${query}`, { token: "bob" })).body;
  assertEquals(await page(), { channels, has_more: false });
  assertEquals(await page("?limit=2"), { channels: channels.slice(0, 2), has_more: true });
  assertEquals(await page("?after=random"), { channels: channels.slice(2), has_more: false });
  for (const query of ["?limit=0", "?after=a%20b", "?after="]) {
    assertError(await service.call("GET", `/api/unread${query}`, { token: "bob" }), "invalid");
  }
});

Deno.test("POST typing is told to the members as the user's", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const { status, text } = await service.call("POST", `${CHANNEL}/typing`, { token: "bob", body: { user_id: "eve" } });
  assertEquals([status, text], [204, ""]);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("user_typing"), [{ user_id: "bob" }]);
  await service.call("POST", MESSAGES, { token: "bob", body: { content: "done" } });
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("user_stopped_typing"), [{ user_id: "bob" }]);
});

Deno.test("DELETE users/:id/messages erases what the user has written and says how many", async () => {
  await using service = await TestService.start();
  await using client = await watch(service);
  const sent = [await send(service), await send(service), await send(service, {}, "tech")];
  await service.call("POST", MESSAGES, { token: "bob", body: { content: "stays" } });
  const { status, body } = await service.call("DELETE", "/api/users/alice/messages", { token: "alice" });
  assertEquals([status, body], [200, { deleted: 3 }]);
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("message_deleted").map(({ id }) => id), sent.slice(0, 2).map(({ id }) => id));
  const { messages } = (await service.call("GET", MESSAGES)).body as { messages: Message[] };
  assertEquals(messages.map(({ content }) => content), ["", "", "stays"]);
});

Deno.test("DELETE users/:id/messages takes an id that is encoded", async () => {
  await using service = await TestService.start();
  const token = "a/b%20c";
  await service.call("POST", MESSAGES, { token, body: { content: "x" } });
  const { status, body } = await service.call("DELETE", `/api/users/${encodeURIComponent(token)}/messages`, { token });
  assertEquals([status, body], [200, { deleted: 1 }]);
});

for (const path of ["alice", "ALICE", "alice%20", "%61lice"]) {
  Deno.test(`DELETE users/${path}/messages is forbidden to another user`, async () => {
    await using service = await TestService.start();
    const sent = await send(service);
    assertError(await service.call("DELETE", `/api/users/${path}/messages`, { token: "bob" }), "forbidden");
    assertEquals(messageIn(await service.call("GET", `${MESSAGES}/${sent.id}`)), sent);
  });
}
