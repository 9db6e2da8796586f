import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { Jwks } from "../../src/auth/jwks.ts";
import { ChatError } from "../../src/errors.ts";
import { PUBLIC_ALGORITHMS } from "../../src/jwt_algorithms.ts";
import { eventually } from "../support/eventually.ts";
import { KeyServer } from "../support/key_server.ts";
import { type Keys, newKeys, signWith } from "../support/key_pair.ts";
import { HANDSHAKE, TcpClient } from "../support/tcp_client.ts";
import { TestService } from "../support/test_service.ts";

const [A, B, C] = await Promise.all(["a", "b", "c"].map((kid) => newKeys("ES256", kid))) as [Keys, Keys, Keys];

/** A provider, the login that trusts it, and a clock that a test sets. */
class Provider implements AsyncDisposable {
  readonly server = new KeyServer(A.jwk);
  readonly faults: string[] = [];
  nowMs = 0;
  readonly login: (token: string) => Promise<unknown>;

  constructor(options: { deadlineMs?: number; url?: string } = {}) {
    const { url = this.server.url, ...more } = options;
    const onFault = (error: Error) => this.faults.push(error.message);
    const keys = new Jwks(url, { onFault, now: () => this.nowMs, ...more });
    this.login = jwtAuthenticator({ keys, anonymous: false });
  }

  /** What becomes of a token of these keys: `in`, or the code of the refusal. */
  async try(keys: Keys, header: Parameters<typeof signWith>[1] = {}): Promise<string> {
    try {
      await this.login(await signWith(keys, header));
      return "in";
    } catch (error) {
      if (error instanceof ChatError) return error.code;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

Deno.test("Jwks asks at the first login, and then no more", async () => {
  await using provider = new Provider();
  assertEquals(provider.server.requests, 0);
  for (let i = 0; i < 5; i++) assertEquals(await provider.try(A), "in");
  assertEquals(provider.server.requests, 1);
});

Deno.test("Jwks asks once for logins at the same time", async () => {
  await using provider = new Provider();
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => provider.try(A)));
  assertEquals(new Set(outcomes), new Set(["in"]));
  assertEquals(provider.server.requests, 1);
});

Deno.test("Jwks asks once for logins at the same time with a new key", async () => {
  await using provider = new Provider();
  await provider.try(A);
  provider.server.rotate(A.jwk, B.jwk);
  provider.nowMs = 30_000;
  const outcomes = await Promise.all(Array.from({ length: 100 }, () => provider.try(B)));
  assertEquals(new Set(outcomes), new Set(["in"]));
  assertEquals(provider.server.requests, 2);
});

Deno.test("Jwks asks for an unknown kid once in 30 seconds at the most", async () => {
  await using provider = new Provider();
  await provider.try(A);
  const flood = async () => {
    for (let i = 0; i < 20; i++) assertEquals(await provider.try(C, { kid: `unknown-${i}` }), "unauthorized");
  };
  await flood();
  provider.nowMs = 29_999;
  await flood();
  assertEquals(provider.server.requests, 1);
  provider.nowMs = 30_000;
  await flood();
  assertEquals(provider.server.requests, 2);
  provider.nowMs = 60_000;
  await flood();
  assertEquals(provider.server.requests, 3);
});

Deno.test("Jwks takes the keys after a rotation, and those before no more", async () => {
  await using provider = new Provider();
  await provider.try(A);
  provider.server.rotate(B.jwk);
  provider.nowMs = 30_000;
  assertEquals([await provider.try(B), await provider.try(A)], ["in", "unauthorized"]);
});

Deno.test("Jwks asks again after ten minutes, so that a withdrawn key ends", async () => {
  await using provider = new Provider();
  await provider.try(A);
  provider.server.rotate(B.jwk);
  provider.nowMs = 599_999;
  assertEquals(await provider.try(A), "in");
  provider.nowMs = 600_000;
  assertEquals(await provider.try(A), "unauthorized");
  assertEquals(provider.server.requests, 2);
});

const huge = () =>
  new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)),
  });
