/**
 * What every {@linkcode Store} keeps to about the order of all changes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import type { Message, Store } from "../../src/store/store.ts";
import { generator, newSeed, type Random } from "../store/support/random.ts";
import { StoreModel, type StoreOperation } from "./store_model.ts";
import {
  after,
  allOf,
  channelDraft,
  channelWith,
  fill,
  headOf,
  idsOf,
  numbers,
  say,
  send,
  type StoreSuite,
  testsOf,
} from "./store_support.ts";

/** Operations of one run of the random test, and how many runs there are. */
const OPERATIONS = 300;
const RUNS = 3;

/** Registers this part of the suite for one adapter. */
export function testStoreChanges(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  test("changes() gives each message once, as it is now, in the order of versions", async (store) => {
    const [one, two, three, four, five] = await channelWith(store, "1", "2", "3", "4", "5");
    await store.editMessage("a", two.id, { content: "2 edited" });
    await store.deleteMessages("a", [one.id]);
    await store.pin("a", four.id, true);
    await store.react("a", two.id, [{ userId: "v", emoji: "👍", on: true }]);
    await store.react("a", five.id, [{ userId: "v", emoji: "👍", on: true }]);
    await store.pin("a", four.id, false);
    const { messages, hasMore, headSeq } = await store.changes("a", { after: 0, limit: 100 });
    assertEquals(messages.map(({ seq, version }) => [seq, version]), [[3, 3], [1, 7], [2, 9], [5, 10], [4, 11]]);
    assertEquals([hasMore, headSeq], [false, 11]);
    assertEquals(new Set(messages), new Set(await allOf(store)));
    assertEquals(messages[0], three);
  });

  const CHANGES: Record<string, (store: Store, id: string) => Promise<unknown>> = {
    "an edit": (store, id) => store.editMessage("a", id, { content: "new" }),
    "an edit of metadata": (store, id) => store.editMessage("a", id, { metadata: { a: 1 } }),
    "a deletion": (store, id) => store.deleteMessages("a", [id]),
    "a reaction": (store, id) => store.react("a", id, [{ userId: "v", emoji: "👍", on: true }]),
    "a reaction less": (store, id) => store.react("a", id, [{ userId: "w", emoji: "👎", on: false }]),
    "a pin": (store, id) => store.pin("a", id, true),
    "a reply": (store, replyTo) => send(store, { replyTo }),
  };
  for (const [kind, change] of Object.entries(CHANGES)) {
    test(`changes() from the head before it has ${kind} alone`, async (store) => {
      const [{ id }] = await channelWith(store, "1", "2");
      await store.react("a", id, [{ userId: "w", emoji: "👎", on: true }]);
      const before = await headOf(store);
      await change(store, id);
      const { messages, headSeq } = await store.changes("a", { after: before, limit: 10 });
      assertEquals([messages.map(({ version }) => version), headSeq], [[before + 1], before + 1]);
    });
  }

  test("changes() has nothing of a deleted message but its stub", async (store) => {
    const [{ id }] = await channelWith(store, "secret");
    await store.editMessage("a", id, { content: "secret too" });
    await store.deleteMessages("a", [id]);
    const { messages } = await store.changes("a", { after: 0, limit: 10 });
    assertEquals(messages, [await store.getMessage("a", id)]);
    assertEquals(messages[0]?.content, "");
  });

  test("changes() pages by version where changes have left gaps", async (store) => {
    await store.createChannel(channelDraft("a"));
    const messages = await fill(store, "a", 20);
    await Promise.all(
      messages.map(({ id, seq }) => seq % 3 ? undefined : store.editMessage("a", id, { content: "new" })),
    );
    const seen = await changesFrom(store, 0, 4);
    assertEquals(seen.map(({ version }) => version), [...numbers(1, 20).filter((n) => n % 3), ...numbers(21, 26)]);
  });

  test("changes() page by page brings a copy to what the channel is while it changes", async (store) => {
    await store.createChannel(channelDraft("a"));
    const all = idsOf(await fill(store, "a", 60));
    const seed = newSeed();
    const random = generator(seed);
    const changing = (async () => {
      for (let n = 0; n < 60; n++) {
        const id = all[random(all.length)] ?? "";
        const kind = random(4);
        if (kind === 0) all.push((await say(store, "a", String(n))).id);
        else if (kind === 1) await store.editMessage("a", id, { content: `edit ${n}` }).catch(() => {});
        else if (kind === 2) await store.pin("a", id, random(2) === 0).catch(() => {});
        else await store.deleteMessages("a", [id]);
        await after(0, () => {});
      }
    })();
    let done = false;
    changing.then(() => done = true, () => done = true);
    const copy = new Map<string, Message>();
    for (let version = 0;;) {
      const finished = done;
      const { messages, hasMore } = await store.changes("a", { after: version, limit: 7 });
      for (const message of messages) {
        assert(message.version > version, `seed ${seed}`);
        version = message.version;
        copy.set(message.id, message);
      }
      if (finished && !hasMore) break;
      await after(0, () => {});
    }
    await changing;
    assertEquals([...copy.values()].toSorted((a, b) => a.seq - b.seq), await allOf(store), `seed ${seed}`);
  });

  test("history(), changes() and pins() are what a plain model says after any operations", async (store) => {
    for (let run = 0; run < RUNS; run++) {
      const seed = newSeed();
      const random = generator(seed);
      const channelId = `run-${run}`;
      await store.createChannel(channelDraft(channelId));
      const model = new StoreModel(channelId);
      const ids: string[] = [];
      for (let done = 0; done < OPERATIONS;) {
        const batch = Array.from({ length: 1 + random(8) }, () => model.draw(random));
        done += batch.length;
        const outcomes = await Promise.all(batch.map((operation) => perform(store, channelId, ids, operation)));
        for (const [index, operation] of batch.entries()) {
          const told = `seed ${seed}, before operation ${done}: ${JSON.stringify(operation)}`;
          assertEquals(outcomes[index], model.perform(operation), told);
        }
        ids.push(
          ...(await store.changes(channelId, { after: 0, limit: 10_000 })).messages
            .toSorted((a, b) => a.seq - b.seq).slice(ids.length).map(({ id }) => id),
        );
      }
      const told = `seed ${seed}`;
      assertEquals(model.plain(await allOf(store, channelId)), model.history, told);
      assertEquals(model.plain(await changesFrom(store, 0, 1 + random(9), channelId)), model.changes, told);
      assertEquals(model.plain(await pinsOf(store, channelId, random)), model.pins, told);
      assertEquals(await headOf(store, channelId), model.headSeq, told);
    }
  });
}

