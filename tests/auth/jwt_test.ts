import { assert, assertEquals, assertFalse, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { generateKeyPair } from "node:crypto";
import type { Authenticate } from "../../src/auth/authenticator.ts";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { tokenKeys } from "../../src/auth/jwt_keys.ts";
import { ChatError } from "../../src/errors.ts";
import { inSeconds, part, SECRET, sign, tokenFor } from "../support/jwt.ts";

const keys = tokenKeys({ secret: SECRET });
const production = jwtAuthenticator({ keys, anonymous: false });
const development = jwtAuthenticator({ keys: undefined, anonymous: true });
const claims = { sub: "alice", exp: inSeconds(3_600) };

/** The error that refuses a token, which no error may quote. */
async function refusal(token: string | undefined, authenticate: Authenticate = production): Promise<ChatError> {
  const error = await assertRejects(() => authenticate(token), ChatError);
  assertEquals(error.code, "unauthorized");
  return error;
}

Deno.test("jwtAuthenticator() takes the user id of a signed token", async () => {
  assertEquals((await production(await tokenFor("alice"))).userId, "alice");
});

Deno.test("jwtAuthenticator() tells when the token ends in milliseconds", async () => {
  assertEquals((await production(await sign(claims))).expiresAt, claims.exp * 1_000);
});

Deno.test("jwtAuthenticator() keeps a user id of any script as it is", async () => {
  const sub = "Zoë Ωmega 😀 user@example.com";
  assertEquals((await production(await tokenFor(sub))).userId, sub);
});

Deno.test("jwtAuthenticator() takes user ids that are names of object members", async () => {
  for (const sub of ["__proto__", "constructor", "toString"]) {
    assertEquals((await production(await tokenFor(sub))).userId, sub);
  }
});

Deno.test("jwtAuthenticator() takes a user id of 128 characters", async () => {
  const sub = "😀".repeat(128);
  assertEquals((await production(await tokenFor(sub))).userId, sub);
});

Deno.test("jwtAuthenticator() ignores claims it does not know", async () => {
  const token = await sign({ ...claims, user_id: "mallory", admin: true, aud: "elsewhere", iss: "somebody" });
  assertEquals((await production(token)).userId, "alice");
});

for (const sub of [undefined, null, "", 7, true, ["alice"], { id: "alice" }, "a".repeat(129), "😀".repeat(129)]) {
  Deno.test(`jwtAuthenticator() refuses sub ${JSON.stringify(sub)?.slice(0, 20)}`, async () => {
    await refusal(await sign({ ...claims, sub }));
  });
}

for (const character of ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9b"]) {
  Deno.test(`jwtAuthenticator() refuses a sub with ${JSON.stringify(character)} in it`, async () => {
    await refusal(await sign({ ...claims, sub: `al${character}ice` }));
  });
}

Deno.test("jwtAuthenticator() refuses a sub with a lone surrogate", async () => {
  await refusal(await sign(String.raw`{"sub":"al\ud800ice","exp":${claims.exp}}`));
});

for (const exp of [undefined, null, "", String(claims.exp), "never", {}, [claims.exp], true]) {
  Deno.test(`jwtAuthenticator() refuses exp ${JSON.stringify(exp)}`, async () => {
    await refusal(await sign({ ...claims, exp }));
  });
}

for (const exp of [0, -1, inSeconds(-3_600), inSeconds(-1), inSeconds(0)]) {
  Deno.test(`jwtAuthenticator() says that a token of exp ${exp - inSeconds(0)} s from now has expired`, async () => {
    assertEquals((await refusal(await sign({ ...claims, exp }))).message, "The token has expired.");
  });
}

Deno.test("jwtAuthenticator() refuses a token whose nbf has not come, without leeway", async () => {
  await refusal(await sign({ ...claims, nbf: inSeconds(5) }));
});

Deno.test("jwtAuthenticator() refuses nbf as a text", async () => {
  await refusal(await sign({ ...claims, nbf: String(inSeconds(-5)) }));
});

for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
  Deno.test(`jwtAuthenticator() refuses alg ${JSON.stringify(alg)} without a signature`, async () => {
    await refusal(`${part(JSON.stringify({ alg, typ: "JWT" }))}.${part(JSON.stringify(claims))}.`);
  });

  Deno.test(`jwtAuthenticator() refuses alg ${JSON.stringify(alg)} with a right HS256 signature`, async () => {
    await refusal(await sign(claims, { header: { alg, typ: "JWT" } }));
  });
}

