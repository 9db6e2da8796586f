/**
 * What every {@linkcode Store} keeps to when it deletes what a user said.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Message, Store } from "../../src/store/store.ts";
import {
  allOf,
  channelWith,
  contents,
  createChannels,
  headOf,
  idsOf,
  numbers,
  say,
  send,
  seqs,
  type StoreSuite,
  testsOf,
} from "./store_support.ts";

/** Deletes what a user said; resolves with the stubs of each step. */
async function eraseAll(store: Store, userId: string): Promise<Message[][]> {
  const steps: Message[][] = [];
  let after: string | undefined;
  do {
    assert(steps.length < 1_000, "eraseUser() comes to no end");
    const { stubs, next } = await store.eraseUser(userId, after);
    steps.push(stubs);
    after = next;
  } while (after !== undefined);
  return steps;
}

async function searched(store: Store): Promise<string[]> {
  return contents((await store.search({ terms: [{ text: "word", prefix: false }], limit: 100 })).messages);
}

/** Registers this part of the suite for one adapter. */
export function testStoreErasure(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  test("eraseUser() leaves stubs of a user's messages in all channels, each with a new version", async (store) => {
    await createChannels(store, ["a", "b", "c"]);
    const target = await send(store, { userId: "v", content: "word 1" });
    const reply = await send(store, { content: "word 2", replyTo: target.id });
    const second = await send(store, { userId: "v", content: "word 3", nonce: "n", metadata: { a: 1 } });
    const elsewhere = await send(store, { channelId: "b", userId: "v", content: "word 4" });
    const other = await send(store, { channelId: "c", content: "word 5", mentions: ["v"] });
    const [stubs] = await eraseAll(store, "v");
    const erased = [target, second, elsewhere];
    assertEquals(new Set(idsOf(stubs ?? [])), new Set(idsOf(erased)));
    for (const stub of stubs ?? []) {
      assertEquals(stub, await store.getMessage(stub.channelId, stub.id));
      assertEquals([stub.content, stub.deleted, stub.userId, stub.metadata], ["", true, "v", undefined]);
    }
    assertEquals([await headOf(store), await headOf(store, "b"), await headOf(store, "c")], [5, 2, 1]);
    assertEquals(await store.getMessage("a", reply.id), { ...reply, replyTo: { id: target.id } });
    assertEquals(await store.getMessage("c", other.id), other);
    assertEquals(await searched(store), ["word 5", "word 2"]);
  });

  test("eraseUser() again finds nothing, and leaves what was deleted already", async (store) => {
    const [one] = await channelWith(store, "1", "2", "3");
    const [stub] = await store.deleteMessages("a", [one.id]);
    const steps = await eraseAll(store, "u");
    assertEquals(seqs(steps.flat()).toSorted(), [2, 3]);
    assertEquals(await store.getMessage("a", one.id), stub?.message);
    assertEquals([(await eraseAll(store, "u")).flat(), await headOf(store)], [[], 6]);
  });

  test("eraseUser() takes names as they are", async (store) => {
    await channelWith(store, "hi");
    for (const userId of ["U", "u ", "%", "_", "", "u' OR '1'='1", "nobody"]) {
      assertEquals((await eraseAll(store, userId)).flat(), []);
    }
    assertEquals(await headOf(store), 1);
  });

  test("eraseUser() goes on in steps until all is deleted, however much others said between", async (store) => {
    await createChannels(store, ["a", "b"]);
    await Promise.all(
      numbers(1, 1_000).map((n) => {
        const draft = { userId: n % 3 ? "v" : "u", channelId: n % 2 ? "a" : "b", content: String(n) };
        return send(store, draft);
      }),
    );
    const steps = await eraseAll(store, "v");
    const stubs = steps.flat();
    assertEquals(new Set(idsOf(stubs)).size, 667);
    assertEquals(stubs.length, 667);
    assert(steps.length > 1 && steps.every((step) => step.length < 667));
    const left = [...await allOf(store), ...await allOf(store, "b")].filter(({ deleted }) => !deleted);
    assertEquals([left.length, left.every(({ userId }) => userId === "u")], [333, true]);
  });

  test("eraseUser() does not bring back a deleted channel", async (store) => {
    await createChannels(store, ["a", "b"]);
    await say(store, "a", "1");
    const kept = await say(store, "b", "2");
    await store.deleteChannel("a");
    assertEquals((await eraseAll(store, "u")).flat().map(({ id }) => id), [kept.id]);
  });
}
