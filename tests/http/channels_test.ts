import { assert, assertEquals, assertGreaterOrEqual, assertMatch, assertNotEquals } from "@std/assert";
import { assertError } from "../support/assert_error.ts";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw_client.ts";
import { TestService } from "../support/test_service.ts";

type Channel = Record<string, unknown> & { id: string; created_at: string; updated_at: string };

async function create(service: TestService, body: unknown): Promise<Channel> {
  const answer = await service.call("POST", "/api/channels", { body });
  assertEquals(answer.status, 201, answer.text);
  return answer.body.channel as Channel;
}

async function list(service: TestService, query = ""): Promise<{ ids: string[]; more: unknown }> {
  const { status, body } = await service.call("GET", `/api/channels${query}`);
  assertEquals(status, 200);
  return { ids: (body.channels as Channel[]).map(({ id }) => id), more: body.has_more };
}

Deno.test("GET /api/channels of a fresh service lists general, random and tech", async () => {
  await using service = await TestService.start();
  assertEquals(await list(service), { ids: ["general", "random", "tech"], more: false });
});

Deno.test("GET /api/channels gives each channel whole", async () => {
  await using service = await TestService.start();
  const { body } = await service.call("GET", "/api/channels?limit=1");
  assertEquals(body.channels, [(await service.call("GET", "/api/channels/general")).body.channel]);
});

Deno.test("GET /api/channels limits a page and says that there is more", async () => {
  await using service = await TestService.start();
  assertEquals(await list(service, "?limit=2"), { ids: ["general", "random"], more: true });
});

Deno.test("GET /api/channels goes on after a channel", async () => {
  await using service = await TestService.start();
  assertEquals(await list(service, "?limit=2&after=random"), { ids: ["tech"], more: false });
});

Deno.test("GET /api/channels goes on where a channel was that is gone", async () => {
  await using service = await TestService.start();
  await service.call("DELETE", "/api/channels/random");
  assertEquals(await list(service, "?after=random"), { ids: ["tech"], more: false });
});

for (const limit of ["0", "101", "-1", "abc", "1e2", "1.5", "", " 1", "+1", "0x10", "٣", "9".repeat(400)]) {
  Deno.test(`GET /api/channels refuses the limit ${JSON.stringify(limit.slice(0, 10))}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `/api/channels?limit=${encodeURIComponent(limit)}`), "invalid");
  });
}

for (const limit of ["1", "100", "007"]) {
  Deno.test(`GET /api/channels takes the limit ${limit}`, async () => {
    await using service = await TestService.start();
    assertEquals((await service.call("GET", `/api/channels?limit=${limit}`)).status, 200);
  });
}

for (const after of ["", "a b", "a/b", "%", "é", "a".repeat(65), "'; DROP TABLE channels"]) {
  Deno.test(`GET /api/channels refuses to go on after ${JSON.stringify(after.slice(0, 25))}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `/api/channels?after=${encodeURIComponent(after)}`), "invalid");
  });
}

Deno.test("POST /api/channels gives the new channel whole", async () => {
  await using service = await TestService.start();
  const channel = await create(service, { id: "new", name: "New", description: "Of late" });
  const { created_at } = channel;
  assertEquals(channel, {
    id: "new",
    name: "New",
    description: "Of late",
    created_at,
    updated_at: created_at,
    head_seq: 0,
    kind: "open",
  });
});

