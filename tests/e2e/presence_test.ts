import { assert, assertEquals, assertMatch } from "@std/assert";
import * as phoenix1_6 from "phoenix-1.6";
import * as phoenix1_7 from "phoenix-1.7";
import * as phoenix1_8 from "phoenix-1.8";
import { assertError } from "../support/assert_error.ts";
import { chance, seed } from "../support/chance.ts";
import { eventually } from "../support/eventually.ts";
import { inTime } from "../support/in_time.ts";
import type * as phoenix from "../support/phoenix.d.ts";
import { PHOENIX_VERSIONS, type PhoenixVersion } from "../support/phoenix_client.ts";
import { Proxy } from "../support/proxy.ts";
import { RawClient } from "../support/raw_client.ts";
import { Server } from "../support/server.ts";
import { TestService } from "../support/test_service.ts";

interface Meta {
  readonly phx_ref: string;
  readonly phx_ref_prev?: string;
  readonly online_at: string;
  readonly status?: string;
}

/** The part of phoenix.js that presence needs; the package has no types of its own. */
interface Phoenix {
  readonly Socket: new (endPoint: string, options: object) => phoenix.Socket;
  readonly Presence: new (channel: phoenix.Channel) => {
    list<T>(choose: (key: string, presence: { metas: Meta[] }) => T): T[];
  };
  readonly LongPoll: unknown;
}

const PHOENIX: Readonly<Record<PhoenixVersion, Phoenix>> = { "1.6": phoenix1_6, "1.7": phoenix1_7, "1.8": phoenix1_8 };

/** Who is there: each user's statuses, `-` for a client without one. */
type Truth = Record<string, string[]>;

/** A phoenix.js socket with one channel and the list that the official Presence makes of it. */
class Onlooker implements AsyncDisposable {
  /** How often it was let in. */
  joins = 0;
  /** What came in its topic, in order. */
  readonly events: { readonly event: string; readonly payload: Record<string, unknown> }[] = [];
  readonly #phoenix: Phoenix;
  readonly #socket: phoenix.Socket;
  readonly #topic: string;
  readonly #pushes = new Set<phoenix.Push>();
  readonly #channels: phoenix.Channel[] = [];
  #channel: phoenix.Channel | undefined;
  #presence: InstanceType<Phoenix["Presence"]> | undefined;

  constructor(version: PhoenixVersion, socketUrl: string, userId: string, longPoll = false) {
    this.#phoenix = PHOENIX[version];
    const params = { token: userId };
    const transport = longPoll ? { transport: this.#phoenix.LongPoll } : {};
    this.#socket = new this.#phoenix.Socket(socketUrl, { params, ...transport });
    this.#topic = "text_channel:general";
    this.#socket.onMessage(({ topic, event, payload }) => {
      if (topic === this.#topic) this.events.push({ event, payload });
    });
    this.#socket.connect();
  }

  /** Joins in a new channel object; resolves when it is let in. */
  async join(): Promise<void> {
    const joins = this.joins;
    const channel = this.#channel = this.#socket.channel(this.#topic);
    this.#channels.push(channel);
    this.#presence = new this.#phoenix.Presence(channel);
    this.#keep(channel.join()).receive("ok", () => this.joins++);
    await this.rejoined(joins);
  }

  /** Resolves when it has been let in once more than so often. */
  async rejoined(joins: number): Promise<void> {
    await eventually(() => this.joins > joins, 15_000);
  }

  async leave(): Promise<void> {
    const channel = this.#channel;
    if (channel) await this.#answer(channel.leave());
  }

  async update(status: unknown): Promise<string> {
    const channel = this.#channel;
    return channel ? await this.#answer(channel.push("update_presence", { status })) : "not joined";
  }

