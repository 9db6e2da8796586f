import { assertEquals } from "@std/assert";
import { type MembersChange, type Meta, Presence } from "../../src/chat/presence.ts";
import { eventually } from "../support/eventually.ts";

/** A presence, what it told the members and what it has for other instances. */
class Stage implements Disposable {
  now = 0;
  readonly told: [string, Record<string, Record<string, unknown>>][] = [];
  readonly changes: MembersChange[] = [];
  readonly presence: Presence;

  constructor(maxListed = 100) {
    this.presence = new Presence({
      broadcast: (event, payload) => this.told.push([event, JSON.parse(payload.text)]),
      onChange: (change) => this.changes.push(change),
      maxListed,
      now: () => this.now,
    });
  }

  get users(): string[] {
    return this.presence.page({ limit: 100 }).users.map(({ user_id }) => user_id);
  }

  [Symbol.dispose](): void {
    this.presence.close();
  }
}

const NONE = { joins: [], leaves: [] };

function client(userId: string, ref = `there.${userId}`): [string, Meta] {
  return [userId, { phx_ref: ref, online_at: "2026-01-01T00:00:00.000Z" }];
}

Deno.test("Presence merge() adds another instance's clients, once, and takes them away", async () => {
  using stage = new Stage();
  stage.presence.track("alice");
  stage.presence.merge("there", { joins: [client("bob"), client("carol")], leaves: [] });
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] });
  assertEquals([stage.users, stage.presence.clients], [["alice", "bob", "carol"], 3]);
  await eventually(() => stage.told.length === 1);
  assertEquals(Object.keys(stage.told[0]?.[1]["joins"] ?? {}), ["alice", "bob", "carol"]);
  stage.presence.merge("there", { joins: [], leaves: ["there.bob", "there.bob", "unknown"] });
  assertEquals(stage.users, ["alice", "carol"]);
  await eventually(() => stage.told.length === 2);
  assertEquals(Object.keys(stage.told[1]?.[1]["leaves"] ?? {}), ["bob"]);
});

Deno.test("Presence merge() of all clients drops those that are not named", () => {
  using stage = new Stage();
  stage.presence.merge("there", { joins: [client("bob"), client("carol")], leaves: [] });
  stage.presence.merge("elsewhere", { joins: [client("dave", "elsewhere.1")], leaves: [] });
  stage.presence.merge("there", { joins: [client("carol"), client("eve")], leaves: [] }, true);
  assertEquals(stage.users, ["carol", "dave", "eve"]);
});

Deno.test("Presence merge() lets an instance take away only its own clients", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] });
  stage.presence.merge("elsewhere", { joins: [], leaves: [ref, "there.bob"] });
  stage.presence.merge("elsewhere", NONE, true);
  assertEquals(stage.users, ["alice", "bob"]);
});

Deno.test("Presence drop() takes an instance's clients away; they can come back", () => {
  using stage = new Stage();
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] });
  stage.presence.drop("there");
  stage.presence.drop("there");
  assertEquals([stage.users, stage.presence.instances()], [[], []]);
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] }, true);
  assertEquals([stage.users, stage.presence.instances()], [["bob"], ["there"]]);
});

Deno.test("Presence members() are those of this instance, as onChange was told", () => {
  using stage = new Stage();
  const ref = stage.presence.track("alice");
  stage.presence.merge("there", { joins: [client("alice"), client("bob")], leaves: [] });
  const away = stage.presence.update(ref, { status: "away" });
  assertEquals(stage.presence.members().map(([userId, { phx_ref }]) => [userId, phx_ref]), [["alice", away]]);
  stage.presence.untrack(away);
  assertEquals(stage.presence.members(), []);
  assertEquals(stage.changes.map(({ joins, leaves }) => [joins.length, leaves]), [[1, []], [1, [ref]], [0, [away]]]);
});

Deno.test("Presence doubt() ends in five seconds for who has not named all clients", () => {
  using stage = new Stage();
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] });
  stage.presence.merge("silent", { joins: [client("ghost", "silent.1")], leaves: [] });
  stage.presence.doubt();
  stage.now = 3_000;
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] }, true);
  stage.presence.doubt(); // which gives no more time
  stage.presence.merge("there", { joins: [client("bob")], leaves: [] }, true);
  stage.presence.sweep();
  assertEquals(stage.users, ["bob", "ghost"]);
  stage.now = 5_000;
  stage.presence.sweep();
  stage.now = 60_000;
  stage.presence.sweep();
  assertEquals(stage.users, ["bob"]);
});

Deno.test("Presence counts other instances' clients where it gives counts", () => {
  using stage = new Stage(2);
  stage.presence.track("alice");
  stage.presence.merge("there", { joins: [client("alice"), client("bob")], leaves: [] });
  assertEquals(stage.told, [["presence_state", {}], ["presence_count", { count: 3, users: 2 }]] as never);
  stage.presence.drop("there");
  assertEquals(stage.told.slice(2).map(([event, state]) => [event, Object.keys(state)]), [["presence_state", [
    "alice",
  ]]]);
});
