import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { type Meta, Presence, type PresenceEvent, presenceKey } from "../../src/chat/presence.ts";
import type { Json } from "../../src/phoenix/frame.ts";

const NOW = Date.UTC(2026, 0, 1, 12);

/** The timers of this process, run by hand; `using` puts the real ones back. */
class Timers implements Disposable {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #due = new Map<number, { readonly at: number; readonly run: () => void }>();
  #nowMs = 0;
  #lastId = 0;

  constructor() {
    const start = (run: () => void, ms = 0): number => {
      this.#due.set(++this.#lastId, { at: this.#nowMs + ms, run });
      return this.#lastId;
    };
    globalThis.setTimeout = start as unknown as typeof globalThis.setTimeout;
    globalThis.clearTimeout = ((id: number) => void this.#due.delete(id)) as typeof globalThis.clearTimeout;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Lets time pass and runs what is due, in its order. */
  pass(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#due].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!next) break;
      const [id, { at, run }] = next;
      this.#due.delete(id);
      this.#nowMs = at;
      run();
    }
    this.#nowMs = until;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}

type Users = Record<string, { metas: Meta[] }>;

/** A {@linkcode Presence} whose timers are run by hand, and everything that it told the members. */
class Stage implements Disposable {
  readonly timers = new Timers();
  readonly presence: Presence;
  readonly #told: [PresenceEvent, string][] = [];

  constructor(maxListed = 100) {
    const broadcast = (event: PresenceEvent, payload: Json) => void this.#told.push([event, payload.text]);
    this.presence = new Presence({ broadcast, onChange: () => {}, maxListed, now: () => NOW });
  }

  /** What was told since this was asked last. */
  told(): [PresenceEvent, unknown][] {
    return this.#told.splice(0).map(([event, text]) => [event, JSON.parse(text)]);
  }

  /** The one diff that comes after the gather time. */
  diff(): { joins: Users; leaves: Users } {
    this.timers.pass(10);
    const told = this.told();
    assertEquals(told.map(([event]) => event), ["presence_diff"]);
    return told[0]?.[1] as { joins: Users; leaves: Users };
  }

  /** The list that a client which joins now is given. */
  state(): Users {
    const [[event, payload] = [], ...others] = [...this.presence.greet()];
    assertEquals([event, others], ["presence_state", []]);
    return JSON.parse(payload?.text ?? "");
  }

  /** What a client which joins now is told. */
  greeting(): [PresenceEvent, unknown][] {
    return [...this.presence.greet()].map(([event, payload]) => [event, JSON.parse(payload.text)]);
  }

  /** Lets so many users come, and returns their refs. */
  fill(count: number): string[] {
    return Array.from({ length: count }, (_, index) => this.presence.track(`user${index}`));
  }

  [Symbol.dispose](): void {
    this.presence.close();
    this.timers[Symbol.dispose]();
  }
}

Deno.test("Presence greet() is presence_state with each user's metas (8.1)", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  assertEquals(stage.state(), { alice: { metas: [{ phx_ref: ref, online_at: "2026-01-01T12:00:00.000Z" }] } });
});

Deno.test("Presence greet() is an empty presence_state where nobody is (8.1)", () => {
  using stage = new Stage();
  assertEquals(stage.state(), {});
});

Deno.test("Presence track() is told as a presence_diff with joins and leaves (8.2)", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  assertEquals(stage.diff(), {
    joins: { alice: { metas: [{ phx_ref: ref, online_at: "2026-01-01T12:00:00.000Z" }] } },
    leaves: {},
  });
});

Deno.test("Presence untrack() is told as a presence_diff with joins and leaves (8.2)", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  const { joins } = stage.diff();
  stage.presence.untrack(ref);
  assertEquals(stage.diff(), { joins: {}, leaves: joins });
});

Deno.test("Presence tells nothing at once, and nothing where nothing changed", () => {
  using stage = new Stage();
  stage.presence.track("alice");
  assertEquals(stage.told(), []);
  stage.diff();
  stage.timers.pass(60_000);
  assertEquals(stage.told(), []);
});

