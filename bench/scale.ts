/**
 * Measures what more instances cost and bring: one channel's fan-out at one instance, at another one behind Redis and by
 * two workers; then how many messages a second the stores acknowledge.
 *
 * The servers are not pinned to cores, as they are several, and `BENCH_SERVICE_CMD` is not obeyed.
 *
 * @module
 */
import { openStore } from "../src/store/open_store.ts";
import type { Store } from "../src/store/store.ts";
import { noPostgres, PostgresServer } from "../tests/support/postgres_server.ts";
import { RedisServer } from "../tests/support/redis_server.ts";
import { Server } from "../tests/support/server.ts";
import { align, median } from "./report.ts";
import type { Crowd, CrowdLoad } from "./scale_client.ts";

/** How much is measured. */
export interface ScaleOptions {
  readonly rounds: number;
  readonly secs: number;
  readonly warm: number;
  /** Durability of the SQLite behind the servers; absent = the service's default. */
  readonly sync: "full" | "normal" | undefined;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** One process in one round of fan-out. */
export interface FanOut {
  /** Messages and deliveries of this process. */
  readonly messagesPerSecond: number;
  readonly deliveriesPerSecond: number;
  /** Microseconds; absent where the process delivers to nobody but the sender. */
  readonly cpuPerDelivery?: number;
  readonly cpuPerMessage: number;
  /** Cores that the client was busy on. */
  readonly clientCores: number;
}

/** The rounds, in order, of each process by its name. */
export type FanOuts = Readonly<Record<ProcessName, readonly FanOut[]>>;

/** Messages a second that one store acknowledged, round by round. */
export interface Durable {
  readonly store: string;
  readonly senders: number;
  readonly perSecond: readonly number[];
}

/** All that was measured. */
export interface ScaleResult {
  readonly cores: number;
  readonly secs: number;
  readonly durableSecs: number;
  readonly fanOuts: FanOuts;
  readonly durables: readonly Durable[];
  /** What was left out, and why. */
  readonly missing: readonly string[];
}

const RECEIVERS = 300;
const WINDOW = 8;
/** The stores are measured for so long at most. */
const DURABLE_SECS = 3;
const SENDERS = [1, 50] as const;
const HOP_AIM = 1.2;
const WORKERS_AIM = 1.6;
/** Theirs and the client's. */
const CORES_OF_TWO_WORKERS = 3;

const PROCESSES = ["one", "remote", "origin", "redis", "two"] as const;
type ProcessName = typeof PROCESSES[number];

const LABELS: Record<ProcessName, readonly [setup: string, process: string]> = {
  one: ["1 instance, 1 worker", "sender and receivers"],
  remote: ["2 processes, Redis", "B: receivers"],
  origin: ["2 processes, Redis", "A: sender"],
  redis: ["2 processes, Redis", "redis-server"],
  two: ["1 process, 2 workers", "sender and receivers"],
};

const SETUPS = ["one", "redis", "two"] as const;
type Setup = typeof SETUPS[number];

const CLIENT = new URL("./scale_client.ts", import.meta.url).pathname;

/** Measures both; leaves out what needs a server that is not installed. */
export async function measureScale(options: ScaleOptions): Promise<ScaleResult> {
  const missing = [
    ...(await isInstalled("redis-server") ? [] : ["2 processes: there is no redis-server"]),
    ...(noPostgres === undefined ? [] : [`Postgres: ${noPostgres}`]),
  ];
  const durableSecs = Math.min(options.secs, DURABLE_SECS);
  return {
    cores: navigator.hardwareConcurrency,
    secs: options.secs,
    durableSecs,
    fanOuts: await measureFanOuts(missing.some((text) => text.includes("redis")) ? ["one", "two"] : SETUPS, options),
    durables: await measureDurables({ ...options, secs: durableSecs }),
    missing,
  };
}

/** The tables, with a line above each. */
export function scaleText({ cores, secs, durableSecs, fanOuts, durables, missing }: ScaleResult): string[] {
  const rounds = fanOuts.one.length;
  return [
    `Scale: 1 channel x ${RECEIVERS} receivers and 1 sender, ${WINDOW} messages under way (over when acknowledged and received by all),\n` +
    `medians of ${rounds} x ${secs} s, fresh servers each, not pinned; CPU of the process, all threads. "Local" also accepts, stores and acknowledges; remote does not.\n` +
    `${cores} cores, of which the client needs one.`,
    fanOutTable(fanOuts),
    scaleRatioTable(fanOuts, cores),
    `Acknowledged messages per second, straight on the stores: SQLite synchronous=full, Postgres synchronous_commit=on, one disk;\n` +
    `medians of ${rounds} x ${durableSecs} s.`,
    durableTable(durables),
    ...missing.map((text) => `NOT measured: ${text}.`),
  ];
}

async function measureFanOuts(setups: readonly Setup[], options: ScaleOptions): Promise<FanOuts> {
  const { rounds, note } = options;
  const results: Record<ProcessName, FanOut[]> = { one: [], remote: [], origin: [], redis: [], two: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const setup of round % 2 === 1 ? setups : setups.toReversed()) {
      note(`scale: ${LABELS[setup][0]}, round ${round} of ${rounds}`);
      const found = setup === "redis" ? await measureTwoProcesses(options) : await measureOneProcess(setup, options);
      for (const [name, fanOut] of Object.entries(found)) results[name as ProcessName].push(fanOut);
    }
  }
  return results;
}

