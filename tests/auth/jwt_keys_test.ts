import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { jwtAuthenticator } from "../../src/auth/jwt.ts";
import { tokenKeys, type TokenKeysOptions } from "../../src/auth/jwt_keys.ts";
import { ChatError } from "../../src/errors.ts";
import { type JwtAlgorithm, parsePublicKey, PUBLIC_ALGORITHMS } from "../../src/jwt_algorithms.ts";
import { inSeconds, sign } from "../support/jwt.ts";
import { newKeys, signWith } from "../support/key_pair.ts";

const SECRET = "s".repeat(64);
const CLAIMS = { sub: "alice", exp: inSeconds(3_600) };

async function isTaken(token: string, options: TokenKeysOptions): Promise<boolean> {
  const authenticate = jwtAuthenticator({ keys: tokenKeys(options), anonymous: false });
  try {
    return (await authenticate(token)).userId === "alice";
  } catch (error) {
    if (error instanceof ChatError && error.code === "unauthorized") return false;
    throw error;
  }
}

/** A token one bit of whose signature is another. */
function altered(token: string): string {
  const at = token.lastIndexOf(".") + 5;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

for (const bits of [256, 384, 512] as const) {
  const [alg, hash] = [`HS${bits}`, `SHA-${bits}`] as const;

  Deno.test(`tokenKeys() with a secret and ${alg} takes its own tokens only`, async () => {
    const options = { secret: SECRET, algorithms: [alg] };
    const token = await sign(CLAIMS, { header: { alg }, hash, secret: SECRET });
    assertEquals(await isTaken(token, options), true);
    assertEquals(await isTaken(altered(token), options), false);
    assertEquals(await isTaken(await sign(CLAIMS, { header: { alg }, hash, secret: `${SECRET}s` }), options), false);
    for (const other of (["HS256", "HS384", "HS512"] as const).filter((other) => other !== alg)) {
      assertEquals(await isTaken(token, { secret: SECRET, algorithms: [other] }), false);
      assertEquals(await isTaken(await sign(CLAIMS, { header: { alg: other }, hash, secret: SECRET }), options), false);
    }
  });
}

Deno.test("tokenKeys() with a secret takes each of several algorithms", async () => {
  for (const bits of [256, 384, 512] as const) {
    const token = await sign(CLAIMS, { header: { alg: `HS${bits}` }, hash: `SHA-${bits}`, secret: SECRET });
    assertEquals(await isTaken(token, { secret: SECRET, algorithms: ["HS256", "HS512"] }), bits !== 384);
  }
});

for (const alg of PUBLIC_ALGORITHMS) {
  Deno.test(`tokenKeys() with a public key and ${alg} takes its own tokens only`, async () => {
    const [keys, foreign] = await Promise.all([newKeys(alg), newKeys(alg)]);
    const options = { publicKey: keys.publicPem, algorithms: [alg] };
    const token = await signWith(keys);
    assertEquals(await isTaken(token, options), true);
    assertEquals(await isTaken(altered(token), options), false);
    assertEquals(await isTaken(await signWith(foreign), options), false);
    const others = parsePublicKey(keys.publicPem).algorithms.filter((other) => other !== alg);
    if (others.length > 0) assertEquals(await isTaken(token, { ...options, algorithms: others }), false);
  });
}

Deno.test("tokenKeys() takes by default HS256, RS256, and of other keys what their kind is for", async () => {
  assertEquals(tokenKeys({ secret: SECRET })?.algorithms, ["HS256"]);
  for (const alg of ["RS256", "ES256", "ES384", "ES512", "EdDSA"] as const) {
    assertEquals(tokenKeys({ publicKey: (await newKeys(alg)).publicPem })?.algorithms, [alg]);
  }
});

Deno.test("tokenKeys() has no keys where nothing is set", () => assertEquals(tokenKeys({}), undefined));

Deno.test("tokenKeys() with a public key leaves the secret out of it", async () => {
  const { publicPem } = await newKeys("ES256");
  assertEquals(await isTaken(await sign(CLAIMS, { secret: SECRET }), { secret: SECRET, publicKey: publicPem }), false);
});

Deno.test("tokenKeys() takes tokens of the previous secret until its end", async () => {
  const [before, until] = ["b".repeat(64), 1_000_000];
  const token = await sign(CLAIMS, { secret: before });
  for (const [now, taken] of [[999_999, true], [1_000_000, false], [2_000_000, false]] as const) {
    const options = { secret: SECRET, previous: { secret: before, until }, now: () => now };
    assertEquals(await isTaken(token, options), taken);
    assertEquals(await isTaken(await sign(CLAIMS, { secret: SECRET }), options), true);
    assertEquals(await isTaken(await sign(CLAIMS, { secret: "neither" }), options), false);
  }
});

Deno.test("tokenKeys() says of a token of the previous secret that it has expired", async () => {
  const previous = { secret: "b".repeat(64), until: Infinity };
  const authenticate = jwtAuthenticator({ keys: tokenKeys({ secret: SECRET, previous }), anonymous: false });
  const token = await sign({ sub: "alice", exp: 1 }, { secret: previous.secret });
  await assertRejects(() => authenticate(token), ChatError, "The token has expired.");
});

function pemOf(type: "ed448" | "x25519" | "rsa" | "ec", options: Record<string, unknown> = {}): string {
  const encodings = {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  };
  // @ts-ignore: the types know each kind of key alone
  return generateKeyPairSync(type, { ...options, ...encodings }).publicKey;
}

const { publicPem: GOOD } = await newKeys("ES256");
for (
  const [what, pem, message] of [
    ["a short RSA key", pemOf("rsa", { modulusLength: 1_024 }), "has 1024 bits"],
    ["Ed448", pemOf("ed448"), "signs no tokens"],
    ["X25519", pemOf("x25519"), "signs no tokens"],
    ["secp256k1", pemOf("ec", { namedCurve: "secp256k1" }), "signs no tokens"],
    ["two keys", GOOD + GOOD, "must be one public key"],
    ["a damaged key", GOOD.replace("A", "B").slice(0, 60) + GOOD.slice(64), "is damaged"],
    ["a certificate", GOOD.replaceAll("PUBLIC KEY", "CERTIFICATE"), "must be one public key"],
    ["nothing", "", "must be one public key"],
  ] as const
) {
  Deno.test(`parsePublicKey() refuses ${what}`, () => {
    assertThrows(() => parsePublicKey(pem), Error, message);
  });
}

Deno.test("parsePublicKey() knows the algorithms of each kind of key", async () => {
  const rsa: JwtAlgorithm[] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
  assertEquals(parsePublicKey((await newKeys("PS256")).publicPem).algorithms, rsa);
  for (const alg of ["ES256", "ES384", "ES512", "EdDSA"] as const) {
    assertEquals(parsePublicKey((await newKeys(alg)).publicPem).algorithms, [alg]);
  }
});