/** Does an operation; resolves with what became of it as {@linkcode StoreModel.perform} tells it. */
async function perform(store: Store, channel: string, ids: readonly string[], operation: StoreOperation) {
  const id = (index: number) => ids[index] ?? "01BX5ZZKBKACTAV9WEVGEMMVRZ";
  try {
    switch (operation.kind) {
      case "append": {
        const { kind: _, replyTo, ...draft } = operation;
        const reply = replyTo === undefined ? {} : { replyTo: id(replyTo) };
        await store.append({ channelId: channel, ...draft, ...reply });
        return true;
      }
      case "edit": {
        const { content, metadata } = operation;
        const patch = { ...(content === undefined ? {} : { content, mentions: [] }), ...metadata };
        return (await store.editMessage(channel, id(operation.target), patch)).changed;
      }
      case "delete":
        return (await store.deleteMessages(channel, operation.targets.map(id))).some(({ changed }) => changed);
      case "react":
        return (await store.react(channel, id(operation.target), operation.requests)).changed;
      case "pin":
        return (await store.pin(channel, id(operation.target), operation.pinned)).changed;
    }
  } catch (error) {
    if (error instanceof ChatError && ["not_found", "invalid"].includes(error.code)) return "refused";
    throw error;
  }
}

/** Everything after a version, page by page. */
async function changesFrom(store: Store, after: number, limit: number, channelId = "a"): Promise<Message[]> {
  const seen: Message[] = [];
  for (let more = true; more;) {
    const page = await store.changes(channelId, { after: seen.at(-1)?.version ?? after, limit });
    seen.push(...page.messages);
    more = page.hasMore;
  }
  return seen;
}

/** All pins, page by page. */
async function pinsOf(store: Store, channelId: string, random: Random): Promise<Message[]> {
  const seen: Message[] = [];
  for (let more = true; more;) {
    const last = seen.at(-1);
    const page = await store.pins(channelId, { limit: 1 + random(5), ...(last ? { before: last.id } : {}) });
    seen.push(...page.messages);
    more = page.hasMore;
  }
  return seen;
}