Deno.test("Presence gathers the changes of 10 ms in one diff", () => {
  using stage = new Stage();
  const alice = stage.presence.track("alice");
  stage.diff();
  stage.presence.track("bob");
  stage.timers.pass(9);
  assertEquals(stage.told(), []);
  stage.presence.track("carol");
  stage.presence.untrack(alice);
  stage.timers.pass(1);
  const [[event, diff] = [], ...others] = stage.told();
  const { joins, leaves } = diff as { joins: Users; leaves: Users };
  assertEquals([event, others], ["presence_diff", []]);
  assertEquals([Object.keys(joins), Object.keys(leaves)], [["bob", "carol"], ["alice"]]);
});

Deno.test("Presence tells what comes after a diff in the next one", () => {
  using stage = new Stage();
  stage.presence.track("alice");
  assertEquals(Object.keys(stage.diff().joins), ["alice"]);
  stage.presence.track("bob");
  assertEquals(Object.keys(stage.diff().joins), ["bob"]);
});

Deno.test("Presence has the same meta in state and diff (8.3)", () => {
  using stage = new Stage();
  stage.presence.track("alice");
  const before = stage.state();
  const { joins } = stage.diff();
  assertEquals(joins, before);
  assertEquals(stage.state(), before);
});

Deno.test("Presence gives each client a ref of its own (8.3)", () => {
  using stage = new Stage();
  using other = new Stage();
  const refs = [...stage.fill(50), ...other.fill(50), stage.presence.track("user0")];
  assertEquals(new Set(refs).size, refs.length);
  for (const ref of refs) assertMatch(ref, /^[\da-f]{8}\.[\da-z]+$/);
});

Deno.test("Presence update() is one diff: the old meta leaves, the new one joins with phx_ref_prev (8.3)", () => {
  using stage = new Stage();
  const before = stage.presence.track("alice");
  const { joins: old } = stage.diff();
  const after = stage.presence.update(before, { status: "away" });
  assertNotEquals(after, before);
  const online_at = "2026-01-01T12:00:00.000Z";
  assertEquals(stage.diff(), {
    joins: { alice: { metas: [{ phx_ref: after, online_at, status: "away", phx_ref_prev: before }] } },
    leaves: old,
  });
});

Deno.test("Presence update() twice within the gather time names all three metas in one diff (8.3)", () => {
  using stage = new Stage();
  const first = stage.presence.track("alice");
  stage.diff();
  const second = stage.presence.update(first, { status: "away" });
  const third = stage.presence.update(second, { status: "back" });
  const { joins, leaves } = stage.diff();
  assertEquals(joins.alice?.metas.map(({ phx_ref }) => phx_ref), [second, third]);
  assertEquals(leaves.alice?.metas.map(({ phx_ref }) => phx_ref), [first, second]);
  assertEquals(stage.state().alice?.metas.map(({ phx_ref, status }) => [phx_ref, status]), [[third, "back"]]);
});

Deno.test("Presence update() of one tab leaves the other alone (8.4)", () => {
  using stage = new Stage();
  const [here, there] = [stage.presence.track("alice"), stage.presence.track("alice")];
  const changed = stage.presence.update(here, { status: "away" });
  assertEquals(stage.state().alice?.metas.map(({ phx_ref, status }) => [phx_ref, status]), [
    [there, undefined],
    [changed, "away"],
  ]);
});

Deno.test("Presence of two tabs is one key with two metas (8.4)", () => {
  using stage = new Stage();
  const refs = [stage.presence.track("alice"), stage.presence.track("alice")];
  assertEquals(stage.state().alice?.metas.map(({ phx_ref }) => phx_ref), refs);
  assertEquals(stage.diff().joins.alice?.metas.map(({ phx_ref }) => phx_ref), refs);
  assertEquals([stage.presence.clients, stage.presence.users], [2, 1]);
});

Deno.test("Presence of a user ends with the last meta (8.4)", () => {
  using stage = new Stage();
  const [here, there] = [stage.presence.track("alice"), stage.presence.track("alice")];
  stage.diff();
  stage.presence.untrack(here);
  assertEquals(stage.diff().leaves.alice?.metas.map(({ phx_ref }) => phx_ref), [here]);
  assertEquals(stage.state().alice?.metas.map(({ phx_ref }) => phx_ref), [there]);
  stage.presence.untrack(there);
  assertEquals(stage.state(), {});
  assertEquals([stage.presence.clients, stage.presence.users], [0, 0]);
});