for (const alg of ["RS256", "ES256", "PS256", "EdDSA", "hs256", "HS256 ", "HS384", "HS512"]) {
  Deno.test(`jwtAuthenticator() refuses alg ${JSON.stringify(alg)} signed with HMAC by the secret`, async () => {
    await refusal(await sign(claims, { header: { alg } }));
  });
}

for (const [alg, hash] of [["HS384", "SHA-384"], ["HS512", "SHA-512"]] as const) {
  Deno.test(`jwtAuthenticator() refuses ${alg} that is rightly signed with the secret`, async () => {
    await refusal(await sign(claims, { header: { alg }, hash }));
  });
}

for (const alg of [undefined, null, 7, ["HS256"], { HS256: true }]) {
  Deno.test(`jwtAuthenticator() refuses alg ${JSON.stringify(alg)} that is no text`, async () => {
    await refusal(await sign(claims, { header: { alg } }));
  });
}

Deno.test("jwtAuthenticator() refuses RS256 signed with the key that the token brings along", async () => {
  const { publicKey, privateKey } = await crypto.subtle.generateKey(
    { name: "RSASSA-PKCS1-v1_5", modulusLength: 2_048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["sign", "verify"],
  );
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  const signed = `${part(JSON.stringify({ alg: "RS256", jwk }))}.${part(JSON.stringify(claims))}`;
  const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, new TextEncoder().encode(signed));
  await refusal(`${signed}.${part(new Uint8Array(signature))}`);
});

Deno.test("jwtAuthenticator() refuses HS256 signed with a public key's text", async () => {
  const pem = await new Promise<string>((resolve, reject) => {
    const encoding = { publicKeyEncoding: { type: "spki", format: "pem" } } as const;
    const privateKeyEncoding = { type: "pkcs8", format: "pem" } as const;
    generateKeyPair("rsa", { modulusLength: 2_048, ...encoding, privateKeyEncoding }, (error, publicKey) => {
      if (error) reject(error);
      else resolve(publicKey);
    });
  });
  await refusal(await sign(claims, { secret: pem }));
});

for (
  const header of [
    { crit: ["exp"] },
    { crit: ["x"], x: 1 },
    { crit: [] },
    { crit: "exp" },
    { crit: ["b64"], b64: false },
    { b64: false },
  ]
) {
  Deno.test(`jwtAuthenticator() refuses the header ${JSON.stringify(header)}`, async () => {
    await refusal(await sign(claims, { header: { alg: "HS256", ...header } }));
  });
}

for (const kid of ["../../../../dev/null", "x' OR '1'='1", "http://127.0.0.1/key", "k".repeat(256), ""]) {
  Deno.test(`jwtAuthenticator() looks nothing up by kid ${JSON.stringify(kid.slice(0, 24))} where there is one key`, async () => {
    assertEquals((await production(await sign(claims, { header: { alg: "HS256", kid } }))).userId, "alice");
    await refusal(await sign(claims, { header: { alg: "HS256", kid }, secret: "an empty file" }));
  });
}

for (const kid of [null, 7, ["a"], { a: 1 }, "k".repeat(257)]) {
  Deno.test(`jwtAuthenticator() refuses kid ${JSON.stringify(kid).slice(0, 24)}`, async () => {
    await refusal(await sign(claims, { header: { alg: "HS256", kid } }));
  });
}

for (const member of ["jwk", "jku", "x5u", "x5c"]) {
  Deno.test(`jwtAuthenticator() refuses a token with ${member}, be it rightly signed`, async () => {
    for (const value of ["http://127.0.0.1:1/", {}, [], null]) {
      await refusal(await sign(claims, { header: { alg: "HS256", [member]: value } }));
    }
  });
}