async function measureOneProcess(setup: "one" | "two", options: ScaleOptions): Promise<Record<string, FanOut>> {
  const folder = await Deno.makeTempDir({ prefix: "chat-bench-" });
  try {
    await using server = await startServer(folder, { CHAT_WORKERS: setup === "one" ? "1" : "2" }, options);
    const load = await runCrowd([server], [server.pid], options);
    return { [setup]: fanOut(load, 0, load.deliveries + load.echoes) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The sender is at A, all receivers at B. */
async function measureTwoProcesses(options: ScaleOptions): Promise<Record<string, FanOut>> {
  const folder = await Deno.makeTempDir({ prefix: "chat-bench-" });
  try {
    await using redis = await RedisServer.start();
    const redisPid = Number(/process_id:(\d+)/.exec(await redis.cli("info", "server"))?.[1]);
    await using a = await startServer(folder, { CHAT_BUS_URL: redis.url }, options);
    await using b = await startServer(folder, { CHAT_BUS_URL: redis.url }, options);
    const load = await runCrowd([a, b], [a.pid, b.pid, redisPid], options);
    return { origin: fanOut(load, 0, 0), remote: fanOut(load, 1, load.deliveries), redis: fanOut(load, 2, 0) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function startServer(folder: string, env: Record<string, string>, { sync }: ScaleOptions): Promise<Server> {
  // Named here, so that what the environment says of them does not change the setup.
  const setup = { CHAT_WORKERS: "1", CHAT_BUS_URL: "local:", HOST: "127.0.0.1", ...env };
  return Server.start({ folder, env: { ...setup, ...(sync && { CHAT_SQLITE_SYNCHRONOUS: sync }) } });
}

/** The sender is at the first of the servers, the receivers at the last. */
async function runCrowd(
  servers: readonly [Server, ...Server[]],
  pids: readonly number[],
  { warm, secs, signal }: ScaleOptions,
): Promise<CrowdLoad> {
  signal.throwIfAborted();
  const receiverPort = servers.at(-1)?.port ?? 0;
  const crowd: Crowd = {
    senderPort: servers[0].port,
    receiverPort,
    receivers: RECEIVERS,
    window: WINDOW,
    warm,
    secs,
    pids,
  };
  const args = ["run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-run=cat", CLIENT, JSON.stringify(crowd)];
  const command = new Deno.Command(Deno.execPath(), { args, signal, stdout: "piped", stderr: "piped" });
  const { success, stdout, stderr } = await command.output();
  signal.throwIfAborted();
  const said = () => servers.map(({ output }) => output.slice(-2_000)).join("\n");
  if (!success) throw new Error(`${new TextDecoder().decode(stderr).trim()}\nThe servers said:\n${said()}`);
  const load: CrowdLoad = JSON.parse(new TextDecoder().decode(stdout));
  if (load.deliveries === 0) throw new Error(`No message came through. The servers said:\n${said()}`);
  return load;
}

function fanOut({ secs, messages, cpu, clientCpu }: CrowdLoad, at: number, deliveries: number): FanOut {
  const micros = (cpu[at] ?? NaN) * 1_000_000;
  return {
    messagesPerSecond: messages / secs,
    deliveriesPerSecond: deliveries / secs,
    ...(deliveries > 0 ? { cpuPerDelivery: micros / deliveries } : {}),
    cpuPerMessage: micros / messages,
    clientCores: clientCpu / secs,
  };
}

function fanOutTable(fanOuts: FanOuts): string {
  const head = [
    "setup",
    "process",
    "µs CPU/delivery",
    "µs CPU/message",
    "deliveries/s",
    "messages/s",
    "client cores",
  ];
  const rows = PROCESSES.filter((name) => fanOuts[name].length > 0).map((name) => {
    const of = (field: keyof FanOut, digits: number) =>
      median(fanOuts[name].map((round) => round[field] ?? NaN)).toFixed(digits);
    const delivers = fanOuts[name].some(({ cpuPerDelivery }) => cpuPerDelivery !== undefined);
    return [
      ...LABELS[name],
      delivers ? of("cpuPerDelivery", 2) : "-",
      of("cpuPerMessage", 0),
      delivers ? of("deliveriesPerSecond", 0) : "-",
      of("messagesPerSecond", 0),
      of("clientCores", 2),
    ];
  });
  return align([head, ...rows], (column) => column < 2);
}

function scaleRatioTable(fanOuts: FanOuts, cores: number): string {
  const narrow = cores < CORES_OF_TWO_WORKERS ? `: ${cores} cores, and the client needs one` : "";
  const together = fanOuts.origin.map((a, n) => ({
    ...a,
    cpuPerMessage: a.cpuPerMessage + (fanOuts.remote[n]?.cpuPerMessage ?? NaN),
  }));
  const rows = [
    ratioRow("remote : local, CPU per delivery", fanOuts.remote, fanOuts.one, "cpuPerDelivery", { most: HOP_AIM }),
    ratioRow("A and B : local, CPU per message", together, fanOuts.one, "cpuPerMessage", {}),
    ratioRow("2 workers : 1, deliveries/s", fanOuts.two, fanOuts.one, "deliveriesPerSecond", {
      least: WORKERS_AIM,
      narrow,
    }),
    ratioRow("2 workers : 1, CPU per delivery", fanOuts.two, fanOuts.one, "cpuPerDelivery", {}),
  ];
  return align([["compared", "ratio", "rounds", "aim", ""], ...rows.flat()], (column) => column === 0 || column === 4);
}

/** One line, or none where it was not measured. */
function ratioRow(
  label: string,
  above: readonly FanOut[],
  below: readonly FanOut[],
  field: keyof FanOut,
  { most, least, narrow = "" }: { most?: number; least?: number; narrow?: string },
): string[][] {
  if (above.length === 0) return [];
  const of = (fanOut: FanOut | undefined) => fanOut?.[field] ?? NaN;
  const ratio = median(above.map(of)) / median(below.map(of));
  const rounds = above.map((round, n) => of(round) / of(below[n]));
  const spread = `${Math.min(...rounds).toFixed(2)}-${Math.max(...rounds).toFixed(2)}`;
  const isMet = (value: number) => value <= (most ?? Infinity) && value >= (least ?? 0);
  const disagree = rounds.every((value) => isMet(value) === isMet(ratio)) ? "" : ", rounds disagree";
  const aim = most !== undefined ? `<= ${most.toFixed(2)}` : least !== undefined ? `>= ${least.toFixed(2)}` : "";
  const outcome = aim === "" ? "" : (isMet(ratio) ? "met" : `NOT met${narrow}`) + disagree;
  return [[label, ratio.toFixed(2), spread, aim, outcome]];
}

async function measureDurables({ rounds, secs, note, signal }: ScaleOptions): Promise<Durable[]> {
  const folder = await Deno.makeTempDir({ prefix: "chat-bench-" });
  try {
    await using postgres = noPostgres === undefined ? await PostgresServer.start() : undefined;
    await using sqliteStore = await openStore({ url: `sqlite:${folder}/chat.db`, synchronous: "full" });
    await using postgresStore = postgres && await openStore({ url: await postgres.newDatabase(), synchronous: "full" });
    const stores = [["SQLite", sqliteStore] as const, ...(postgresStore ? [["Postgres", postgresStore] as const] : [])];
    for (const [, store] of stores) await store.createChannel({ id: "scale", name: "scale", description: "" });
    const results = stores.flatMap(([name, store]) =>
      SENDERS.map((senders) => ({ store: name, of: store, senders, perSecond: [] as number[] }))
    );
    for (const senders of SENDERS) {
      for (let round = 1; round <= rounds; round++) {
        note(`scale: stores, ${senders} ${senders === 1 ? "sender" : "senders"}, round ${round} of ${rounds}`);
        const both = results.filter((result) => result.senders === senders);
        for (const { of, perSecond } of round % 2 === 1 ? both : both.toReversed()) {
          perSecond.push(await acknowledgedPerSecond(of, { senders, secs, signal }));
        }
      }
    }
    return results.map(({ store, senders, perSecond }) => ({ store, senders, perSecond }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Each sender waits for its message to be durable before it sends the next. */
async function acknowledgedPerSecond(
  store: Store,
  { senders, secs, signal }: { senders: number; secs: number; signal: AbortSignal },
): Promise<number> {
  const content = "x".repeat(64);
  const start = performance.now();
  const end = start + secs * 1_000;
  let acknowledged = 0;
  await Promise.all(Array.from({ length: senders }, async (_, n) => {
    while (performance.now() < end) {
      signal.throwIfAborted();
      await store.append({ channelId: "scale", userId: `user${n}`, content });
      acknowledged++;
    }
  }));
  return acknowledged * 1_000 / (performance.now() - start);
}

function durableTable(durables: readonly Durable[]): string {
  const rows = durables.map(({ store, senders, perSecond }) => [
    store,
    String(senders),
    median(perSecond).toFixed(0),
    `${Math.min(...perSecond).toFixed(0)}-${Math.max(...perSecond).toFixed(0)}`,
  ]);
  return align([["store", "senders", "acknowledged/s", "rounds"], ...rows], (column) => column === 0);
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" });
    return (await command.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
