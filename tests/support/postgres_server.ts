/**
 * A Postgres of our own.
 *
 * @module
 */

import { eventually } from "./eventually.ts";

const BINARIES = "/usr/lib/postgresql";
/** Postgres does not run as root: where the tests do, it runs as this user. */
const USER = "postgres";
const PASSWORD = "p%40ss word'\"";
/** A test server that is told nothing about durability would not show what is lost: it is set as in production, but small. */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  max_connections: "120",
  shared_buffers: "32MB",
  fsync: "on",
  synchronous_commit: "on",
  autovacuum: "on",
  log_min_messages: "fatal",
};

/** Why there is no Postgres on this machine; undefined where there is one. With `CI=true` a missing one is an error. */
export const noPostgres: string | undefined = (() => {
  const reason = binaries() === undefined ? `no initdb below ${BINARIES}` : undefined;
  if (reason !== undefined && Deno.env.get("CI") === "true") throw new Error(`Postgres is missing: ${reason}`);
  return reason;
})();

/** A server on a free port of 127.0.0.1, in a folder of its own; stopped and removed at the end of `await using`. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #databases = 0;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(): Promise<PostgresServer> {
    const folder = await Deno.makeTempDir({ prefix: "chat-postgres-" });
    const server = new PostgresServer(folder, freePort());
    await Deno.writeTextFile(`${folder}/password`, PASSWORD);
    await Deno.chmod(folder, 0o755);
    await Deno.chmod(`${folder}/password`, 0o644);
    await Deno.mkdir(`${folder}/data`);
    if (isRoot()) await run("chown", "-R", USER, folder);
    const initdb = ["-D", `${folder}/data`, "-U", "chat", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256"];
    await server.#run("initdb", ...initdb, `--pwfile=${folder}/password`, "--no-sync");
    await server.restart();
    return server;
  }

  /** The URL of an empty database that nobody else has. */
  async newDatabase(options = "ENCODING UTF8"): Promise<string> {
    const name = `test_${++this.#databases}`;
    await this.psql("postgres", `CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
    return this.url(name);
  }

  url(database: string): string {
    return `postgres://chat:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs statements in a database, one transaction; resolves with what psql prints, unaligned and without headers. */
  async psql(database: string, sql: string): Promise<string> {
    return await this.#run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, this.url(database));
  }

  /** Stops as at a crash: nothing is written any more, connections are cut. */
  async kill(): Promise<void> {
    const pids = await this.#freezeAll();
    for (const pid of pids) signal(pid, "SIGKILL");
    await eventually(() => pids.every((pid) => !isAlive(pid)));
    // Where nobody reaps them, as in many containers, the next server would take the dead one for alive.
    for (const lock of ["data/postmaster.pid", `.s.PGSQL.${this.port}.lock`]) {
      await Deno.remove(`${this.#folder}/${lock}`);
    }
  }

  /** Stops at once, with a word to its clients. */
  async stop(mode: "fast" | "immediate" = "immediate"): Promise<void> {
    await this.#run("pg_ctl", "stop", "-D", `${this.#folder}/data`, "-m", mode, "-w");
  }

  /** Starts on the same port; resolves when it takes connections. */
  async restart(): Promise<void> {
    const settings = Object.entries({ ...SETTINGS, port: this.port, unix_socket_directories: this.#folder });
    const options = settings.map(([name, value]) => `-c ${name}=${value}`).join(" ");
    await this.#run("pg_ctl", "start", "-D", `${this.#folder}/data`, "-w", "-l", `${this.#folder}/log`, "-o", options);
  }

  /** Lets nothing of it run any more, while its connections stay; `await using` lets it go on. */
  async freeze(): Promise<AsyncDisposable & { thaw: () => void }> {
    const pids = await this.#freezeAll();
    const thaw = () => pids.forEach((pid) => signal(pid, "SIGCONT"));
    return { thaw, [Symbol.asyncDispose]: () => Promise.resolve(thaw()) };
  }

  /** The same for the connections there are now alone: others can be made, and work. */
  async freezeConnections(): Promise<AsyncDisposable> {
    const pids = await this.psql("postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'chat'");
    const frozen = pids.trim().split("\n").map(Number);
    for (const pid of frozen) signal(pid, "SIGSTOP");
    return { [Symbol.asyncDispose]: () => Promise.resolve(frozen.forEach((pid) => signal(pid, "SIGCONT"))) };
  }

  /** Resolves when nobody but `psql` is connected. */
  async hasNoClients(): Promise<void> {
    const count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chat'";
    await eventually(async () => (await this.psql("postgres", count)).trim() === "0");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {}); // it may have been stopped by its test
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Starts it where a test has left it stopped. */
  async ensureRunning(): Promise<void> {
    await this.psql("postgres", "SELECT 1").catch(() => this.restart());
  }

  /** First the one that makes the others, so that none is missed. */
  async #freezeAll(): Promise<number[]> {
    const postmaster = this.#postmaster();
    signal(postmaster, "SIGSTOP");
    const backends = await this.#backends();
    for (const pid of backends) signal(pid, "SIGSTOP");
    return [postmaster, ...backends];
  }

  #postmaster(): number {
    return Number(Deno.readTextFileSync(`${this.#folder}/data/postmaster.pid`).split("\n")[0]);
  }

  async #backends(): Promise<number[]> {
    const { stdout } = await new Deno.Command("pgrep", { args: ["-P", String(this.#postmaster())] }).output();
    return new TextDecoder().decode(stdout).trim().split("\n").filter((pid) => pid !== "").map(Number);
  }

  #run(program: string, ...args: string[]): Promise<string> {
    const path = `${binaries()}/${program}`;
    return isRoot()
      ? run("setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", path, ...args)
      : run(path, ...args);
  }
}

function binaries(): string | undefined {
  try {
    const versions = [...Deno.readDirSync(BINARIES)].map(({ name }) => name).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => `${BINARIES}/${version}/bin`).find((path) =>
      Deno.statSync(`${path}/initdb`).isFile
    );
  } catch {
    return undefined;
  }
}

/** Runs a program to its end in a folder that every user may enter. */
async function run(program: string, ...args: string[]): Promise<string> {
  const command = new Deno.Command(program, { args, cwd: "/", stdout: "piped", stderr: "piped" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`${program} ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

function isRoot(): boolean {
  return Deno.uid() === 0;
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a process runs; one that has ended but that nobody has waited for does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
