/**
 * Turns measurements into the table and the ratios that `deno task bench` prints.
 * @module
 */
import type { Load } from "./fanload.ts";
import type { Scenario } from "./scenarios.ts";
import { type ServerName, SERVERS } from "./server.ts";

/** The rounds of one scenario, in order, of each server. */
export interface Result {
  readonly scenario: Scenario;
  readonly loads: Readonly<Record<ServerName, readonly Load[]>>;
}

/** A price of the service over the same price of the bare server. */
export interface Ratio {
  readonly scenario: string;
  readonly price: string;
  /** The ratio of the medians. */
  readonly ratio: number;
  /** The smallest and the largest ratio within a round. */
  readonly lowest: number;
  readonly highest: number;
  readonly aim: number;
  readonly met: boolean;
}

/** Compares the two servers, one line for each price of each scenario. */
export function ratiosOf(results: readonly Result[]): Ratio[] {
  return results.flatMap(({ scenario, loads }) =>
    scenario.prices.map(({ label, of, aim }) => {
      const ratio = median(loads.service.map(of)) / median(loads.bare.map(of));
      const rounds = loads.service.flatMap((load, i) => loads.bare.slice(i, i + 1).map((bare) => of(load) / of(bare)));
      return {
        scenario: scenario.name,
        price: label,
        ratio,
        lowest: Math.min(...rounds),
        highest: Math.max(...rounds),
        aim,
        met: ratio <= aim,
      };
    })
  );
}

/** The medians of both servers in every scenario. */
export function loadTable(results: readonly Result[]): string {
  const head = ["scenario", "server", "µs CPU/delivery", "deliveries/s", "p50 ms", "p99 ms", "joins/s", "KB/conn"];
  const rows = results.flatMap(({ scenario, loads }) =>
    SERVERS.map((server) => {
      const of = (field: keyof Load, digits: number) =>
        median(loads[server].map((load) => load[field])).toFixed(digits);
      const cells = scenario.senders > 0
        ? [of("cpu_us_per_delivery", 2), of("deliveries_per_s", 0), of("p50_ms", 1), of("p99_ms", 1), "-", "-"]
        : ["-", "-", "-", "-", of("joins_per_s", 0), of("kb_per_conn", 1)];
      return [scenario.name, server, ...cells];
    })
  );
  return align([head, ...rows], (column) => column < 2);
}

/** The ratios beside their aims, in words. */
export function ratioTable(ratios: readonly Ratio[]): string {
  const head = ["scenario", "service : bare", "ratio", "rounds", "aim", ""];
  const rows = ratios.map(({ scenario, price, ratio, lowest, highest, aim, met }) => [
    scenario,
    price,
    ratio.toFixed(2),
    `${lowest.toFixed(2)}-${highest.toFixed(2)}`,
    `<= ${aim.toFixed(2)}`,
    (met ? "met" : "NOT met") + (lowest <= aim && highest > aim ? ", rounds disagree" : ""),
  ]);
  return align([head, ...rows], (column) => column < 2 || column === 5);
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** Columns are flushed left where `isText`, else right. */
export function align(rows: readonly (readonly string[])[], isText: (column: number) => boolean): string {
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) =>
    row.map((cell, i) => isText(i) ? cell.padEnd(widthOf(i)) : cell.padStart(widthOf(i))).join("  ").trimEnd()
  ).join("\n");
}