Deno.test("POST /api/channels says when, in UTC and milliseconds", async () => {
  await using service = await TestService.start();
  const before = Date.now();
  const { created_at } = await create(service, { name: "New" });
  assertMatch(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert(Date.parse(created_at) >= before && Date.parse(created_at) <= Date.now());
});

Deno.test("POST /api/channels tells where the new channel is", async () => {
  await using service = await TestService.start();
  const { headers, body } = await service.call("POST", "/api/channels", { body: { name: "New" } });
  const { id } = body.channel as Channel;
  assertEquals(headers.get("location"), `/api/channels/${id}`);
  assertEquals((await service.call("GET", `/api/channels/${id}`)).body, body);
});

Deno.test("POST /api/channels makes an id where it gets none", async () => {
  await using service = await TestService.start();
  const [one, two] = [await create(service, { name: "x" }), await create(service, { name: "x" })];
  assertMatch(one.id, /^[A-Za-z0-9_-]{1,64}$/);
  assertNotEquals(one.id, two.id);
});

Deno.test("POST /api/channels leaves a description that is not given empty", async () => {
  await using service = await TestService.start();
  assertEquals((await create(service, { name: "New" })).description, "");
});

for (const id of ["a", "a".repeat(64), "A-b_9", "-", "__proto__", "constructor", "toString", "0"]) {
  Deno.test(`POST /api/channels takes the id ${id}`, async () => {
    await using service = await TestService.start();
    assertEquals((await create(service, { id, name: "x" })).id, id);
    assertEquals((await service.call("GET", `/api/channels/${id}`)).status, 200);
    await service.call("POST", `/api/channels/${id}/messages`, { body: { content: "x" } });
    assertEquals((await service.call("GET", `/api/channels/${id}/messages`)).body.head_seq, 1);
  });
}

for (const id of ["", "a".repeat(65), "a b", "a/b", "../x", "é", "a\n", "a\0", "a%", 7, null, true, ["a"], { a: 1 }]) {
  Deno.test(`POST /api/channels refuses the id ${JSON.stringify(id)?.slice(0, 20)}`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", "/api/channels", { body: { id, name: "x" } }), "invalid");
    assertEquals((await list(service)).ids.length, 3);
  });
}

Deno.test("POST /api/channels answers an id that is taken with 409 and changes nothing", async () => {
  await using service = await TestService.start();
  const before = (await service.call("GET", "/api/channels/general")).text;
  assertError(await service.call("POST", "/api/channels", { body: { id: "general", name: "mine" } }), "conflict");
  assertEquals((await service.call("GET", "/api/channels/general")).text, before);
});

Deno.test("POST /api/channels keeps ids apart that differ in case", async () => {
  await using service = await TestService.start();
  assertEquals((await create(service, { id: "General", name: "x" })).id, "General");
});

Deno.test("POST /api/channels gives an id that many want to one", async () => {
  await using service = await TestService.start();
  const asks = Array.from(
    { length: 20 },
    () => service.call("POST", "/api/channels", { body: { id: "x", name: "x" } }),
  );
  const statuses = (await Promise.all(asks)).map(({ status }) => status).sort();
  assertEquals(statuses, [201, ...Array(19).fill(409)]);
});

Deno.test("POST /api/channels trims a name", async () => {
  await using service = await TestService.start();
  assertEquals((await create(service, { name: " \n New \t" })).name, "New");
});

Deno.test("POST /api/channels keeps markup and control characters as text", async () => {
  await using service = await TestService.start();
  const text = `<img src=x onerror=alert(1)> \u202e \x1b[31m \r\n "'\\`;
  const { id } = await create(service, { name: `${text}.`, description: text });
  const { name, description } = (await service.call("GET", `/api/channels/${id}`)).body.channel as Channel;
  assertEquals([name, description], [`${text}.`, text]);
});

for (const [field, length] of [["name", 100], ["description", 1_024]] as const) {
  Deno.test(`POST /api/channels takes a ${field} of ${length} code points`, async () => {
    await using service = await TestService.start();
    const text = "😀".repeat(length);
    assertEquals((await create(service, { name: "x", [field]: text }))[field], text);
  });

  Deno.test(`POST /api/channels refuses a ${field} of ${length + 1} code points`, async () => {
    await using service = await TestService.start();
    const body = { name: "x", [field]: "a".repeat(length + 1) };
    assertError(await service.call("POST", "/api/channels", { body }), "invalid");
  });

  for (const value of [null, 7, true, [], ["x"], {}]) {
    Deno.test(`POST /api/channels refuses the ${field} ${JSON.stringify(value)}`, async () => {
      await using service = await TestService.start();
      const body = { name: "x", [field]: value };
      assertError(await service.call("POST", "/api/channels", { body }), "invalid");
    });
  }

  Deno.test(`POST /api/channels refuses a ${field} with a lone surrogate`, async () => {
    await using service = await TestService.start();
    const body = String.raw`{"name":"x","${field}":"a\udc00b"}`;
    assertError(await service.call("POST", "/api/channels", { body }), "invalid");
  });
}

