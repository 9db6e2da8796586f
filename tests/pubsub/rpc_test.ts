import { assertEquals, assertRejects } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { Rpc } from "../../src/pubsub/rpc.ts";
import { Threads } from "./support/threads.ts";

/** Two instances; `b` answers `echo`, and fails at `fail`. */
async function open(): Promise<{ a: Rpc; threads: Threads } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const threads = stack.use(new Threads());
  const a = stack.use(await Rpc.open(threads.bus("a")));
  const b = stack.use(await Rpc.open(threads.bus("b")));
  b.answer("echo", (body) => Promise.resolve(body));
  b.answer("fail", () => Promise.reject(new Error("no")));
  b.answer("never", () => new Promise(() => {}));
  return { a, threads, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("Rpc ask() gets the answer, whatever is in it", async () => {
  await using rpc = await open();
  for (const body of ["", "one\ntwo", '"'.repeat(1_000_000) + "😀", "😀".repeat(300_000)]) {
    assertEquals(await rpc.a.ask("b", "echo", body, 5_000) === body, true, body.slice(0, 9));
  }
});

Deno.test("Rpc ask() gives each question its own answer", async () => {
  await using rpc = await open();
  const bodies = Array.from({ length: 50 }, (_, n) => `${n}`);
  assertEquals(await Promise.all(bodies.map((body) => rpc.a.ask("b", "echo", body, 5_000))), bodies);
});

Deno.test("Rpc ask() rejects with unavailable where the answer fails, is not known, does not come or nobody is there", async () => {
  await using rpc = await open();
  const questions = [["b", "fail"], ["b", "unknown"], ["b", "never"], ["c", "echo"]] as const;
  for (const [instance, name] of questions) {
    const error = await assertRejects(() => rpc.a.ask(instance, name, "", 50), ChatError);
    assertEquals(error.code, "unavailable");
  }
});

Deno.test("Rpc ask() rejects at once when its instance stops", async () => {
  await using rpc = await open();
  const asked = assertRejects(() => rpc.a.ask("b", "never", "", 60_000), ChatError);
  await rpc.a[Symbol.asyncDispose]();
  await asked;
});

Deno.test("Rpc takes garbage for nothing", async () => {
  await using rpc = await open();
  const bus = rpc.threads.bus("c");
  for (const text of ["", "x", "99 answer\n", "\n", "99 part\nx", "99 answer 5\nx"]) bus.publish("instance:a", text);
  assertEquals(await rpc.a.ask("b", "echo", "still here", 5_000), "still here");
});
