/**
 * What the parts of the store's suite share.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Message, MessageDraft, Store } from "../../src/store/store.ts";

/** A store and whatever it lies on, closed and removed together. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store;
}

/** How the suite gets at an adapter. */
export interface StoreSuite {
  /** Opens an empty store. */
  readonly open: (options: { now?: () => number }) => Promise<OpenedStore>;
  /** `own` where the adapter cannot be given a clock: what needs one is listed as ignored. */
  readonly clock: "given" | "own";
}

/** A clock that a test sets. */
export interface Clock {
  nowMs: number;
}

/** Registers tests of one adapter. */
export interface StoreTests {
  readonly test: (behaviour: string, run: (store: Store) => Promise<void>) => void;
  readonly testWithClock: (behaviour: string, run: (store: Store, clock: Clock) => Promise<void>) => void;
}

export const HOUR_MS = 3_600_000;
export const NOON = Date.UTC(2026, 0, 1, 12);
/** An id that no message has. */
export const UNKNOWN_ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

/** How tests of one adapter are registered; `name` begins the name of each. */
export function testsOf(name: string, { open, clock }: StoreSuite): StoreTests {
  return {
    test(behaviour, run) {
      Deno.test(`${name} ${behaviour}`, async () => {
        await using opened = await open({});
        await run(opened.store);
      });
    },
    testWithClock(behaviour, run) {
      const ignore = clock === "own";
      Deno.test({
        name: `${name} ${behaviour}${ignore ? " (not tried: its clock is its own)" : ""}`,
        ignore,
        async fn() {
          const time: Clock = { nowMs: NOON };
          await using opened = await open({ now: () => time.nowMs });
          await run(opened.store, time);
        },
      });
    },
  };
}

export function channelDraft(id: string): { id: string; name: string; description: string } {
  return { id, name: id, description: "" };
}

export function messageDraft(channelId: string, content: string): MessageDraft {
  return { channelId, userId: "u", content };
}

export async function createChannels(store: Store, all: readonly string[]): Promise<void> {
  await Promise.all(all.map((id) => store.createChannel(channelDraft(id))));
}

export async function say(store: Store, channelId: string, content: string): Promise<Message> {
  return (await store.append(messageDraft(channelId, content))).message;
}

/** Appends messages `1`, `2`, … in one turn. */
export function fill(store: Store, channelId: string, count: number): Promise<Message[]> {
  return Promise.all(numbers(1, count).map((n) => say(store, channelId, String(n))));
}

/** Appends a few messages each turn of the event loop until it is disposed. */
export function appendUntilDisposed(store: Store, channelId: string): AsyncDisposable {
  let going = true;
  const appending = (async () => {
    while (going) {
      await fill(store, channelId, 3);
      await after(0, () => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      going = false;
      await appending;
    },
  };
}

export function after<T>(ms: number, run: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => setTimeout(() => Promise.resolve(run()).then(resolve, reject), ms));
}

export function seqs(messages: readonly Message[]): number[] {
  return messages.map(({ seq }) => seq);
}

export function contents(messages: readonly { content: string }[]): string[] {
  return messages.map(({ content }) => content);
}

/** Whole numbers, both ends among them. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n);
}

/** A channel `a` with a message of `u` for each content. */
export async function channelWith<const T extends readonly string[]>(
  store: Store,
  ...contents: T
): Promise<{ -readonly [Index in keyof T]: Message }> {
  await store.createChannel(channelDraft("a"));
  return await sayAll(store, ...contents);
}

/** Messages of `u` in channel `a`, in one turn. */
export async function sayAll<const T extends readonly string[]>(
  store: Store,
  ...contents: T
): Promise<{ -readonly [Index in keyof T]: Message }> {
  const messages = await Promise.all(contents.map((content) => say(store, "a", content)));
  return messages as { -readonly [Index in keyof T]: Message };
}

/** A message of `u` in channel `a` with what `draft` has more. */
export async function send(store: Store, draft: Partial<MessageDraft>): Promise<Message> {
  return (await store.append({ ...messageDraft("a", "hi"), ...draft })).message;
}

/** The `seq` of the channel's last change. */
export async function headOf(store: Store, channelId = "a"): Promise<number> {
  return (await store.getChannel(channelId)).headSeq;
}

/** All messages of a channel, oldest first. */
export async function allOf(store: Store, channelId = "a"): Promise<readonly Message[]> {
  return (await store.history(channelId, { limit: 10_000 })).messages;
}

/** The ids of messages. */
export function idsOf(messages: readonly { readonly id: string }[]): string[] {
  return messages.map(({ id }) => id);
}

/** Sweeps until nothing is left to do. */
export async function sweepAll(store: Store): Promise<void> {
  let steps = 0;
  while (await store.sweep()) assert(++steps < 1_000, "sweep() comes to no end");
}

/** What is found, newest first; a term that ends in `*` is a beginning. */
export async function foundIn(store: Store, terms: readonly string[], channelId?: string): Promise<string[]> {
  const query = terms.map((term) => ({ text: term.replace(/\*$/, ""), prefix: term.endsWith("*") }));
  const { messages, partial } = await store.search({
    terms: query,
    limit: 100,
    ...(channelId === undefined ? {} : { channelId }),
  });
  assertEquals(partial, false);
  return contents(messages);
}
