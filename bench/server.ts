/**
 * Starts a fresh server process for one measurement, and ends it.
 * @module
 */
import { SETTINGS } from "../src/config.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const READY_WITHIN_MS = 15_000;
const SERVICE_ENV = "CHAT_*,HOST,PORT,SECRET_KEY_BASE,SIGNING_SALT,NO_COLOR";
// The service refuses a CHAT_ name it does not know.
const LIMITED = SETTINGS.some(({ name }) => name === "CHAT_LIMITS");

/** The two that are compared. */
export const SERVERS = ["bare", "service"] as const;
export type ServerName = typeof SERVERS[number];

/** A running server; disposing kills it and removes its folder. */
export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** The end of what it printed, for error messages. */
  lastWords(): Promise<string>;
}

/** How to start a server. */
export interface ServerOptions {
  /** Durability of the service's SQLite; absent = the service's default. */
  readonly sync?: "full" | "normal" | undefined;
  /** Put before the command, to pin it to a core. */
  readonly prefix: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Starts a server on a free port of the loopback, with its own folder on the checkout's disk, and waits until it answers.
 * The environment passes through, so the service's settings can be tried. `BENCH_SERVICE_CMD` (a shell command that obeys
 * `HOST` and `PORT`) is measured in the service's place: a compiled binary, another checkout.
 */
export async function startServer(name: ServerName, options: ServerOptions): Promise<Server> {
  const folder = await Deno.makeTempDir({ dir: `${ROOT}.bench`, prefix: `${name}-` });
  const log = `${folder}/log`;
  const port = freePort();
  const process = new Deno.Command("sh", {
    args: ["-c", script(name, folder), "sh", ...options.prefix],
    cwd: ROOT,
    env: {
      HOST: "127.0.0.1",
      PORT: String(port),
      CHAT_STORE_URL: `sqlite:${folder}/chat.db`,
      ...(LIMITED && { CHAT_LIMITS: Deno.env.get("CHAT_LIMITS") || "off" }),
      ...(options.sync && { CHAT_SQLITE_SYNCHRONOUS: options.sync }),
      BENCH_LOG: log,
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  let exited = false;
  process.status.then(() => exited = true);
  const server: Server = {
    port,
    pid: process.pid,
    lastWords: async () => (await Deno.readTextFile(log).catch(() => "")).slice(-4000),
    async [Symbol.asyncDispose]() {
      if (!exited) Deno.kill(-process.pid, "SIGKILL"); // the whole group, should the command be a wrapper
      await process.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
  try {
    await untilReady(name, server, () => exited, options.signal);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Creates the rooms that `fanload` joins, where the server has a REST door to do it by. */
export async function createRooms(server: Server, rooms: number): Promise<void> {
  for (let room = 0; room < rooms; room++) {
    const id = `general${room}`;
    const response = await fetch(`http://127.0.0.1:${server.port}/api/channels`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer u0" },
      body: JSON.stringify({ id, name: id, description: "bench" }),
    });
    const body = await response.text();
    if (response.status === 404) return;
    if (!response.ok && response.status !== 409) throw new Error(`POST /api/channels: ${response.status} ${body}`);
  }
}

function script(name: ServerName, folder: string): string {
  const deno = `'${Deno.execPath()}' run --no-prompt --allow-net`;
  const service =
    `${deno} --allow-env='${SERVICE_ENV}' --ignore-env --allow-read=.,'${folder}' --allow-write='${folder}'`;
  const command = name === "bare"
    ? `${deno} --allow-env=PORT bench/bare.ts`
    : Deno.env.get("BENCH_SERVICE_CMD") || `${service} main.ts`;
  return `ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@" ${command} >"$BENCH_LOG" 2>&1`;
}

async function untilReady(name: string, server: Server, hasExited: () => boolean, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let answer = "no answer";
  while (Date.now() < deadline && !hasExited()) {
    signal.throwIfAborted();
    try {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/health`, { signal: AbortSignal.timeout(2000) });
      await response.body?.cancel();
      if (response.ok) return;
      answer = `/api/health answered ${response.status}`;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const what = hasExited() ? "ended before it was ready" : `was not ready within ${READY_WITHIN_MS} ms (${answer})`;
  throw new Error(`The ${name} server ${what}. It said:\n${await server.lastWords() || "(nothing)"}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
