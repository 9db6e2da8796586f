/**
 * Measures a long history: one channel of many messages in a SQLite file, read, recovered, searched and counted, and the plans of the queries.
 * @module
 */
import { cpuUsage } from "node:process";
import { missedSince } from "../src/chat/missed_since.ts";
import { searchTerms } from "../src/chat/message_input.ts";
import { welcomePayload } from "../src/chat/payload.ts";
import { SqliteChannels } from "../src/store/sqlite_channels.ts";
import { SqliteConnection } from "../src/store/sqlite_connection.ts";
import { SqliteHistory } from "../src/store/sqlite_history.ts";
import { SqliteReads } from "../src/store/sqlite_reads.ts";
import { SqliteSearch } from "../src/store/sqlite_search.ts";
import { SqliteStore } from "../src/store/sqlite_store.ts";
import type { Found, Message } from "../src/store/store.ts";

/** One kind of work. */
export interface Timing {
  readonly work: string;
  /** What is done in each run, such as 500 appends. */
  readonly per: number;
  /** Milliseconds of the clock, of all that is done in a run. */
  readonly median: number;
  readonly p99: number;
  /** Milliseconds of CPU in all threads, on average. */
  readonly cpu: number;
  /** What the median is not to exceed, or `cpu` where it says so. */
  readonly aim?: { readonly ms: number; readonly of: "median" | "cpu" };
  readonly note?: string;
}

/** How SQLite runs one of the statements. */
export interface Plan {
  readonly of: string;
  readonly steps: readonly string[];
  /** Whether a table is read from end to end, or rows are sorted. */
  readonly scans: boolean;
}

/** All that was measured. */
export interface HistoryResult {
  readonly messages: number;
  readonly bytes: number;
  readonly timings: readonly Timing[];
  readonly plans: readonly Plan[];
}

const CHANNEL = "long";
const OTHER_CHANNELS = 99;
const BATCH = 500;
const MISSED = 1_000;
const WORDS = ["the", "red", "fox", "meeting", "release", "server", "coffee", "tomorrow", "please", "thanks", "branch"];

