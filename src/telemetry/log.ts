/**
 * Structured logs: one JSON object a line, on standard error. What a client said, its tokens and its address never go in.
 *
 * @module
 */

import { configureSync, getJsonLinesFormatter, getLogger, type Logger, type LogLevel } from "@logtape/logtape";

/** Where a component writes its log. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** Opens the log of this process; lines below `level` are dropped. */
export function openLog(level: LogLevel, write: (line: string) => void = writeToStandardError): Log {
  const format = getJsonLinesFormatter({ properties: "flatten" });
  configureSync({
    reset: true,
    sinks: { lines: (record) => write(format(record)) },
    loggers: [
      { category: "chat", lowestLevel: level, sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
    ],
  });
  return getLogger("chat");
}

/** An error as a log line shows it: with its stack and its causes'. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\nCaused by: ${describe(error.cause)}`;
  return (error.stack ?? `${error.name}: ${error.message}`) + cause;
}

function writeToStandardError(line: string): void {
  const bytes = new TextEncoder().encode(line);
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}
