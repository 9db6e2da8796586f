/**
 * One event loop of several: an instance in a thread of its own, started and stopped by `workers.ts`.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import type { Config } from "./config.ts";
import { ChatError } from "./errors.ts";
import { type Service, type Shared, startService } from "./service.ts";
import { describe, openLog } from "./telemetry/log.ts";

/** To the thread. */
export type WorkerOrder = { readonly start: Config; readonly version: string; readonly shared: Shared } | {
  readonly stop: true;
};

/** From the thread. */
export type WorkerReport =
  /** It takes orders: one that comes sooner can be lost. */
  | { readonly ready: true }
  | { readonly started: { readonly port: number; readonly node: string } }
  | { readonly failed: string }
  | { readonly stopped: true };

let service: Service | undefined;
self.onmessage = async ({ data }: MessageEvent<WorkerOrder>) => {
  if ("stop" in data) {
    await service?.stop();
    return report({ stopped: true });
  }
  const log = openLog(data.start.logLevel);
  try {
    service = await startService(data.start, data.version, log, data.shared);
    report({ started: { port: service.port, node: service.node } });
  } catch (error) {
    log.error("a worker did not start", { error: describe(error) });
    report({ failed: error instanceof ChatError ? error.message : String(error) });
  }
};

report({ ready: true });

function report(message: WorkerReport): void {
  self.postMessage(message);
}