Deno.test("Presence tells of a client that came and went within the gather time in joins and leaves", () => {
  using stage = new Stage();
  stage.presence.untrack(stage.presence.track("alice"));
  const { joins, leaves } = stage.diff();
  assertEquals(joins.alice?.metas.length, 1);
  assertEquals(leaves, joins);
});

Deno.test("Presence untrack() and update() of a ref that is gone are faults of the caller", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  stage.presence.untrack(ref);
  assertThrows(() => stage.presence.untrack(ref));
  assertThrows(() => stage.presence.update(ref, { status: "away" }));
  assertEquals(stage.presence.clients, 0);
});

// Large channels

Deno.test("Presence above maxListed empties the list and counts, for everybody at once", () => {
  using stage = new Stage(4);
  stage.fill(4);
  stage.diff();
  stage.presence.track("user0");
  assertEquals(stage.told(), [["presence_state", {}], ["presence_count", { count: 5, users: 4 }]]);
});

Deno.test("Presence that becomes a count says nothing more of the changes before", () => {
  using stage = new Stage(4);
  stage.fill(5);
  assertEquals(stage.told().map(([event]) => event), ["presence_state", "presence_count"]);
  stage.timers.pass(60_000);
  assertEquals(stage.told(), []);
});

Deno.test("Presence with maxListed 0 never lists anybody", () => {
  using stage = new Stage(0);
  stage.presence.track("alice");
  assertEquals(stage.greeting(), [["presence_state", {}], ["presence_count", { count: 1, users: 1 }]]);
});

Deno.test("Presence greet() above maxListed is an empty list and the count", () => {
  using stage = new Stage(4);
  stage.fill(5);
  assertEquals(stage.greeting(), [["presence_state", {}], ["presence_count", { count: 5, users: 5 }]]);
});

Deno.test("Presence counts once a second at the most", () => {
  using stage = new Stage(4);
  stage.fill(5);
  stage.told();
  for (let times = 0; times < 30; times++) {
    stage.presence.track(`late${times}`);
    stage.timers.pass(100);
  }
  const counts = stage.told();
  assertEquals(counts, [
    ["presence_count", { count: 15, users: 15 }],
    ["presence_count", { count: 25, users: 25 }],
    ["presence_count", { count: 35, users: 35 }],
  ]);
});

Deno.test("Presence comes back to the list at three quarters, in full", () => {
  using stage = new Stage(4);
  const refs = stage.fill(5);
  stage.told();
  for (const ref of refs.slice(0, 2)) stage.presence.untrack(ref);
  const [[event, state] = [], ...others] = stage.told();
  assertEquals([event, others], ["presence_state", []]);
  assertEquals(state, stage.state());
  assertEquals(Object.keys(stage.state()), ["user2", "user3", "user4"]);
  stage.timers.pass(60_000);
  assertEquals(stage.told(), []);
});

Deno.test("Presence that is a list again has the refs of before and goes on with diffs (8.3)", () => {
  using stage = new Stage(4);
  const refs = stage.fill(5);
  for (const ref of refs.slice(0, 2)) stage.presence.untrack(ref);
  stage.told();
  assertEquals(Object.values(stage.state()).flatMap(({ metas }) => metas.map(({ phx_ref }) => phx_ref)), refs.slice(2));
  const late = stage.presence.track("late");
  const { joins, leaves } = stage.diff();
  assertEquals([joins.late?.metas[0]?.phx_ref, Object.keys(joins), leaves], [late, ["late"], {}]);
});

Deno.test("Presence that is a list again does not tell changes from before it was a count", () => {
  using stage = new Stage(4);
  const refs = stage.fill(4);
  stage.diff();
  stage.presence.update(refs[0] ?? "", { status: "away" });
  stage.presence.track("one more");
  for (const ref of refs.slice(1, 3)) stage.presence.untrack(ref);
  stage.told();
  stage.presence.track("late");
  const { joins, leaves } = stage.diff();
  assertEquals([Object.keys(joins), leaves], [["late"], {}]);
});

Deno.test("Presence between three quarters and maxListed stays what it is", () => {
  using stage = new Stage(100);
  const refs = stage.fill(101);
  stage.told();
  for (const ref of refs.slice(0, 25)) stage.presence.untrack(ref);
  for (let times = 0; times < 20; times++) stage.presence.untrack(stage.presence.track("restless"));
  assertEquals([stage.presence.clients, stage.told()], [76, []]);
  stage.presence.untrack(refs[25] ?? "");
  assertEquals(stage.told().map(([event]) => event), ["presence_state"]);
  for (let times = 0; times < 25; times++) stage.presence.track(`more${times}`);
  assertEquals([stage.presence.clients, stage.told()], [100, []]);
  stage.presence.track("one more");
  assertEquals(stage.told().map(([event]) => event), ["presence_state", "presence_count"]);
});