  /** The list as the official Presence has it. */
  get metas(): Record<string, Meta[]> {
    return Object.fromEntries(this.#presence?.list((key, { metas }) => [key, metas] as const) ?? []);
  }

  get sees(): Truth {
    return Object.fromEntries(
      Object.entries(this.metas).map(([key, metas]) => [key, metas.map(({ status = "-" }) => status).sort()]),
    );
  }

  /** The refs that it has for the clients, of all users. */
  get refs(): string[] {
    return Object.values(this.metas).flatMap((metas) => metas.map(({ phx_ref }) => phx_ref)).sort();
  }

  payloads(event: string): Record<string, unknown>[] {
    return this.events.filter((seen) => seen.event === event).map(({ payload }) => payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.disconnect(resolve));
    this.#socket.clearHeartbeats();
    for (const channel of this.#channels) channel.rejoinTimer.reset();
    for (const push of this.#pushes) push.cancelTimeout();
  }

  #keep(push: phoenix.Push): phoenix.Push {
    this.#pushes.add(push);
    return push;
  }

  #answer(push: phoenix.Push): Promise<string> {
    this.#keep(push);
    const answer = new Promise<string>((resolve) => {
      for (const status of ["ok", "error", "timeout"] as const) push.receive(status, () => resolve(status));
    });
    return inTime(answer, () => "a push was not answered");
  }
}

/** Waits until all these see the truth, and name the clients alike; two seconds is the promise. */
async function agree(onlookers: readonly Onlooker[], truth: Truth): Promise<void> {
  await eventually(() => {
    for (const onlooker of onlookers) assertEquals(onlooker.sees, truth);
    for (const onlooker of onlookers) assertEquals(onlooker.refs, onlookers[0]?.refs);
    return true;
  }, 2_000);
}

/** A service and the clients of one version. */
class Stage implements AsyncDisposable {
  readonly #ends = new AsyncDisposableStack();
  private constructor(readonly version: PhoenixVersion, readonly service: TestService) {
    this.#ends.use(service);
  }

  static async open(version: PhoenixVersion): Promise<Stage> {
    return new Stage(version, await TestService.start());
  }

  /** Connects a user without joining. */
  enter(userId: string, socketUrl = this.service.socketUrl): Onlooker {
    return this.#ends.use(new Onlooker(this.version, socketUrl, userId));
  }

  async join(userId: string, socketUrl?: string): Promise<Onlooker> {
    const onlooker = this.enter(userId, socketUrl);
    await onlooker.join();
    return onlooker;
  }

