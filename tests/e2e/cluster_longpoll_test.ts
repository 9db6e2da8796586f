import { assertEquals } from "@std/assert";
import { Ledger } from "../support/checker.ts";
import { Cluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { SECRET, tokenFor } from "../support/jwt.ts";
import { PhoenixClient } from "../support/phoenix_client.ts";
import { longPollOptions } from "../support/phoenix_longpoll.ts";
import { ask, type PollAnswer } from "../support/poll_session.ts";
import { redisTest } from "../support/redis_server.ts";
import { RestClient } from "../support/rest_client.ts";
import { RoundRobin } from "../support/round_robin.ts";
import { linesOf } from "../support/talker.ts";

const env = { SECRET_KEY_BASE: SECRET };

redisTest("a long-poll session goes on at whichever instance its next request meets", async () => {
  await using cluster = await Cluster.start({ size: 3, env });
  const user = `token=${await tokenFor("alice")}&vsn=2.0.0`;
  let asked = 0;
  const request = (query: string, init: RequestInit = {}) => ask(cluster.server(++asked).url, `${user}&${query}`, init);
  let { token } = await request("");
  const messages: string[] = [];
  const poll = async (): Promise<PollAnswer> => {
    const answer = await request(`token=${token}`);
    messages.push(...answer.messages ?? []);
    token = answer.token ?? token;
    return answer;
  };
  const push = async (ref: string, event: string, payload: object) => {
    const body = JSON.stringify(["1", ref, "text_channel:general", event, payload]);
    assertEquals((await request(`token=${token}`, { method: "POST", body })).status, 200);
    await eventually(async () => {
      const seen = messages.some((text) => text.startsWith(`["1","${ref}",`) && text.includes('"status":"ok"'));
      if (!seen) await poll();
      return seen;
    }, 10_000);
  };
  await push("1", "phx_join", {});
  const contents = Array.from({ length: 10 }, (_, n) => `line ${n}`);
  for (const [n, content] of contents.entries()) await push(`m${n}`, "new_message", { content });
  const seen = messages.map((text) => JSON.parse(text)).filter(([, , , event]) => event === "new_message");
  assertEquals(seen.map(([, , , , { content }]) => content), contents);
  // An answer far longer than a bus carries in one piece: quotes are written eightfold by the time they travel.
  const rest = new RestClient(cluster.server(1).url, await tokenFor("alice"));
  for (let n = 0; n < 99; n++) await rest.post("general", { content: '"'.repeat(4_000) });
  await push("leave", "phx_leave", {});
  const body = JSON.stringify(["again", "again", "text_channel:general", "phx_join", { limit: 100 }]);
  assertEquals((await request(`token=${token}`, { method: "POST", body })).status, 200);
  await eventually(async () => {
    if (messages.some((text) => text.startsWith('["again"') && text.length > 700_000)) return true;
    return (await poll()).status === 403 ? Promise.reject(new Error("the session has ended")) : false;
  }, 10_000);
  // Where its home is gone, the session has ended.
  await cluster.server(1).crash();
  for (const n of [2, 3]) assertEquals((await ask(cluster.server(n).url, `${user}&token=${token}`)).status, 403);
});

redisTest("phoenix.js polls through a balancer that sends each request elsewhere", async () => {
  await using cluster = await Cluster.start({ env });
  await using balancer = new RoundRobin(...cluster.servers.map(({ port }) => port));
  await using closing = new AsyncDisposableStack();
  const join = async (userId: string) => {
    const options = longPollOptions("1.8", { params: { token: await tokenFor(userId) } });
    const client = closing.use(new PhoenixClient("1.8", balancer.socketUrl, options));
    return { client, room: await client.join("general") };
  };
  const [alice, bob] = [await join("alice"), await join("bob")];
  const ledger = new Ledger();
  for (const content of linesOf("alice", 30)) {
    ledger.send("alice", content);
    const { status, response } = await alice.room.push("new_message", { content });
    assertEquals(status, "ok");
    ledger.acknowledge(content, response as never);
  }
  await eventually(() => bob.room.messages.length === 30 && alice.room.messages.length === 30);
  const history = await new RestClient(cluster.server(1).url, await tokenFor("reader")).history("general");
  assertEquals(ledger.findings(history, [...alice.room.streams, ...bob.room.streams]), []);
  assertEquals([alice.client.opens, bob.client.opens], [1, 1]);
});
