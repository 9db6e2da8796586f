/**
 * `deno task bench`: measures the service beside a bare Deno fan-out in one run and prints the ratios, which travel better
 * than the figures; then the store with a million messages in one channel; then what more instances cost and bring. It
 * judges nothing: it ends with 0 unless something broke.
 *
 *     deno task bench [--only fanout|history|scale] [--rounds 3] [--secs 4] [--messages 1000000] [--quick] [--sync full|normal] [--json]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { compileFanload, type Load, runFanload } from "./fanload.ts";
import { type HistoryResult, measureHistory, planText, timingTable } from "./history.ts";
import { align, loadTable, ratiosOf, ratioTable, type Result } from "./report.ts";
import { measureScale, scaleText } from "./scale.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";
import { createRooms, type ServerName, SERVERS, startServer } from "./server.ts";

const PARTS = ["fanout", "history", "scale"] as const;
type Part = typeof PARTS[number];

interface Options {
  /** What is measured: the one that was asked for, or all; `--quick` leaves out `scale` unless asked. */
  readonly parts: readonly Part[];
  /** How many the long history has. */
  readonly messages: number;
  readonly rounds: number;
  readonly secs: number;
  readonly warm: number;
  readonly sync: "full" | "normal" | undefined;
  readonly json: boolean;
  /** Server on core 0, client on core 1. */
  readonly pinned: boolean;
  /** What is measured in the service's place. */
  readonly substitute: string | undefined;
}

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(name, () => interrupted.abort(new Error(`Interrupted by ${name}`)));
}

try {
  const options = await readOptions(Deno.args);
  const { parts } = options;
  const { signal } = interrupted;
  const results = parts.includes("fanout") ? await measure(options) : [];
  const ratios = ratiosOf(results);
  const history = parts.includes("history") ? await measureHistory(options.messages, { note, signal }) : undefined;
  const scale = parts.includes("scale") ? await measureScale({ ...options, note, signal }) : undefined;
  if (options.json) {
    const runs = results.map(({ scenario, loads }) => ({ scenario: scenario.name, ...loads }));
    print(JSON.stringify({ deno: Deno.version.deno, ...options, runs, ratios, history, scale }, null, 2));
  } else {
    const texts = [
      ...(results.length > 0 ? [describe(options), loadTable(results), ratioTable(ratios)] : []),
      ...(history === undefined ? [] : describeHistory(history)),
      ...(scale === undefined ? [] : scaleText(scale)),
    ];
    print(texts.join("\n\n"));
  }
  Deno.exit(0);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  Deno.exit(1);
}

async function readOptions(args: string[]): Promise<Options> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      secs: { type: "string" },
      only: { type: "string" },
      messages: { type: "string" },
      quick: { type: "boolean", default: false },
      sync: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { only, quick, sync, json } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : 3));
  const secs = Number(values.secs ?? (quick ? 1 : 4));
  const messages = Number(values.messages ?? (quick ? 20_000 : 1_000_000));
  const parts = PARTS.filter((part) => only === undefined ? part !== "scale" || !quick : part === only);
  if (parts.length === 0) throw new Error("--only: fanout, history or scale");
  if (!Number.isInteger(messages) || messages < 10_000) throw new Error("--messages: a whole number from 10000");
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds: a whole number from 1");
  if (!(secs > 0)) throw new Error("--secs: seconds, more than 0");
  if (sync !== undefined && sync !== "full" && sync !== "normal") throw new Error("--sync: full or normal");
  const pinned = await canPin();
  const substitute = Deno.env.get("BENCH_SERVICE_CMD") || undefined;
  return { parts, messages, rounds, secs, warm: quick ? 0.5 : 1, sync, json, pinned, substitute };
}

function describe({ rounds, secs, sync, pinned, substitute }: Options): string {
  return [
    `Deno ${Deno.version.deno}, medians of ${rounds} x ${secs} s, a fresh server each; the machine's noise is in the column "rounds".`,
    pinned ? "Server pinned to core 0, client to core 1." : "NOT pinned to cores: needs taskset and two cores.",
    ...(sync ? [`SQLite synchronous=${sync}.`] : []),
    ...(substitute ? [`In the service's place: ${substitute}`] : []),
  ].join("\n");
}

function describeHistory({ messages, bytes, timings, plans }: HistoryResult): string[] {
  const size = `${(bytes / 1_048_576).toFixed(0)} MiB on disk`;
  return [
    `One channel of ${
      messages.toLocaleString("en")
    } messages, ${size}, SQLite synchronous=normal; CPU of all threads, on average.`,
    align(timingTable(timings), (column) => column === 0 || column > 3),
    planText(plans),
  ];
}

async function measure(options: Options): Promise<Result[]> {
  await compileFanload();
  const results: Result[] = [];
  for (const scenario of SCENARIOS) {
    const loads: Record<ServerName, Load[]> = { bare: [], service: [] };
    for (let round = 1; round <= options.rounds; round++) {
      for (const name of round % 2 === 1 ? SERVERS : SERVERS.toReversed()) {
        note(`${scenario.name}: ${name}, round ${round} of ${options.rounds}`);
        loads[name].push(await measureOnce(scenario, name, options));
      }
    }
    results.push({ scenario, loads });
  }
  return results;
}

async function measureOnce(scenario: Scenario, name: ServerName, options: Options): Promise<Load> {
  const { clients, rooms, senders } = scenario;
  const { sync, pinned } = options;
  const { signal } = interrupted;
  await using server = await startServer(name, { sync, prefix: pinTo(0, pinned), signal });
  try {
    await createRooms(server, rooms);
    const { port, pid } = server;
    const { warm, secs } = senders > 0 ? options : { warm: 0, secs: 0.5 };
    return await runFanload({ port, pid, clients, rooms, senders, warm, secs, prefix: pinTo(1, pinned), signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}\nThe ${name} server said:\n${await server.lastWords() || "(nothing)"}`, {
      cause: error,
    });
  }
}

function pinTo(core: number, pinned: boolean): string[] {
  return pinned ? ["taskset", "-c", String(core)] : [];
}

async function canPin(): Promise<boolean> {
  const [command = "", ...args] = [...pinTo(0, true), ...pinTo(1, true), "true"];
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Results, on standard output. */
function print(text: string): void {
  writeAll(Deno.stdout, text);
}

/** Progress and complaints, on standard error. */
function note(text: string): void {
  writeAll(Deno.stderr, text);
}

function writeAll(out: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(`${text}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(out.writeSync(bytes));
}
