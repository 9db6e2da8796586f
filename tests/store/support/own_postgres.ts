/**
 * One Postgres for the tests of a file, with a database for each.
 *
 * @module
 */

import { PostgresStore } from "../../../src/store/postgres_store.ts";
import { noPostgres, PostgresServer } from "../../support/postgres_server.ts";

/** Where a file has its server; it is started by the first test and stopped after the last. */
export interface OwnPostgres {
  /** Registers a test, or lists it as ignored where the machine has no Postgres. */
  readonly test: (name: string, run: (server: PostgresServer) => Promise<void>) => void;
  readonly server: () => Promise<PostgresServer>;
}

/** Called once a file, at its top. */
export function ownPostgres(): OwnPostgres {
  // deno-lint-ignore no-console -- a suite that was not run must not pass for one that was
  if (noPostgres !== undefined) console.warn(`NOT TRIED: the tests with Postgres: ${noPostgres}`);
  let starting: Promise<PostgresServer> | undefined;
  const server = () => starting ??= PostgresServer.start();
  Deno.test.afterAll(async () => {
    await (await starting)?.[Symbol.asyncDispose]();
  });
  return {
    server,
    test: (name, run) => {
      Deno.test({
        name: noPostgres === undefined ? name : `${name} (not tried: ${noPostgres})`,
        ignore: noPostgres !== undefined,
        fn: async () => {
          const running = await server();
          try {
            await run(running);
          } finally {
            await running.ensureRunning(); // the next test is not to fail with this one
          }
        },
      });
    },
  };
}

/** Several stores on one database, closed together. */
export class Instances implements AsyncDisposable {
  readonly stores: readonly PostgresStore[];

  private constructor(stores: readonly PostgresStore[]) {
    this.stores = stores;
  }

  static async open(url: string, count: number): Promise<Instances> {
    return new Instances(await Promise.all(Array.from({ length: count }, () => PostgresStore.open({ url }))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.stores.map((store) => store[Symbol.asyncDispose]()));
  }
}