const outages: Record<string, [(server: KeyServer) => void, RegExp]> = {
  "fails": [(server) => server.answer = () => new Response("oh", { status: 500 }), /status 500/],
  "hangs": [(server) => server.hang(), /longer than 1500 ms/],
  "stalls": [(server) => server.stall(), /longer than 1500 ms/],
  "floods": [(server) => server.answer = () => new Response(huge()), /more than 262144 bytes/],
  "redirects": [(server) => server.answer = () => Response.redirect(`${server.url}/elsewhere`), /status 302/],
  "is not found": [(server) => server.answer = () => new Response("{}", { status: 404 }), /status 404/],
  "answers with HTML": [(server) => server.answer = () => new Response("<html>"), /no JSON/],
  "answers with null": [(server) => server.answer = () => Response.json(null), /no keys/],
  "answers with a list": [(server) => server.answer = () => Response.json([]), /no keys/],
  "answers with no keys": [(server) => server.answer = () => Response.json({}), /no keys/],
  "has 101 keys": [(server) => server.rotate(...Array(101).fill(A.jwk)), /more than 100 keys/],
};
for (const [what, [breakDown, reason]] of Object.entries(outages)) {
  Deno.test(`Jwks keeps its keys while the provider ${what}, and takes the new ones afterwards`, async () => {
    await using provider = new Provider({ deadlineMs: 1_500 });
    await provider.try(A);
    breakDown(provider.server);
    provider.nowMs = 600_000;
    assertEquals([await provider.try(A), await provider.try(B), await provider.try(A)], ["in", "unauthorized", "in"]);
    assertEquals(provider.server.requests, 2);
    assertEquals(provider.faults.length, 1);
    assertMatch(provider.faults.join(), reason);
    assert(!provider.faults.join().includes("127.0.0.1"));

    provider.server.rotate(A.jwk, B.jwk);
    provider.nowMs = 629_999;
    assertEquals(await provider.try(B), "unauthorized");
    provider.nowMs = 630_000;
    assertEquals([await provider.try(B), await provider.try(A)], ["in", "in"]);
    assertEquals(provider.server.requests, 3);
  });

  Deno.test(`Jwks says unavailable where the provider ${what} from the start, and tries again after five seconds`, async () => {
    await using provider = new Provider({ deadlineMs: 1_500 });
    breakDown(provider.server);
    const token = await signWith(A);
    const logins = Array.from({ length: 10 }, () => assertRejects(() => provider.login(token), ChatError));
    for (const error of await Promise.all(logins)) {
      assertEquals([error.code, error.retryAfterMs], ["unavailable", 5_000]);
    }
    assertEquals(await provider.try(A), "unavailable");
    assertEquals(provider.server.requests, 1);
    provider.server.rotate(A.jwk);
    provider.nowMs = 4_999;
    assertEquals(await provider.try(A), "unavailable");
    provider.nowMs = 5_000;
    assertEquals(await provider.try(A), "in");
  });
}

Deno.test("Jwks says unavailable where nobody listens", async () => {
  const gone = new KeyServer();
  const { url } = gone;
  await gone[Symbol.asyncDispose]();
  await using provider = new Provider({ url });
  assertEquals(await provider.try(A), "unavailable");
  assertEquals(provider.faults, ["The key set could not be reached."]);
});

Deno.test("Jwks never follows a redirect", async () => {
  await using elsewhere = new KeyServer(A.jwk);
  await using provider = new Provider();
  for (const status of [301, 302, 303, 307, 308]) {
    provider.server.answer = () => Response.redirect(elsewhere.url, status);
    assertEquals(await provider.try(A), "unavailable");
    provider.nowMs += 5_000;
  }
  assertEquals([provider.server.requests, elsewhere.requests], [5, 0]);
});

Deno.test("Jwks lets a flood go when it has read enough", async () => {
  await using provider = new Provider();
  let cancelled = false;
  const flood = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: () => void (cancelled = true),
  });
  provider.server.answer = () => new Response(flood);
  assertEquals(await provider.try(A), "unavailable");
  await eventually(() => cancelled);
});

Deno.test("Jwks takes 100 keys", async () => {
  await using provider = new Provider();
  provider.server.rotate(...Array.from({ length: 99 }, (_, i) => ({ ...B.jwk, kid: String(i) })), A.jwk);
  assertEquals(await provider.try(A), "in");
});

