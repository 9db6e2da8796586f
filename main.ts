/**
 * The process: arguments, settings, the banner, signals and exit codes. What is served is in `src/service.ts`.
 *
 * @module
 */

import denoJson from "./deno.json" with { type: "json" };
import { type Config, ConfigError, helpText, loadConfig } from "./src/config.ts";
import { ChatError } from "./src/errors.ts";
import { type Service, startService } from "./src/service.ts";
import { startWorkers } from "./src/workers.ts";
import { shownUrl } from "./src/store/open_store.ts";
import { describe, openLog } from "./src/telemetry/log.ts";

/** Exit codes of sysexits.h: the settings are wrong, something the service needs is not there. */
const EXIT = { config: 78, unavailable: 69 };

const { version } = denoJson;

function print(text: string, to: typeof Deno.stdout | typeof Deno.stderr = Deno.stdout): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}

function fail(code: number, message: string): never {
  print(`chat: ${message}\n`, Deno.stderr);
  Deno.exit(code);
}

/** Every variable this process may read: listed, so that a misspelt name is noticed. */
function environment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch (error) {
    fail(EXIT.config, `the environment cannot be read (${error instanceof Error ? error.message : error})`);
  }
}

function banner({ port, node }: Pick<Service, "port" | "node">, config: Config): string {
  const host = /^(0\.0\.0\.0|::|127\.0\.0\.1)$/.test(config.host) ? "localhost" : config.host;
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const lines = [
    "",
    `  chat ${version} · ${config.env} · ${node}`,
    "",
    `  Open      http://${at}/`,
    `  Socket    ws://${at}/socket     (phoenix.js: new Socket("ws://${at}/socket"))`,
    `  REST      http://${at}/api/channels`,
    `  Health    http://${at}/api/health`,
    `  Messages  ${config.storeUrl === "memory:" ? "in memory only: gone when this stops" : shownUrl(config.storeUrl)}`,
  ];
  if (config.workers > 1) lines.push(`  Threads   ${config.workers}`);
  if (config.busUrl !== "local:") lines.push(`  Joined    by ${shownUrl(config.busUrl)}`);
  if (config.env === "development") {
    const { secretKeyBase, jwtSecret, jwtPublicKey, jwtJwksUrl } = config;
    const rule = (secretKeyBase ?? jwtSecret ?? jwtPublicKey ?? jwtJwksUrl) === undefined
      ? "anyone may connect, as anyone: a token is taken as the user's name."
      : "clients without a token are let in as anonymous_<n>.";
    lines.push("", `  Development: ${rule}`, "  For anything else set CHAT_ENV=production and SECRET_KEY_BASE.");
  }
  return lines.join("\n") + "\n\n";
}

/** What stands in the way of listening; anything else is thrown on. */
function explainListen(error: unknown, { host, port }: Config): string {
  if (error instanceof Deno.errors.AddrInUse) return `port ${port} is taken; choose another with --port or PORT`;
  if (error instanceof Deno.errors.AddrNotAvailable) return `${host} is no address of this machine; see --host or HOST`;
  if (error instanceof Deno.errors.PermissionDenied) {
    return `port ${port} may not be opened by this user; ports below 1024 are root's`;
  }
  throw error;
}

async function main(args: string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) return print(helpText(version));
  if (args.includes("--version") || args.includes("-V")) return print(`chat ${version} (Deno ${Deno.version.deno})\n`);

  let config: Config;
  try {
    config = loadConfig(environment(), args);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(EXIT.config, error.message);
  }
  const log = openLog(config.logLevel);

  let service: Omit<Service, "disconnect">;
  try {
    const start = config.workers > 1 ? startWorkers : startService;
    service = await start(config, version, log);
  } catch (error) {
    if (error instanceof ChatError) {
      log.error("start failed", { error: describe(error) });
      if (error.code === "invalid") fail(EXIT.config, error.message);
      fail(EXIT.unavailable, `${shownUrl(config.storeUrl)}: ${error.message}`);
    }
    fail(EXIT.unavailable, explainListen(error, config));
  }

  let stopping = false;
  const stop = async (signal: Deno.Signal) => {
    if (stopping) Deno.exit(1);
    stopping = true;
    log.info("stopping", { signal });
    await service.stop();
    log.info("stopped");
    Deno.exit(0);
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, () => stop(signal));

  if (config.env === "development" || Deno.stdout.isTerminal()) print(banner(service, config));
  log.info("started", { version, node: service.node, port: service.port, env: config.env });
}

await main(Deno.args);
