import { assertEquals } from "@std/assert";
import { Discovery } from "../../src/pubsub/discovery.ts";
import { eventually } from "../support/eventually.ts";
import { Threads } from "./support/threads.ts";

/** Instances with one clock. */
class Stage implements AsyncDisposable {
  readonly #threads = new Threads();
  now = 0;
  /** `<who hears it> lost|back <of whom>`. */
  readonly events: string[] = [];

  async join(instance: string, store = "s"): Promise<Discovery> {
    const discovery = new Discovery({
      bus: this.#threads.bus(instance),
      node: `node_${instance}`,
      store,
      onLost: (other) => this.events.push(`${instance} lost ${other}`),
      onBack: (other) => this.events.push(`${instance} back ${other}`),
      now: () => this.now,
    });
    await discovery.start();
    return discovery;
  }

  /** Says anything where instances say that they are there. */
  say(text: string): void {
    this.#threads.bus("garbage").publish("nodes", text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads[Symbol.asyncDispose]();
  }
}

const names = ({ peers }: Discovery) => peers.map(({ node }) => node).join();

Deno.test("Discovery knows the others as soon as they start, in both directions", async () => {
  await using stage = new Stage();
  const [a, b, c] = [await stage.join("a"), await stage.join("b"), await stage.join("c")];
  await eventually(() => names(a) === "node_b,node_c" && names(b) === "node_a,node_c" && names(c) === "node_a,node_b");
  assertEquals([a.has("b"), a.has("a"), a.strangers], [true, false, []]);
});

Deno.test("Discovery forgets at once who says goodbye", async () => {
  await using stage = new Stage();
  const [a, b] = [await stage.join("a"), await stage.join("b")];
  await eventually(() => a.has("b"));
  b.stop();
  await eventually(() => !a.has("b"));
  assertEquals(stage.events, ["a lost b"]);
});

Deno.test("Discovery takes for gone who is silent for ten seconds, and hears of its return", async () => {
  await using stage = new Stage();
  const [a, b] = [await stage.join("a"), await stage.join("b")];
  await eventually(() => a.has("b"));
  stage.now = 10_000;
  a.beat();
  assertEquals(a.has("b"), true);
  stage.now = 10_001;
  a.beat();
  assertEquals([a.has("b"), stage.events], [false, ["a lost b"]]);
  b.beat();
  await eventually(() => a.has("b"));
  assertEquals(stage.events.filter((event) => event.startsWith("a")), ["a lost b", "a back b"]);
});

Deno.test("Discovery keeps who says that it is there", async () => {
  await using stage = new Stage();
  const [a, b] = [await stage.join("a"), await stage.join("b")];
  await eventually(() => a.has("b") && b.has("a"));
  for (stage.now = 9_000; stage.now < 60_000; stage.now += 9_000) {
    b.beat();
    await eventually(() => a.peers.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    a.beat();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(stage.events, []);
});

Deno.test("Discovery names those who use another storage", async () => {
  await using stage = new Stage();
  const [a] = [await stage.join("a"), await stage.join("b"), await stage.join("c", "other")];
  await eventually(() => a.peers.length === 2);
  assertEquals(a.strangers.map(({ node }) => node), ["node_c"]);
});

Deno.test("Discovery takes garbage for nothing", async () => {
  await using stage = new Stage();
  const a = await stage.join("a");
  for (const text of ["", "{", "null", "[]", '["shout","x","y"]']) stage.say(text);
  await stage.join("b");
  await eventually(() => a.has("b"));
  assertEquals(names(a), "node_b");
});