for (const alg of PUBLIC_ALGORITHMS) {
  Deno.test(`Jwks takes ${alg} where it is wanted, and no other`, async () => {
    const [keys, foreign] = await Promise.all([newKeys(alg, "k"), newKeys(alg, "k")]);
    await using server = new KeyServer(keys.jwk);
    const login = jwtAuthenticator({ keys: new Jwks(server.url, { algorithms: [alg] }), anonymous: false });
    assertEquals(await login(await signWith(keys)).then(({ userId }) => userId), "alice");
    await assertRejects(async () => login(await signWith(foreign)), ChatError);
    const others = PUBLIC_ALGORITHMS.filter((other) => other !== alg);
    const other = jwtAuthenticator({ keys: new Jwks(server.url, { algorithms: others }), anonymous: false });
    await assertRejects(async () => other(await signWith(keys)), ChatError);
  });
}

Deno.test("Jwks holds a key that names its algorithm to it", async () => {
  const keys = await newKeys("RS256", "k");
  await using server = new KeyServer({ ...keys.jwk, alg: "PS256" });
  const login = jwtAuthenticator({
    keys: new Jwks(server.url, { algorithms: ["RS256", "PS256"] }),
    anonymous: false,
  });
  await assertRejects(async () => login(await signWith(keys)), ChatError, "The token is not valid.");
});

Deno.test("Jwks does not verify with a key for encryption", async () => {
  await using provider = new Provider();
  provider.server.rotate({ ...A.jwk, use: "enc" });
  assertEquals(await provider.try(A), "unauthorized");
});

Deno.test("Jwks takes a token without kid where one key fits, and where several do not", async () => {
  await using provider = new Provider();
  const token = await signWith(A, { kid: undefined as unknown as string });
  await provider.login(token);
  provider.server.rotate(A.jwk, B.jwk);
  provider.nowMs = 600_000;
  await assertRejects(() => provider.login(token), ChatError, "The token is not valid.");
});

Deno.test("Jwks goes by the exact kid alone", async () => {
  await using provider = new Provider();
  provider.server.rotate(A.jwk, B.jwk, { ...C.jwk, kid: "../c" });
  for (const kid of ["A", "a ", " a", "a\0", "./a", "b", "", "*", "__proto__", "0"]) {
    assertEquals(await provider.try(A, { kid }), "unauthorized", kid);
  }
  assertEquals(await provider.try(C, { kid: "../c" }), "in");
});

Deno.test("Jwks leaves secrets, private keys and what is no key out, and takes the rest", async () => {
  await using provider = new Provider();
  const secret = { kty: "oct", kid: "oct", k: "c2VjcmV0" };
  const odd = [null, 7, "key", [], {}, { kid: "b" }, { kty: 7 }, { kty: "EC", kid: "c", crv: "P-256", x: "!", y: "!" }];
  provider.server.answer = () => Response.json({ keys: [secret, { ...B.jwk, d: "AAAA" }, ...odd, A.jwk] });
  assertEquals(await provider.try(A), "in");
  assertEquals([await provider.try(B), await provider.try(C)], ["unauthorized", "unauthorized"]);
});

Deno.test("a service whose key set cannot be had answers 503 and when to come back, and charges nobody for it", async () => {
  await using server = new KeyServer();
  server.answer = () => new Response(null, { status: 500 });
  await using service = await TestService.start({ env: "production", jwtJwksUrl: server.url, loginFailures: 1 });
  const token = await signWith(A);
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await service.call("GET", "/api/channels", { token });
    assertEquals([status, headers.get("retry-after")], [503, "5"]);
  }
  using client = await TcpClient.connect(service.port);
  const { status, headers } = await client.request("GET", `/socket/websocket?vsn=2.0.0&token=${token}`, HANDSHAKE);
  assertEquals([status, headers.get("retry-after")], [503, "5"]);
  assertEquals(server.requests, 1);
  const told = service.log.filter((line) => line.includes("answered with status 500"));
  assertEquals(told.length, 1);
  assert(!service.log.join().includes(server.url));
});