Deno.test("jwtAuthenticator() takes a token of 8192 characters and refuses a longer one unread", async () => {
  const empty = await sign({ ...claims, x: "" });
  const room = 8_192 - empty.length;
  const fits = await sign({ ...claims, x: "x".repeat(Math.floor(room * 3 / 4)) });
  assert(fits.length > 8_180 && fits.length <= 8_192, String(fits.length));
  assertEquals((await production(fits)).userId, "alice");
  const { message } = await refusal(await sign({ ...claims, x: "x".repeat(room) }));
  assertEquals(message, "A token has at most 8192 characters.");
  assertEquals((await refusal("a".repeat(8_193), development)).message, message);
});

Deno.test("jwtAuthenticator() takes a token as long after exp, and before nbf, as the leeway is", async () => {
  let nowMs = 0;
  const authenticate = jwtAuthenticator({ keys, anonymous: false, leewayMs: 5_000, now: () => nowMs });
  const token = await sign({ sub: "alice", nbf: 1_000, exp: 2_000 });
  const taken = [994_999, 995_000, 2_004_999].map(async (at) => (nowMs = at, await authenticate(token)));
  await assertRejects(() => taken[0] ?? Promise.resolve());
  for (const identity of await Promise.all(taken.slice(1))) assertEquals(identity.expiresAt, 2_000_000);
  nowMs = 2_005_000;
  assertEquals((await refusal(token, authenticate)).message, "The token has expired.");
  nowMs = 900_000;
  assertEquals((await refusal(token, authenticate)).message, "The token is not valid yet.");
});

Deno.test("jwtAuthenticator() takes tokens of its issuer only", async () => {
  const authenticate = jwtAuthenticator({ keys, anonymous: false, issuer: "https://id.example" });
  assertEquals((await authenticate(await sign({ ...claims, iss: "https://id.example" }))).userId, "alice");
  const { message } = await refusal(await sign({ ...claims, iss: "https://id.example/" }), authenticate);
  assertEquals(message, "The token is of another issuer.");
  for (const iss of [undefined, "", 7, ["https://id.example"]]) {
    await refusal(await sign({ ...claims, iss }), authenticate);
  }
});

Deno.test("jwtAuthenticator() takes tokens for one of its audiences only", async () => {
  const authenticate = jwtAuthenticator({ keys, anonymous: false, audience: ["chat", "chat-2"] });
  for (const aud of ["chat", "chat-2", ["other", "chat"]]) {
    assertEquals((await authenticate(await sign({ ...claims, aud }))).userId, "alice");
  }
  assertEquals(
    (await refusal(await sign({ ...claims, aud: "other" }), authenticate)).message,
    "The token is for another service.",
  );
  for (const aud of [undefined, "", "Chat", [], ["other"], { chat: true }]) {
    await refusal(await sign({ ...claims, aud }), authenticate);
  }
});

Deno.test("jwtAuthenticator() passes on that keys cannot be had, which is no refusal", async () => {
  const find = () => Promise.reject(new ChatError("unavailable", "Later."));
  const authenticate = jwtAuthenticator({ keys: { algorithms: ["HS256"], find }, anonymous: true });
  const token = await sign(claims);
  assertEquals((await assertRejects(() => authenticate(token), ChatError)).code, "unavailable");
});

Deno.test("jwtAuthenticator() asks for no key where the header says enough", async () => {
  const find = () => Promise.reject(new Error("asked"));
  const authenticate = jwtAuthenticator({ keys: { algorithms: ["RS256"], find }, anonymous: true });
  for (const header of [{ alg: "none" }, { alg: "HS256" }, { alg: "RS256", jku: "x" }, { alg: "RS256", kid: 7 }]) {
    assertFalse(String((await refusal(await sign(claims, { header }), authenticate)).cause).includes("asked"));
  }
});

Deno.test("jwtAuthenticator() refuses a token signed with another secret", async () => {
  await refusal(await sign(claims, { secret: `${SECRET}x` }));
});

