import { assertEquals } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { inSeconds, SECRET, sign } from "../support/jwt.ts";
import { PollSession } from "../support/poll_session.ts";
import { RawClient } from "../support/raw_client.ts";
import { TestService } from "../support/test_service.ts";

const SETTINGS = { secretKeyBase: SECRET, jwtLeewayMs: 0 };

/** A token of alice's that ends in so many seconds. */
function ending(seconds: number, sub = "alice"): Promise<string> {
  return sign({ sub, exp: inSeconds(seconds) });
}

Deno.test("a socket is closed with 4401 within two seconds of its token's end (6.5)", async () => {
  await using service = await TestService.start(SETTINGS);
  const ends = inSeconds(2) * 1_000;
  await using client = await RawClient.connect(service.socketUrl, { token: await ending(2) });
  await client.join("general");
  const { code } = await eventually(() => client.closed);
  const late = Date.now() - ends;
  assertEquals([code, late >= 0 && late < 2_000], [4401, true]);
});

Deno.test("a long-poll session ends with its token", async () => {
  await using service = await TestService.start(SETTINGS);
  const session = await PollSession.open(service.url, `token=${await ending(2)}&vsn=2.0.0`);
  await eventually(async () => (await session.poll()).status === 403);
});

Deno.test("a client is told that its token ends, once", async () => {
  await using service = await TestService.start(SETTINGS);
  await using client = await RawClient.connect(service.socketUrl, { token: await ending(59) });
  await client.join("general");
  const told = () => client.events("system");
  await eventually(() => told().length > 0);
  assertEquals(told().map(({ code }) => code), ["token_expiring"]);
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // the next look at all tokens
  assertEquals(told().length, 1);
});

Deno.test("a socket that renews its token with access_token lives on", async () => {
  await using service = await TestService.start(SETTINGS);
  await using client = await RawClient.connect(service.socketUrl, { token: await ending(2) });
  await client.join("general");
  assertEquals((await client.push("text_channel:general", "access_token", { token: await ending(60) })).status, "ok");
  await new Promise((resolve) => setTimeout(resolve, 3_500)); // well after the first token's end
  assertEquals((await client.push("text_channel:general", "ping")).status, "ok");
});

Deno.test("access_token refuses another user's token and keeps the one there was", async () => {
  await using service = await TestService.start(SETTINGS);
  await using client = await RawClient.connect(service.socketUrl, { token: await ending(60) });
  await client.join("general");
  const { status, response } = await client.push("text_channel:general", "access_token", {
    token: await ending(60, "mallory"),
  });
  assertEquals([status, response.reason], ["error", "forbidden"]);
  const expired = await client.push("text_channel:general", "access_token", { token: await ending(-60) });
  assertEquals([expired.status, expired.response.reason], ["error", "unauthorized"]);
  assertEquals((await client.push("text_channel:general", "ping")).status, "ok");
});