for (const name of [undefined, "", " ", "\n\t\u00a0\u3000\ufeff"]) {
  Deno.test(`POST /api/channels refuses the name ${JSON.stringify(name)}, which is empty`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("POST", "/api/channels", { body: { name } }), "invalid");
  });
}

Deno.test("POST /api/channels ignores what only the service can say", async () => {
  await using service = await TestService.start();
  const lies = { created_at: "1970-01-01T00:00:00.000Z", head_seq: 99, kind: "private", epoch: "mine", key: 1 };
  const channel = await create(service, { id: "new", name: "x", ...lies });
  assertEquals([channel.head_seq, channel.kind, "epoch" in channel], [0, "open", false]);
  assertNotEquals(channel.created_at, lies.created_at);
});

Deno.test("GET /api/channels/:id tells how far the channel is", async () => {
  await using service = await TestService.start();
  for (let i = 0; i < 3; i++) {
    await service.call("POST", "/api/channels/general/messages", { body: { content: "x" } });
  }
  assertEquals(((await service.call("GET", "/api/channels/general")).body.channel as Channel).head_seq, 3);
});

for (const method of ["GET", "PATCH", "DELETE"]) {
  const options = method === "PATCH" ? { body: { name: "x" } } : {};

  Deno.test(`${method} /api/channels/:id answers an unknown channel with 404`, async () => {
    await using service = await TestService.start();
    for (const id of ["none", "General", "__proto__"]) {
      assertError(await service.call(method, `/api/channels/${id}`, options), "not_found");
    }
  });

  Deno.test(`${method} /api/channels/:id answers what cannot be an id with 400`, async () => {
    await using service = await TestService.start();
    for (const id of ["a%20b", "%C3%A9", "a".repeat(65), "a.b", "%00"]) {
      assertError(await service.call(method, `/api/channels/${id}`, options), "invalid");
    }
  });
}

for (const patch of [{ name: "N" }, { description: "D" }, { name: "N", description: "D" }, { description: "" }]) {
  Deno.test(`PATCH /api/channels/:id with ${JSON.stringify(patch)} changes that and no more`, async () => {
    await using service = await TestService.start();
    const before = (await service.call("GET", "/api/channels/general")).body.channel as Channel;
    const { status, body } = await service.call("PATCH", "/api/channels/general", { body: patch });
    const { updated_at } = body.channel as Channel;
    assertEquals([status, body.channel], [200, { ...before, ...patch, updated_at }]);
    assertEquals((await service.call("GET", "/api/channels/general")).body, body);
    assertGreaterOrEqual(updated_at, before.updated_at);
  });
}

for (
  const patch of [{}, { id: "x" }, { name: null }, { name: " " }, { description: 7 }, { name: "x", description: [] }]
) {
  Deno.test(`PATCH /api/channels/:id refuses ${JSON.stringify(patch)} and changes nothing`, async () => {
    await using service = await TestService.start();
    const before = (await service.call("GET", "/api/channels/general")).text;
    assertError(await service.call("PATCH", "/api/channels/general", { body: patch }), "invalid");
    assertEquals((await service.call("GET", "/api/channels/general")).text, before);
  });
}

Deno.test("PATCH /api/channels/:id tells the members of the channel", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  const { body } = await service.call("PATCH", "/api/channels/general", { body: { name: "Agora" } });
  const frame = await eventually(() => client.received.find(([, , , event]) => event === "channel_updated"));
  assertEquals(frame, [null, null, "text_channel:general", "channel_updated", body.channel as Channel]);
});

Deno.test("PATCH /api/channels/:id tells the members of no other channel", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await service.call("PATCH", "/api/channels/tech", { body: { name: "x" } });
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("channel_updated"), []);
});

Deno.test("PATCH /api/channels/:id that is refused tells nobody", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await service.call("PATCH", "/api/channels/general", { body: { name: "" } });
  await client.push("text_channel:general", "ping");
  assertEquals(client.events("channel_updated"), []);
});