Deno.test("Presence update() in a large channel keeps the status for the list that comes back", () => {
  using stage = new Stage(4);
  const refs = stage.fill(5);
  stage.presence.update(refs[4] ?? "", { status: "away" });
  stage.told();
  for (const ref of refs.slice(0, 2)) stage.presence.untrack(ref);
  assertEquals(stage.state().user4?.metas[0]?.status, "away");
});

// User ids

for (const id of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"]) {
  Deno.test(`Presence of a user ${id} has a key with one ~ before it (8.5)`, () => {
    using stage = new Stage();
    const refs = [stage.presence.track(id), stage.presence.track(id), stage.presence.track("alice")];
    const { joins } = stage.diff();
    assertEquals(Object.keys(joins), [`~${id}`, "alice"]);
    assertEquals(joins, stage.state());
    assertEquals(joins[`~${id}`]?.metas.map(({ phx_ref }) => phx_ref), refs.slice(0, 2));
    stage.presence.untrack(refs[0] ?? "");
    stage.presence.untrack(refs[1] ?? "");
    assertEquals(Object.keys(stage.diff().leaves), [`~${id}`]);
    assertEquals(Object.keys(stage.state()), ["alice"]);
  });
}

Deno.test("presenceKey() leaves every other user id as it is (8.5)", () => {
  for (const id of ["alice", "~alice", "1", "proto", "__proto", "ä", '"', "~"]) assertEquals(presenceKey(id), id);
});

Deno.test("presenceKey() gives different users different keys (8.5)", () => {
  const ids = ["__proto__", "~__proto__", "~~__proto__", "constructor", "~constructor", "~~constructor"];
  assertEquals(new Set(ids.map(presenceKey)).size, ids.length);
});

Deno.test("Presence writes user ids as JSON wants them", () => {
  using stage = new Stage();
  const ids = ['"', "\\", "ü😀", "</script>", "a b"];
  for (const id of ids) stage.presence.track(id);
  assertEquals(Object.keys(stage.state()), ids);
});

// Pages

Deno.test("Presence page() goes through the users by id, each once", () => {
  using stage = new Stage();
  for (const id of ["d", "a", "c", "b", "e", "a"]) stage.presence.track(id);
  const pages: string[][] = [];
  for (let after = "", more = true; more;) {
    const { users, hasMore } = stage.presence.page({ limit: 2, after });
    pages.push(users.map(({ user_id }) => user_id));
    after = users.at(-1)?.user_id ?? "";
    more = hasMore;
  }
  assertEquals(pages, [["a", "b"], ["c", "d"], ["e"]]);
});

Deno.test("Presence page() has a user's metas and the id without ~", () => {
  using stage = new Stage();
  const refs = [stage.presence.track("constructor"), stage.presence.track("constructor")];
  const { users, hasMore } = stage.presence.page({ limit: 1 });
  assertEquals(users.map(({ user_id, metas }) => [user_id, metas.map(({ phx_ref }) => phx_ref)]), [
    ["constructor", refs],
  ]);
  assertEquals(hasMore, false);
});

Deno.test("Presence page() behind the last user is empty", () => {
  using stage = new Stage();
  stage.presence.track("a");
  assertEquals(stage.presence.page({ limit: 10, after: "a" }), { users: [], hasMore: false });
});

Deno.test("Presence page() lists a large channel too", () => {
  using stage = new Stage(4);
  stage.fill(9);
  const { users, hasMore } = stage.presence.page({ limit: 8 });
  assertEquals([users.length, hasMore], [8, true]);
});

// The end

for (const [what, maxListed] of [["lists", 100], ["counts", 1]] as const) {
  Deno.test(`Presence that ${what} leaves no timer after close()`, () => {
    using stage = new Stage(maxListed);
    for (const ref of stage.fill(3)) stage.presence.update(ref, { status: "away" });
    assert(stage.timers.waiting > 0);
    stage.presence.close();
    assertEquals(stage.timers.waiting, 0);
  });
}
