/**
 * What is measured, and how near the bare server the service wants to be.
 * @module
 */
import type { Load } from "./fanload.ts";

/** A price per unit of work, compared as service : bare. */
export interface Price {
  readonly label: string;
  readonly of: (load: Load) => number;
  /** The ratio not to exceed. */
  readonly aim: number;
}

/** One shape of load. */
export interface Scenario {
  readonly name: string;
  readonly clients: number;
  readonly rooms: number;
  /** Senders in each room; 0 = connections only. */
  readonly senders: number;
  readonly prices: readonly Price[];
}

const cpuPerDelivery = (aim: number): Price => ({ label: "CPU per delivery", of: (l) => l.cpu_us_per_delivery, aim });

/** The scenarios, in the order they are run and printed. Joins meet a cold server, as after a deployment. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "1 channel x 500 members, 4 senders", clients: 500, rooms: 1, senders: 4, prices: [cpuPerDelivery(1.15)] },
  {
    name: "100 channels x 20 members, 1 sender each",
    clients: 2000,
    rooms: 100,
    senders: 1,
    prices: [cpuPerDelivery(1.30)],
  },
  {
    name: "2000 joins of 1 channel, idle",
    clients: 2000,
    rooms: 1,
    senders: 0,
    prices: [
      { label: "time per join", of: (l) => 1 / l.joins_per_s, aim: 1.5 },
      { label: "memory per connection", of: (l) => l.kb_per_conn, aim: 1.5 },
    ],
  },
];