  /** A proxy that cuts. */
  proxy(): Proxy {
    return this.#ends.use(new Proxy(this.service.port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ends.disposeAsync();
  }
}

function everyVersion(name: string, test: (stage: Stage) => Promise<void>): void {
  for (const version of PHOENIX_VERSIONS) {
    Deno.test(`Presence of phoenix.js ${version}: ${name}`, async () => {
      await using stage = await Stage.open(version);
      await test(stage);
    });
  }
}

everyVersion("presence_state comes after the join's reply, before any diff is needed (8.1)", async (stage) => {
  const alice = await stage.join("alice");
  await agree([alice], { alice: ["-"] });
  const names = alice.events.map(({ event }) => event);
  assertEquals(names.slice(0, 2), ["phx_reply", "presence_state"]);
  const [state] = alice.payloads("presence_state") as { alice: { metas: Meta[] } }[];
  const [meta] = state?.alice.metas ?? [];
  assertEquals(Object.keys(meta ?? {}).sort(), ["online_at", "phx_ref"]);
  assertMatch(meta?.online_at ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

everyVersion("every diff has joins and leaves (8.2)", async (stage) => {
  const alice = await stage.join("alice");
  const bob = await stage.join("bob");
  await bob.leave();
  await eventually(() => alice.payloads("presence_diff").some(({ leaves }) => "bob" in (leaves as object)));
  for (const diff of alice.payloads("presence_diff")) assertEquals(Object.keys(diff).sort(), ["joins", "leaves"]);
});

everyVersion("the list is the truth after joins and leaves", async (stage) => {
  const [alice, bob, carol] = [await stage.join("alice"), await stage.join("bob"), await stage.join("carol")];
  await agree([alice, bob, carol], { alice: ["-"], bob: ["-"], carol: ["-"] });
  await bob.leave();
  await agree([alice, carol], { alice: ["-"], carol: ["-"] });
  await bob.join();
  await agree([alice, bob, carol], { alice: ["-"], bob: ["-"], carol: ["-"] });
});

everyVersion("two tabs are two metas, and the user stays until the last is gone (8.4)", async (stage) => {
  const [alice, here, there] = [await stage.join("alice"), await stage.join("bob"), await stage.join("bob")];
  await agree([alice, here, there], { alice: ["-"], bob: ["-", "-"] });
  await here.leave();
  await agree([alice, there], { alice: ["-"], bob: ["-"] });
  await there.leave();
  await agree([alice], { alice: ["-"] });
});

everyVersion("a client that is cut and comes back is there once, under a new ref (8.7)", async (stage) => {
  const proxy = stage.proxy();
  const [alice, bob] = [await stage.join("alice"), await stage.join("bob", proxy.socketUrl)];
  await agree([alice, bob], { alice: ["-"], bob: ["-"] });
  const [before] = alice.metas.bob ?? [];
  proxy.cut({ afterBytes: 0 });
  await bob.rejoined(1);
  await agree([alice, bob], { alice: ["-"], bob: ["-"] });
  assert(alice.metas.bob?.[0]?.phx_ref !== before?.phx_ref);
});

everyVersion("no ghost is left of 20 sockets that were killed (6.1)", async (stage) => {
  const proxy = stage.proxy();
  const alice = await stage.join("alice");
  for (let user = 0; user < 20; user++) {
    await (await RawClient.connect(proxy.socketUrl, { token: `user${user}` })).join("general");
  }
  await eventually(() => Object.keys(alice.sees).length === 21);
  proxy.cut({ afterBytes: 0 });
  await agree([alice], { alice: ["-"] });
});

everyVersion("no ghost is left of 100 rejoins (8.7)", async (stage) => {
  const [alice, bob] = [await stage.join("alice"), stage.enter("bob")];
  for (let times = 0; times < 100; times++) {
    await bob.join();
    if (times % 3 === 0) await bob.leave();
  }
  await bob.join();
  await agree([alice, bob], { alice: ["-"], bob: ["-"] });
});

everyVersion("update_presence shows a status to everybody, one tab's own (8.3)", async (stage) => {
  const [alice, here, there] = [await stage.join("alice"), await stage.join("bob"), await stage.join("bob")];
  await agree([alice, here, there], { alice: ["-"], bob: ["-", "-"] });
  const before = alice.refs;
  assertEquals(await here.update("away"), "ok");
  await agree([alice, here, there], { alice: ["-"], bob: ["-", "away"] });
  const changed = alice.metas.bob?.find(({ status }) => status === "away");
  assert(before.includes(changed?.phx_ref_prev ?? "") && !before.includes(changed?.phx_ref ?? ""));
  assertEquals(await here.update("back"), "ok");
  await agree([alice, here, there], { alice: ["-"], bob: ["-", "back"] });
});

everyVersion("a status that is no text, empty or too long is refused and changes nothing", async (stage) => {
  const alice = await stage.join("alice");
  for (const status of [undefined, null, 7, "", "x".repeat(65), "\0"]) {
    assertEquals(await alice.update(status), "error");
  }
  assertEquals(await alice.update("x".repeat(64)), "ok");
  await agree([alice], { alice: ["x".repeat(64)] });
});

for (const userId of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
  everyVersion(`a user called ${userId} harms nobody (8.5)`, async (stage) => {
    const [alice, odd] = [await stage.join("alice"), await stage.join(userId)];
    await agree([alice, odd], { alice: ["-"], [`~${userId}`]: ["-"] });
    assertEquals(await odd.update("away"), "ok");
    await agree([alice, odd], { alice: ["-"], [`~${userId}`]: ["away"] });
    await odd.leave();
    const bob = await stage.join("bob");
    await agree([alice, bob], { alice: ["-"], bob: ["-"] });
  });
}

Deno.test("Presence over long polling is that over sockets (7.3)", async () => {
  await using service = await TestService.start();
  await using alice = new Onlooker("1.7", service.socketUrl, "alice");
  await using bob = new Onlooker("1.8", service.socketUrl, "bob", true);
  await alice.join();
  await bob.join();
  await agree([alice, bob], { alice: ["-"], bob: ["-"] });
  assertEquals(await bob.update("away"), "ok");
  await agree([alice, bob], { alice: ["-"], bob: ["away"] });
  await bob.leave();
  await agree([alice], { alice: ["-"] });
  await bob.join();
  await alice.leave();
  await agree([bob], { bob: ["-"] });
});

Deno.test(`Presence of six clients after joins, leaves, updates and cuts by chance is the truth (seed ${seed})`, async () => {
  await using ends = new AsyncDisposableStack();
  const service = ends.use(await TestService.start());
  const clients = PHOENIX_VERSIONS.flatMap((version) => [version, version]).map((version, index) => {
    const proxy = ends.use(new Proxy(service.port));
    const userId = `user${index % 4}`;
    return {
      proxy,
      userId,
      random: chance(seed + index),
      onlooker: ends.use(new Onlooker(version, proxy.socketUrl, userId)),
    };
  });
  const ended = await Promise.all(clients.map(async ({ onlooker, proxy, userId, random }) => {
    let status: string | undefined;
    for (let step = 0; step < 25; step++) {
      if (status === undefined) {
        await onlooker.join();
        status = "-";
        continue;
      }
      switch (random(0, 4)) {
        case 0:
          await onlooker.leave();
          status = undefined;
          break;
        case 1: {
          const joins = onlooker.joins;
          proxy.cut({ afterBytes: 0 });
          await onlooker.rejoined(joins);
          status = "-";
          break;
        }
        case 2:
          await onlooker.join(); // without a leave
          status = "-";
          break;
        default:
          status = `status ${random(1, 3)}`;
          assertEquals(await onlooker.update(status), "ok");
      }
    }
    if (status === undefined) await onlooker.join();
    return { userId, status: status ?? "-" };
  }));
  const truth: Truth = {};
  for (const { userId, status } of ended) truth[userId] = [...truth[userId] ?? [], status].sort();
  await agree(clients.map(({ onlooker }) => onlooker), truth);
});

// Large channels

Deno.test("Presence above CHAT_PRESENCE_LIST is counts, below three quarters the list again", async () => {
  await using server = await Server.start({ env: { CHAT_PRESENCE_LIST: "3" } });
  await using ends = new AsyncDisposableStack();
  const enter = async (version: PhoenixVersion, userId: string) => {
    const onlooker = ends.use(new Onlooker(version, server.socketUrl, userId));
    await onlooker.join();
    return onlooker;
  };
  const three = [await enter("1.6", "alice"), await enter("1.7", "bob"), await enter("1.8", "carol")];
  await agree(three, { alice: ["-"], bob: ["-"], carol: ["-"] });
  const late = await enter("1.8", "alice");
  await agree([...three, late], {});
  for (const onlooker of [...three, late]) {
    await eventually(() => onlooker.payloads("presence_count").length > 0);
    assertEquals(onlooker.payloads("presence_count").at(-1), { count: 4, users: 3 });
  }
  await late.leave();
  await eventually(() => three.every((onlooker) => onlooker.payloads("presence_count").at(-1)?.count === 3));
  await agree(three, {});
  await three[2]?.leave();
  await agree(three.slice(0, 2), { alice: ["-"], bob: ["-"] });
});

// REST

/** What `GET /api/channels/:id/presence` says. */
interface Page {
  readonly users: { readonly user_id: string; readonly metas: Meta[] }[];
  readonly count: number;
  readonly clients: number;
  readonly has_more: boolean;
}

async function page(service: TestService, query = ""): Promise<Page> {
  const { status, body } = await service.call("GET", `/api/channels/general/presence${query}`);
  assertEquals(status, 200);
  return body as unknown as Page;
}

Deno.test("GET /api/channels/:id/presence has the users with the metas that clients see", async () => {
  await using service = await TestService.start();
  await using alice = new Onlooker("1.8", service.socketUrl, "alice");
  await using bob = new Onlooker("1.8", service.socketUrl, "bob");
  await using tab = new Onlooker("1.8", service.socketUrl, "bob");
  for (const onlooker of [alice, bob, tab]) await onlooker.join();
  await bob.update("away");
  await agree([alice, bob, tab], { alice: ["-"], bob: ["-", "away"] });
  const { users, ...rest } = await page(service);
  assertEquals(rest, { count: 2, clients: 3, has_more: false });
  assertEquals(users.map(({ user_id }) => user_id), ["alice", "bob"]);
  assertEquals(users.flatMap(({ metas }) => metas.map(({ phx_ref }) => phx_ref)).sort(), alice.refs);
});

Deno.test("GET /api/channels/:id/presence of an empty channel is empty", async () => {
  await using service = await TestService.start();
  assertEquals(await page(service), { users: [], count: 0, clients: 0, has_more: false });
});

Deno.test("GET /api/channels/:id/presence goes page by page, also where clients get counts", async () => {
  await using service = await TestService.start({ presenceList: 2 });
  await using ends = new AsyncDisposableStack();
  for (const token of ["e", "c", "a", "d", "b"]) {
    await ends.use(await RawClient.connect(service.socketUrl, { token })).join("general");
  }
  const pages: string[][] = [];
  for (let after = "", more = true; more;) {
    const { users, count, clients, has_more } = await page(service, `?limit=2&after=${after}`);
    assertEquals([count, clients], [5, 5]);
    pages.push(users.map(({ user_id }) => user_id));
    after = users.at(-1)?.user_id ?? "";
    more = has_more;
  }
  assertEquals(pages, [["a", "b"], ["c", "d"], ["e"]]);
});

Deno.test("GET /api/channels/:id/presence names a user called __proto__ as that user is called", async () => {
  await using service = await TestService.start();
  await using odd = await RawClient.connect(service.socketUrl, { token: "__proto__" });
  await odd.join("general");
  assertEquals((await page(service)).users.map(({ user_id }) => user_id), ["__proto__"]);
});

Deno.test("GET /api/channels/:id/presence of a channel that does not exist is not_found", async () => {
  await using service = await TestService.start();
  assertError(await service.call("GET", "/api/channels/nowhere/presence"), "not_found");
});

for (const path of ["no%20id/presence", "general/presence?limit=0", "general/presence?limit=101"]) {
  Deno.test(`GET /api/channels/${path} is invalid`, async () => {
    await using service = await TestService.start();
    assertError(await service.call("GET", `/api/channels/${path}`), "invalid");
  });
}
