/**
 * The load client: compiles `fanload.cc` when needed and runs it against one server.
 * @module
 */

const SOURCE = new URL("./fanload.cc", import.meta.url);
const BINARY = new URL("../.bench/fanload", import.meta.url);

/** What `fanload` prints: one measurement. */
export interface Load {
  readonly clients: number;
  readonly refused: number;
  readonly closed: number;
  readonly joins_per_s: number;
  readonly join_cpu_ms_per_conn: number;
  readonly kb_per_conn: number;
  readonly sends_per_s: number;
  readonly deliveries_per_s: number;
  readonly cpu_us_per_delivery: number;
  readonly server_cpu_cores: number;
  readonly client_cpu_s: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
}

/** How to drive one measurement. */
export interface LoadOptions {
  readonly port: number;
  /** The server's process, whose CPU time and memory are read. */
  readonly pid: number;
  readonly clients: number;
  readonly rooms: number;
  /** Senders in each room, one message in flight each; none = idle connections. */
  readonly senders: number;
  readonly warm: number;
  readonly secs: number;
  /** Put before the command, to pin it to a core. */
  readonly prefix: readonly string[];
  readonly signal: AbortSignal;
}

/** Compiles the load client into `.bench/` unless it is there and newer than its source. */
export async function compileFanload(): Promise<void> {
  if (await modifiedAt(BINARY) >= await modifiedAt(SOURCE)) return;
  await Deno.mkdir(new URL("./", BINARY), { recursive: true });
  const args = ["-O2", "-std=c++17", "-o", BINARY.pathname, SOURCE.pathname];
  const { success, stderr } = await runCompiler(args);
  if (!success) throw new Error(`g++ could not compile fanload.cc:\n${new TextDecoder().decode(stderr)}`);
}

/** Runs one measurement; rejects unless every client joined, stayed, and messages were delivered. */
export async function runFanload(options: LoadOptions): Promise<Load> {
  const { port, pid, clients, rooms, senders, warm, secs, prefix, signal } = options;
  const numbers = { port, pid, clients, rooms, senders, warm, secs };
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const [command = "", ...args] = [...prefix, BINARY.pathname, ...flags, ...(senders === 0 ? ["--idle"] : [])];
  const output = await new Deno.Command(command, { args, signal, stdout: "piped", stderr: "piped" }).output();
  signal.throwIfAborted();
  const complaint = new TextDecoder().decode(output.stderr).trim().split("\n", 5).join("\n");
  if (!output.success) throw new Error(`fanload failed: ${complaint}`);
  const load: Load = JSON.parse(new TextDecoder().decode(output.stdout));
  if (load.refused > 0) throw new Error(`${load.refused} of ${clients} clients could not join: ${complaint}`);
  if (load.closed > 0) throw new Error(`The server closed ${load.closed} of ${clients} clients`);
  if (senders > 0 && load.deliveries_per_s === 0) throw new Error("No message came through: were the sends refused?");
  return load;
}

async function runCompiler(args: string[]): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command("g++", { args, stdout: "null", stderr: "piped" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("The load client is C++ and there is no g++ here: apt-get install g++", { cause: error });
  }
}

async function modifiedAt(file: URL): Promise<number> {
  try {
    return (await Deno.stat(file)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    throw error;
  }
}
