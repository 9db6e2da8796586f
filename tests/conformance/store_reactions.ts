/**
 * What every {@linkcode Store} keeps to with reactions.
 *
 * @module
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { MAX_REACTIONS, type Reacted, type Reaction, SHOWN_REACTORS, type Store } from "../../src/store/store.ts";
import { assertRefused } from "../store/support/assert_refused.ts";
import { allOf, channelDraft, channelWith, headOf, numbers, say, type StoreSuite, testsOf } from "./store_support.ts";

/** `+emoji user` or `-emoji user`. */
function react(store: Store, id: string, ...requests: readonly string[]): Promise<Reacted> {
  return store.react(
    "a",
    id,
    requests.map((request) => {
      const [emoji = "", userId = ""] = request.slice(1).split(" ");
      return { emoji, userId, on: request.startsWith("+") };
    }),
  );
}

function users(from: number, to: number): string[] {
  return numbers(from, to).map((n) => `user-${String(n).padStart(3, "0")}`);
}

/** Every emoji with its count. */
function counts({ message }: Reacted): Record<string, number> {
  return Object.fromEntries((message.reactions ?? []).map(({ emoji, count }) => [emoji, count]));
}

/** Registers this part of the suite for one adapter. */
export function testStoreReactions(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  test("react() puts a reaction on a message and gives it the next seq for a version", async (store) => {
    const [message] = await channelWith(store, "hi");
    const reacted = await react(store, message.id, "+👍 v");
    const reactions = [{ emoji: "👍", count: 1, userIds: ["v"] }];
    assertEquals(reacted, { message: { ...message, version: 2, reactions }, changed: true, refused: [false] });
    assertEquals(await store.getMessage("a", message.id), reacted.message);
    assertEquals(await allOf(store), [reacted.message]);
  });

  test("react() takes a reaction away and leaves the message without reactions", async (store) => {
    const [message] = await channelWith(store, "hi");
    await react(store, message.id, "+👍 v");
    const { message: left, changed } = await react(store, message.id, "-👍 v");
    assertEquals([left, changed], [{ ...message, version: 3 }, true]);
    assertEquals(await store.getMessage("a", message.id), left);
  });

  test("react() with what is there already changes nothing and takes no seq", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const { message } = await react(store, id, "+👍 v");
    assertEquals(await react(store, id, "+👍 v"), { message, changed: false, refused: [false] });
    assertEquals(await headOf(store), 2);
  });

  test("react() that takes away what is not there changes nothing and takes no seq", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const { message } = await react(store, id, "+👍 v");
    assertEquals(await react(store, id, "-👍 w", "-👎 v"), { message, changed: false, refused: [false, false] });
    assertEquals(await headOf(store), 2);
  });

  test("react() takes one seq for several requests", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const reacted = await react(store, id, "+👍 v", "+👍 w", "+👎 v", "-👍 v", "-👀 v");
    assertEquals(reacted.message.reactions, [
      { emoji: "👍", count: 1, userIds: ["w"] },
      { emoji: "👎", count: 1, userIds: ["v"] },
    ]);
    assertEquals([reacted.message.version, await headOf(store)], [2, 2]);
  });

  test("react() counts a user once who reacts twice in one call", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    assertEquals(counts(await react(store, id, "+👍 v", "+👍 v", "+👍 w")), { "👍": 2 });
  });

  test("react() of no request changes nothing", async (store) => {
    const [message] = await channelWith(store, "hi");
    assertEquals(await store.react("a", message.id, []), { message, changed: false, refused: [] });
  });

  test("react() tells emoji apart that look alike, and users", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const kinds = ["❤", "❤️", "👍", "👍🏽", ":party:", ":Party:", "'\"\\", "__proto__"];
    const reacted = await react(store, id, ...kinds.flatMap((emoji) => [`+${emoji} v`, `+${emoji} V`]));
    assertEquals(counts(reacted), Object.fromEntries(kinds.map((emoji) => [emoji, 2])));
    for (const emoji of kinds) {
      assertEquals((await store.reactors("a", id, { emoji, limit: 9 })).userIds.toSorted(), ["V", "v"]);
    }
  });

  test("react() shows kinds and users in the order in which they came", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    await react(store, id, "+👎 z");
    await react(store, id, "+👍 m");
    const { message } = await react(store, id, "+👎 a", "+👍 b");
    assertEquals(message.reactions, [
      { emoji: "👎", count: 2, userIds: ["z", "a"] },
      { emoji: "👍", count: 2, userIds: ["m", "b"] },
    ]);
  });

  test("react() keeps the reactions of two messages and of two channels apart", async (store) => {
    const [one, two] = await channelWith(store, "1", "2");
    await store.createChannel(channelDraft("b"));
    const elsewhere = await say(store, "b", "1");
    await react(store, one.id, "+👍 v");
    assertEquals((await store.getMessage("a", two.id)).reactions, undefined);
    assertEquals((await store.getMessage("b", elsewhere.id)).reactions, undefined);
    for (const [channelId, id] of [["a", two.id], ["b", elsewhere.id]] as const) {
      assertEquals((await store.reactors(channelId, id, { emoji: "👍", limit: 9 })).userIds, []);
    }
  });

  test(`react() refuses kinds beyond ${MAX_REACTIONS}, each for itself, and takes the others`, async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const kinds = numbers(1, MAX_REACTIONS).map((n) => `kind-${n}`);
    const first = await react(store, id, ...kinds.map((emoji) => `+${emoji} v`), "+more v");
    assertEquals(first.refused, [...kinds.map(() => false), true]);
    const { refused, changed, message } = await react(store, id, "+more w", "+kind-1 w", "-more v", "+other v");
    assertEquals([refused, changed, message.version], [[true, false, false, true], true, 3]);
    assertEquals(message.reactions?.map(({ emoji }) => emoji), kinds);
    assertEquals(message.reactions?.[0]?.count, 2);
    assertEquals((await store.reactors("a", id, { emoji: "more", limit: 9 })).userIds, []);
  });

  test("react() whose requests are all refused changes nothing and takes no seq", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    const { message } = await react(store, id, ...numbers(1, MAX_REACTIONS).map((n) => `+kind-${n} v`));
    assertEquals(await react(store, id, "+more v"), { message, changed: false, refused: [true] });
    assertEquals(await headOf(store), 2);
  });

  test("react() takes a new kind once another is gone", async (store) => {
    const [{ id }] = await channelWith(store, "hi");
    await react(store, id, ...numbers(1, MAX_REACTIONS).map((n) => `+kind-${n} v`));
    const { refused, message } = await react(store, id, "-kind-7 v", "+more v");
    assertEquals(refused, [false, false]);
    const left = [...numbers(1, 6), ...numbers(8, MAX_REACTIONS)].map((n) => `kind-${n}`);
    assertEquals(message.reactions?.map(({ emoji }) => emoji), [...left, "more"]);
  });

  // Who reacted

  /** A message on which users 1 to `count` reacted, in this order. */
  async function crowd(store: Store, count: number): Promise<{ id: string; reaction: Reaction | undefined }> {
    const [{ id }] = await channelWith(store, "hi");
    const { message } = await react(store, id, ...users(1, count).map((user) => `+👍 ${user}`));
    return { id, reaction: message.reactions?.[0] };
  }

  test(`react() shows the first ${SHOWN_REACTORS} users and counts all`, async (store) => {
    const { reaction } = await crowd(store, 30);
    assertEquals(reaction, { emoji: "👍", count: 30, userIds: users(1, SHOWN_REACTORS) });
  });

  test("react() shows another user in the place of one who left", async (store) => {
    const { id } = await crowd(store, 22);
    const { message } = await react(store, id, "-👍 user-005");
    const [reaction] = message.reactions ?? [];
    assertEquals([reaction?.count, reaction?.userIds.length, new Set(reaction?.userIds).size], [21, 20, 20]);
    assertFalse(reaction?.userIds.includes("user-005"));
    const all = (await store.reactors("a", id, { emoji: "👍", limit: 100 })).userIds;
    assert(reaction?.userIds.every((userId) => all.includes(userId)));
  });

  test("react() shows all who are left once they fit", async (store) => {
    const { id } = await crowd(store, 22);
    const { message } = await react(store, id, "-👍 user-001", "-👍 user-002", "-👍 user-022");
    const [reaction] = message.reactions ?? [];
    assertEquals([reaction?.count, reaction?.userIds.toSorted()], [19, users(3, 21)]);
  });

  test("react() shows the same users when one leaves who was not shown", async (store) => {
    const { id, reaction } = await crowd(store, 30);
    const { message } = await react(store, id, "-👍 user-025");
    assertEquals(message.reactions, [{ emoji: "👍", count: 29, userIds: reaction?.userIds ?? [] }]);
  });

  test("reactors() names all users by id, page by page", async (store) => {
    const { id } = await crowd(store, 55);
    await react(store, id, "+👎 other");
    const seen: string[] = [];
    for (let [more, pages] = [true, 0]; more; pages++) {
      assert(pages < 10);
      const after = seen.at(-1);
      const query = { emoji: "👍", limit: 20, ...(after === undefined ? {} : { after }) };
      const page = await store.reactors("a", id, query);
      seen.push(...page.userIds);
      more = page.hasMore;
    }
    assertEquals(seen, users(1, 55));
  });

  test("reactors() says hasMore exactly where there is more", async (store) => {
    const { id } = await crowd(store, 3);
    const pages = await Promise.all([0, 2, 3, 4].map((limit) => store.reactors("a", id, { emoji: "👍", limit })));
    assertEquals(pages.map(({ userIds, hasMore }) => [userIds.length, hasMore]), [
      [0, true],
      [2, true],
      [3, false],
      [3, false],
    ]);
  });

  test("reactors() names nobody for an emoji that is not there", async (store) => {
    const { id } = await crowd(store, 1);
    assertEquals(await store.reactors("a", id, { emoji: "👎", limit: 9 }), { userIds: [], hasMore: false });
  });

  test("reactors() rejects with not_found where there is no such message or channel", async (store) => {
    const { id } = await crowd(store, 1);
    await store.createChannel(channelDraft("b"));
    await assertRefused("not_found", () => store.reactors("b", id, { emoji: "👍", limit: 9 }));
    await assertRefused("not_found", () => store.reactors("nowhere", id, { emoji: "👍", limit: 9 }));
  });
}
