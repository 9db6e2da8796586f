/**
 * A process that appends to a store and says what was acknowledged: `deno run writer.ts <file> <full|normal> <writers> <messages each>`.
 *
 * Each writer waits for its acknowledgement before it sends the next one. A line is `ack <writer> <number> <seq>`; the first is `ready`.
 *
 * @module
 */

import { SqliteStore } from "../../../src/store/sqlite_store.ts";

const [path = "", synchronous = "", writers = "", messages = ""] = Deno.args;
await using store = await SqliteStore.open({ path, synchronous: synchronous === "normal" ? "normal" : "full" });
await store.createChannel({ id: "a", name: "a", description: "" }).catch(() => {});
print("ready");
await Promise.all(Array.from({ length: Number(writers) }, async (_, writer) => {
  for (let n = 1; n <= Number(messages); n++) {
    const { message } = await store.append({ channelId: "a", userId: `writer-${writer}`, content: `message ${n}` });
    print(`ack ${writer} ${n} ${message.seq}`);
  }
}));

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