/** Fills a channel in a temporary folder and measures it; `note` hears how far it is. */
export async function measureHistory(
  messages: number,
  { note, signal }: { note: (text: string) => void; signal: AbortSignal },
): Promise<HistoryResult> {
  const folder = await Deno.makeTempDir({ prefix: "chat-bench-" });
  try {
    const path = `${folder}/chat.db`;
    await using store = await SqliteStore.open({ path, synchronous: "normal" });
    note(`history: ${messages.toLocaleString("en")} messages are stored`);
    const ids = await fill(store, messages, signal);
    const timings = [await appends("500 appends, search behind", store, signal)];
    note("history: search is prepared");
    timings.push(await sweeps(store, signal));
    timings.push(await appends("500 appends, search up to date", store, signal));
    while (await store.sweep());
    await changeSome(store, ids);
    note("history: reads");
    timings.push(...await reads(store, ids, signal));
    return { messages, bytes: (await Deno.stat(path)).size, timings, plans: await plansOf(path, ids) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The figures, one line each. */
export function timingTable(timings: readonly Timing[]): string[][] {
  const head = ["work", "median ms", "p99 ms", "CPU ms", "aim", ""];
  return [
    head,
    ...timings.map(({ work, median, p99, cpu, aim, note = "" }) => [
      work,
      median.toFixed(3),
      p99.toFixed(3),
      cpu.toFixed(3),
      aim === undefined ? "" : `${aim.of} <= ${aim.ms}`,
      aim === undefined ? note : (aim.of === "cpu" ? cpu : median) <= aim.ms ? "met" : "NOT met",
    ]),
  ];
}

/** The plans, each below the name of its query. */
export function planText(plans: readonly Plan[]): string {
  return plans.map(({ of, steps, scans }) => [`${of}${scans ? ": SCANS" : ""}`, ...steps.map((step) => `  ${step}`)])
    .flat().join("\n");
}

/** Stores the messages; resolves with the id of every hundredth. */
async function fill(store: SqliteStore, messages: number, signal: AbortSignal): Promise<string[]> {
  await store.createChannel({ id: CHANNEL, name: CHANNEL, description: "" });
  for (let n = 1; n <= OTHER_CHANNELS; n++) {
    const id = `other${n}`;
    await store.createChannel({ id, name: id, description: "" });
    await Promise.all(Array.from({ length: 20 }, (_, at) => append(store, id, at)));
  }
  const ids: string[] = [];
  for (let from = 0; from < messages; from += BATCH) {
    signal.throwIfAborted();
    const count = Math.min(BATCH, messages - from);
    const batch = await Promise.all(Array.from({ length: count }, (_, at) => append(store, CHANNEL, from + at)));
    ids.push(...batch.filter((_, at) => (from + at) % 100 === 0).map(({ id }) => id));
  }
  return ids;
}

/** A message of some ten words; "the" is in most, "zebra" in one of 10,000, and one in twenty mentions somebody. */
async function append(store: SqliteStore, channelId: string, n: number): Promise<Message> {
  const words = Array.from({ length: 9 }, (_, at) => WORDS[(n * 7 + at * (n % 5 + 3)) % WORDS.length] ?? "");
  const content = `${words.join(" ")} number${n % 5_000}${n % 10_000 === 77 ? " zebra" : ""}`;
  const mentions = n % 20 === 0 ? { mentions: ["reader"] } : {};
  return (await store.append({ channelId, userId: `user${n % 50}`, content, ...mentions })).message;
}

/** 250 pins and 150 other changes all over the history, as it is in use. */
async function changeSome(store: SqliteStore, ids: readonly string[]): Promise<void> {
  const some = (count: number, shift: number) =>
    Array.from({ length: count }, (_, n) => ids[(n * 7 + shift) % ids.length] ?? "");
  await ignoring(some(250, 1).map((id) => store.pin(CHANNEL, id, true)));
  await ignoring(
    some(50, 2).map((id) => store.editMessage(CHANNEL, id, { content: "the edited words", mentions: [] })),
  );
  await ignoring(some(50, 3).map((id) => store.react(CHANNEL, id, [{ userId: "reader", emoji: "👍", on: true }])));
  await ignoring([store.deleteMessages(CHANNEL, some(50, 4))]);
}

/** A history that is short has some of them twice. */
async function ignoring(writes: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(writes);
}

async function appends(work: string, store: SqliteStore, signal: AbortSignal): Promise<Timing> {
  let n = 0;
  const timing = await timed({ work, runs: 20, signal }, async () => {
    await Promise.all(Array.from({ length: BATCH }, () => append(store, CHANNEL, n++)));
  });
  const note = `${(timing.median * 1_000 / BATCH).toFixed(1)} µs a message, CPU ${perMessage(timing.cpu, BATCH)}`;
  return { ...timing, per: BATCH, note };
}

async function sweeps(store: SqliteStore, signal: AbortSignal): Promise<Timing> {
  const walls: number[] = [];
  const before = cpuUsage();
  for (let more = true; more;) {
    signal.throwIfAborted();
    const start = performance.now();
    more = await store.sweep();
    walls.push(performance.now() - start);
  }
  const cpu = cpuSince(before) / walls.length;
  const note = `${walls.length} steps of 2,000 messages, CPU ${perMessage(cpu, 2_000)}`;
  return { work: "a sweep that prepares search", per: 2_000, ...spread(walls), cpu, note };
}

async function reads(store: SqliteStore, ids: readonly string[], signal: AbortSignal): Promise<Timing[]> {
  const id = (n: number) => ids[(n * 7_919) % ids.length] ?? "";
  const aim = { ms: 1, of: "median" } as const;
  const channel = await store.getChannel(CHANNEL);
  const resume = { lastSeq: channel.headSeq - MISSED, epoch: channel.epoch };
  const page = (work: string, query: (n: number) => object) =>
    timed({ work, runs: 500, aim, signal }, (n) => store.history(CHANNEL, { limit: 50, ...query(n) }));
  const search = async (work: string, q: string, channelId?: string) => {
    const query = { terms: searchTerms(q), limit: 50, ...(channelId === undefined ? {} : { channelId }) };
    let found: Found | undefined;
    const timing = await timed({ work: `search, ${work}`, runs: 20, signal }, async () => {
      found = await store.search(query);
    });
    return { ...timing, note: `${found?.messages.length ?? 0} found${found?.partial ? ", PARTIAL" : ""}` };
  };
  return [
    await page("50 messages, the newest", () => ({})),
    await page("50 messages, before one in the middle", (n) => ({ before: id(n) })),
    await page("50 messages, around one in the middle", (n) => ({ around: id(n) })),
    await timed({ work: "50 pins", runs: 200, aim, signal }, () => store.pins(CHANNEL, { limit: 50 })),
    await timed({ work: `${MISSED} changes, read`, runs: 50, signal }, () => {
      return store.changes(CHANNEL, { after: resume.lastSeq, limit: MISSED });
    }),
    await timed(
      { work: `${MISSED} changes, as a join answers`, runs: 50, aim: { ms: 15, of: "cpu" }, signal },
      async () => {
        const missed = await missedSince(store, channel, resume);
        if (typeof missed === "string") throw new Error(`these changes cannot be recovered: ${missed}`);
        welcomePayload(channel, missed, { recovered: true });
      },
    ),
    await timed({ work: "unread of 100 channels", runs: 50, signal }, () => store.unread("reader", { limit: 100 })),
    await search("rare word, channel", "zebra", CHANNEL),
    await search("rare word, everywhere", "zebra"),
    await search("common word, channel", "the", CHANNEL),
    await search("common word, everywhere", "the"),
    await search("prefix, channel", "number49*", CHANNEL),
    await search("prefix, everywhere", "number49*"),
    await search("two words, channel", "zebra coffee", CHANNEL),
    await search("no hit, channel", "unicorn", CHANNEL),
    await search("no hit, everywhere", "unicorn"),
    await search("common word, small channel", "the", "other1"),
  ];
}

interface TimedOptions {
  readonly work: string;
  readonly runs: number;
  readonly aim?: NonNullable<Timing["aim"]>;
  readonly signal: AbortSignal;
}

/** Runs something often; the first tenth only warms up. */
async function timed({ work, runs, aim, signal }: TimedOptions, run: (n: number) => Promise<unknown>): Promise<Timing> {
  for (let n = 0; n < runs / 10; n++) await run(n);
  const walls: number[] = [];
  const before = cpuUsage();
  for (let n = 0; n < runs; n++) {
    signal.throwIfAborted();
    const start = performance.now();
    await run(n);
    walls.push(performance.now() - start);
  }
  return { work, per: 1, ...spread(walls), cpu: cpuSince(before) / runs, ...(aim === undefined ? {} : { aim }) };
}

function spread(walls: readonly number[]): { median: number; p99: number } {
  const sorted = walls.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { median: at(0.5), p99: at(0.99) };
}

function cpuSince(before: { user: number; system: number }): number {
  const { user, system } = cpuUsage(before);
  return (user + system) / 1_000;
}

function perMessage(ms: number, messages: number): string {
  return `${(ms * 1_000 / messages).toFixed(1)} µs each`;
}

/** The connection of the store, which also remembers what was asked of it. */
class RecordingConnection extends SqliteConnection {
  readonly #texts = new Set<string>();

  override sql(text: string): ReturnType<SqliteConnection["sql"]> {
    if (/^SELECT/.test(text)) this.#texts.add(text);
    return super.sql(text);
  }

  /** The plan of each statement that `run` is the first to use. */
  plans(of: string, run: () => unknown): Plan[] {
    const known = new Set(this.#texts);
    run();
    return [...this.#texts].filter((text) => !known.has(text)).map((text) => {
      const steps = super.sql(`EXPLAIN QUERY PLAN ${text}`).all().map(({ detail }) => String(detail));
      return { of, steps, scans: steps.some((step) => SCAN.test(step)) };
    });
  }
}

/** Virtual tables are always "scanned", by an index of their own; a subquery's rows are those its steps found; `searched` has one row. */
const SCAN = /^SCAN (?!\S+ VIRTUAL TABLE INDEX|\(subquery|searched$)|^USE TEMP B-TREE/;

/** How SQLite runs the statements behind the reads. */
function plansOf(path: string, ids: readonly string[]): Plan[] {
  using connection = new RecordingConnection({ path, synchronous: "normal", readOnly: true });
  const channels = new SqliteChannels(connection, Date.now);
  const history = new SqliteHistory(connection, channels);
  const search = new SqliteSearch(connection);
  const limit = 50;
  const middle = ids[Math.floor(ids.length / 2)] ?? "";
  const terms = searchTerms("zebra");
  return [
    ...connection.plans("the channel", () => channels.row(CHANNEL)),
    ...connection.plans("page, newest or before", () => history.page(CHANNEL, { limit })),
    ...connection.plans(
      "page, around or after: the place of an id, then the rows",
      () => history.page(CHANNEL, { limit, around: middle }),
    ),
    ...connection.plans("a message by its id", () => history.get(CHANNEL, middle)),
    ...connection.plans("changes", () => history.changes(CHANNEL, { after: 0, limit })),
    ...connection.plans("pins", () => history.pins(CHANNEL, { limit })),
    ...connection.plans("search: is it up to date", () => search.isBehind),
    ...connection.plans("search", () => {
      search.step({ terms, channelId: CHANNEL, limit }, Number.MAX_SAFE_INTEGER);
    }),
    ...connection.plans("unread", () => new SqliteReads(connection, channels).list("reader", { limit })),
  ];
}
