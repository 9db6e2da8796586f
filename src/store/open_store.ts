/**
 * Chooses the store adapter by URL.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import { PostgresStore } from "./postgres_store.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { Store } from "./store.ts";

/** Where messages are kept. */
export interface StoreOptions {
  /** `memory:`, `sqlite:<path>` or `postgres://…`. */
  readonly url: string;
  /** Of SQLite; Postgres has its own `synchronous_commit`. */
  readonly synchronous: "full" | "normal";
}

/** Opens the store that the URL names and makes the folder of its file; rejects with `unavailable` and the reason. */
export async function openStore({ url, synchronous }: StoreOptions): Promise<Store> {
  if (url === "memory:") return SqliteStore.inMemory();
  if (/^postgres(?:ql)?:/.test(url)) return await PostgresStore.open({ url });
  const path = url.slice("sqlite:".length);
  const folder = path.replace(/[^/\\]*$/, "");
  if (folder !== "") await makeFolder(folder);
  return await SqliteStore.open({ path, synchronous });
}

/**
 * What may be shown of the URL of a store or a bus: all but the secrets in it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(shownUrl("postgres://chat:secret@db:5432/chat?sslmode=require"), "postgres://db:5432/chat");
 * assertEquals(shownUrl("rediss://:secret@cache:6380/0"), "rediss://cache:6380/0");
 * assertEquals(shownUrl("sqlite:data/a@b.db"), "sqlite:data/a@b.db");
 * ```
 */
export function shownUrl(url: string): string {
  return url.replace(/^((?:postgres(?:ql)?|rediss?(?:\+\w+)?):\/\/)(?:.*@)?([^?]*).*$/s, "$1$2");
}

async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw new ChatError("unavailable", "The folder of the database cannot be made.", { cause });
  }
}