Deno.test("PATCH /api/channels/:id shows in the next join", async () => {
  await using service = await TestService.start();
  await using first = await RawClient.connect(service.socketUrl);
  await first.join("general");
  const { body } = await service.call("PATCH", "/api/channels/general", { body: { name: "Agora" } });
  await using second = await RawClient.connect(service.socketUrl);
  assertEquals((await second.join("general")).channel, body.channel);
});

Deno.test("DELETE /api/channels/:id gives the channel as it was", async () => {
  await using service = await TestService.start();
  const before = (await service.call("GET", "/api/channels/general")).body;
  const { status, body } = await service.call("DELETE", "/api/channels/general");
  assertEquals([status, body], [200, before]);
});

Deno.test("DELETE /api/channels/:id leaves nothing to be found", async () => {
  await using service = await TestService.start();
  const sent = await service.call("POST", "/api/channels/general/messages", { body: { content: "x" } });
  const path = sent.headers.get("location") ?? "";
  await service.call("DELETE", "/api/channels/general");
  assertEquals((await list(service)).ids, ["random", "tech"]);
  for (const gone of ["/api/channels/general", "/api/channels/general/messages", path]) {
    assertError(await service.call("GET", gone), "not_found");
  }
  const body = { content: "x" };
  assertError(await service.call("POST", "/api/channels/general/messages", { body }), "not_found");
  assertError(await service.call("DELETE", "/api/channels/general"), "not_found");
});

Deno.test("DELETE /api/channels/:id makes room for a new channel of that id, which starts anew", async () => {
  await using service = await TestService.start();
  const history = "/api/channels/general/messages";
  await service.call("POST", history, { body: { content: "x" } });
  const { epoch } = (await service.call("GET", history)).body;
  await service.call("DELETE", "/api/channels/general");
  await create(service, { id: "general", name: "again" });
  const { body } = await service.call("GET", history);
  assertEquals([body.messages, body.head_seq], [[], 0]);
  assertNotEquals(body.epoch, epoch);
});

Deno.test("DELETE /api/channels/:id closes the topic of each member with its reason", async () => {
  await using service = await TestService.start();
  await using alice = await RawClient.connect(service.socketUrl, { token: "alice" });
  await using bob = await RawClient.connect(service.socketUrl, { token: "bob" });
  await alice.push("text_channel:general", "phx_join", {}, "5");
  await bob.push("text_channel:general", "phx_join", {}, "9");
  await service.call("DELETE", "/api/channels/general");
  for (const [client, joinRef] of [[alice, "5"], [bob, "9"]] as const) {
    const frame = await eventually(() => client.received.find(([, , , event]) => event === "phx_close"));
    assertEquals(frame, [joinRef, joinRef, "text_channel:general", "phx_close", { reason: "channel_deleted" }]);
  }
});

Deno.test("DELETE /api/channels/:id ends the membership", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await service.call("DELETE", "/api/channels/general");
  await eventually(() => client.events("phx_close").length > 0);
  const reply = await client.push("text_channel:general", "new_message", { content: "x" });
  assertEquals(reply, { status: "error", response: { reason: "unmatched topic" } });
});

Deno.test("DELETE /api/channels/:id leaves the socket and its other topics alone", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await client.join("tech");
  await service.call("DELETE", "/api/channels/general");
  await eventually(() => client.events("phx_close").length > 0);
  assertEquals((await client.push("text_channel:tech", "new_message", { content: "x" })).status, "ok");
  assertEquals(client.received.filter(([, , topic, event]) => topic.endsWith("tech") && event === "phx_close"), []);
});

Deno.test("DELETE /api/channels/:id lets a member join the new channel of that id", async () => {
  await using service = await TestService.start();
  await using client = await RawClient.connect(service.socketUrl);
  await client.join("general");
  await client.push("text_channel:general", "new_message", { content: "old" });
  await service.call("DELETE", "/api/channels/general");
  await create(service, { id: "general", name: "again" });
  const { messages, head_seq } = await client.join("general");
  assertEquals([messages, head_seq], [[], 0]);
});
