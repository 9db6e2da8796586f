import { assertEquals, assertRejects } from "@std/assert";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { tokenKeys } from "../../src/auth/jwt_keys.ts";
import type { Config } from "../../src/config.ts";
import { ChatError } from "../../src/errors.ts";
import { forgedForPublicKey, forgedForSecret, type Forgeries } from "../support/forged_tokens.ts";
import { inSeconds, SECRET, sign, tokenFor } from "../support/jwt.ts";
import { newKeys, signWith } from "../support/key_pair.ts";
import { KeyServer } from "../support/key_server.ts";
import { ask } from "../support/poll_session.ts";
import { HANDSHAKE, TcpClient } from "../support/tcp_client.ts";
import { TestService } from "../support/test_service.ts";

const KEYS = await newKeys("RS256", "k");
const PRODUCTION: Partial<Config> = { env: "production", secretKeyBase: SECRET, loginFailures: 0 };

/** A way to check tokens: what is forged for it, what is good, and what is asked to find out. */
interface Lock extends AsyncDisposable {
  readonly settings: Partial<Config>;
  readonly forged: Forgeries;
  readonly good: string;
}

const LOCKS: Record<string, () => Promise<Lock>> = {
  "a secret": async () => ({
    settings: {},
    forged: await forgedForSecret(),
    good: await tokenFor("alice"),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
  "a secret of its own": async () => {
    const secret = `${SECRET}${SECRET}`;
    return {
      settings: { jwtSecret: secret },
      forged: { "the service's secret": await tokenFor("alice") },
      good: await sign({ sub: "alice", exp: inSeconds(60) }, { secret }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
  "a public key": async () => {
    const elsewhere = new KeyServer(KEYS.jwk);
    return {
      settings: { jwtPublicKey: KEYS.publicPem },
      forged: await forgedForPublicKey(KEYS, elsewhere.url),
      good: await signWith(KEYS),
      async [Symbol.asyncDispose]() {
        await elsewhere[Symbol.asyncDispose]();
        assertEquals(elsewhere.requests, 0, "a token had a URL asked");
      },
    };
  },
  "a key set": async () => {
    const elsewhere = new KeyServer(KEYS.jwk);
    const other = await newKeys("ES256", "other");
    const set = new KeyServer(KEYS.jwk, other.jwk, { kty: "oct", kid: "oct", k: "bWluZQ" });
    const forged = {
      ...await forgedForPublicKey(KEYS, elsewhere.url),
      "the kid of another key": await signWith(KEYS, { kid: "other" }),
      "an unknown kid, rightly signed": await signWith(KEYS, { kid: "unknown" }),
      "a kid in another case": await signWith(KEYS, { kid: "K" }),
      "a secret of the set": await sign({ sub: "alice", exp: inSeconds(60) }, {
        header: { alg: "HS256", kid: "oct" },
        secret: "mine",
      }),
    };
    return {
      settings: { jwtJwksUrl: set.url },
      forged,
      good: await signWith(KEYS),
      async [Symbol.asyncDispose]() {
        await Promise.all([set[Symbol.asyncDispose](), elsewhere[Symbol.asyncDispose]()]);
        assertEquals([set.requests, elsewhere.requests], [1, 0], "tokens had URLs asked");
      },
    };
  },
};

/** Whether a door lets a token in. */
type Door = (service: TestService, token: string) => Promise<boolean>;

const DOORS: Record<string, Door> = {
  "a socket": async (service, token) => {
    return expectOneOf(await shake(service, `vsn=2.0.0&token=${encodeURIComponent(token)}`), 101, 403);
  },
  "a socket's authToken": async (service, token) => {
    const encoded = new TextEncoder().encode(token).toBase64({ alphabet: "base64url", omitPadding: true });
    return expectOneOf(await shake(service, "vsn=2.0.0", `phoenix, base64url.bearer.phx.${encoded}`), 101, 403);
  },
  "a long poll": async (service, token) => {
    const headers = { "x-phoenix-authtoken": token };
    const { status } = await ask(service.url, "vsn=2.0.0", { headers });
    return expectOneOf(status, 410, 403);
  },
  "REST": async (service, token) => {
    const { status } = await service.call("GET", "/api/channels", { token });
    return expectOneOf(status, 200, 401);
  },
};

/** Asks for a WebSocket; resolves with the status of the answer. */
async function shake({ port }: TestService, query: string, protocols = ""): Promise<number> {
  using client = await TcpClient.connect(port);
  const headers = { ...HANDSHAKE, "Sec-WebSocket-Protocol": protocols };
  return (await client.request("GET", `/socket/websocket?${query}`, headers)).status;
}

function expectOneOf(status: number, yes: number, no: number): boolean {
  assertEquals([yes, no].includes(status), true, `status ${status}`);
  return status === yes;
}

for (const [lock, open] of Object.entries(LOCKS)) {
  Deno.test(`jwtAuthenticator() with ${lock} refuses every forged token`, async () => {
    await using it = await open();
    const { jwtPublicKey: publicKey, jwtJwksUrl: jwksUrl, jwtSecret: secret = SECRET } = it.settings;
    const keys = tokenKeys({ secret, publicKey, jwksUrl });
    const authenticate = jwtAuthenticator({ keys, anonymous: true, leewayMs: 5_000 });
    assertEquals((await authenticate(it.good)).userId, "alice");
    for (const [what, token] of Object.entries(it.forged)) {
      const { code, message } = await assertRejects(() => authenticate(token), ChatError, "", what);
      assertEquals(code, "unauthorized", what);
      for (const piece of token.split(".").filter((piece) => piece.length > 4)) {
        assertEquals(message.includes(piece), false, what);
      }
    }
  });

  for (const [door, lets] of Object.entries(DOORS)) {
    Deno.test(`${door} with ${lock} lets no forged token in`, async () => {
      await using it = await open();
      await using service = await TestService.start({ ...PRODUCTION, ...it.settings });
      assertEquals(await lets(service, it.good), true);
      const letIn: string[] = [];
      for (const [what, token] of Object.entries(it.forged)) if (await lets(service, token)) letIn.push(what);
      assertEquals(letIn, []);
      const log = service.log.join("\n");
      for (const token of [...Object.values(it.forged), it.good]) assertEquals(log.includes(token), false);
    });
  }
}