Deno.test("jwtAuthenticator() refuses a token whose claims were changed", async () => {
  const [header, , signature] = (await sign(claims)).split(".");
  await refusal(`${header}.${part(JSON.stringify({ ...claims, sub: "mallory" }))}.${signature}`);
});

Deno.test("jwtAuthenticator() refuses a signature that is cut off at any place", async () => {
  const token = await sign(claims);
  for (let length = token.lastIndexOf(".") - 2; length < token.length; length++) await refusal(token.slice(0, length));
});

for (const text of ["null", "[]", "7", `"alice"`, "{", ""]) {
  Deno.test(`jwtAuthenticator() refuses ${JSON.stringify(text)} for claims`, async () => {
    await refusal(await sign(text));
  });
}

for (const token of ["a", "a.b", "...", "a.b.c", "a.b.c.d.e", " ", "é", "\u{1F600}", "%00", "null", "undefined"]) {
  Deno.test(`jwtAuthenticator() refuses ${JSON.stringify(token)}, which is no token`, async () => {
    await refusal(token);
  });
}

Deno.test("jwtAuthenticator() refuses a token of 1 MB of nonsense at once", async () => {
  const started = performance.now();
  for (const token of ["a".repeat(1_000_000), `${"a.".repeat(2)}${"a".repeat(1_000_000)}`, ".".repeat(1_000_000)]) {
    await refusal(token);
  }
  assert(performance.now() - started < 1_000);
});

Deno.test("jwtAuthenticator() asks for a token where nobody is anonymous", async () => {
  for (const token of [undefined, ""]) assertEquals((await refusal(token)).message, "A token is required.");
});

Deno.test("jwtAuthenticator() lets a client without a token in as anonymous_<n> where that is allowed", async () => {
  for (const token of [undefined, ""]) assertMatch((await development(token)).userId, /^anonymous_\d+$/);
});

Deno.test("jwtAuthenticator() gives anonymous clients different names", async () => {
  const names = await Promise.all(Array.from({ length: 100 }, async () => (await development(undefined)).userId));
  assertEquals(new Set(names).size, 100);
});

Deno.test("jwtAuthenticator() takes any text for the user id where there is no secret", async () => {
  for (const token of ["alice", "a b", "😀", "__proto__", "a.b.c"]) {
    assertEquals(await development(token), { userId: token });
  }
});

Deno.test("jwtAuthenticator() does not take an opaque token that is no user id", async () => {
  for (const token of ["a".repeat(129), "a\nb", "\ud800", "\x1b[31m"]) await refusal(token, development);
});

Deno.test("jwtAuthenticator() checks tokens wherever there is a secret, in development too", async () => {
  const authenticate = jwtAuthenticator({ keys, anonymous: true });
  await refusal("alice", authenticate);
  await refusal(await sign(claims, { secret: "another" }), authenticate);
  assertEquals((await authenticate(await sign(claims))).userId, "alice");
});

Deno.test("jwtAuthenticator() never quotes the token in its message", async () => {
  const wrong = [
    await sign({ ...claims, exp: 1 }),
    await sign({ ...claims, sub: "mallory\n" }),
    await sign(claims, { secret: "another" }),
    await sign(claims, { header: { alg: "HS512" } }),
    await sign(claims, { header: { alg: "HS256", crit: ["unheard-of"], "unheard-of": 1 } }),
    "not-a-token-at-all",
    "two.parts-only",
    `${"x".repeat(200)}`,
  ];
  for (const token of wrong) {
    const { message } = await refusal(token);
    for (const piece of token.split(".")) assertFalse(message.includes(piece), message);
  }
});

Deno.test("jwtAuthenticator() never quotes an opaque token in its message", async () => {
  const token = `secret-${"a".repeat(200)}`;
  assertFalse((await refusal(token, development)).message.includes("secret-"));
});

Deno.test("jwtAuthenticator() says the same of every forgery", async () => {
  const forgeries = [
    await sign(claims, { secret: "another" }),
    await sign(claims, { header: { alg: "none" } }),
    await sign({ ...claims, exp: "never" }),
    "a.b.c",
  ];
  for (const token of forgeries) assertStrictEquals((await refusal(token)).message, "The token is not valid.");
});
