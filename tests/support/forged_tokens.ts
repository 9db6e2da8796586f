/**
 * Tokens that must never be taken, by what they try, for each way a service may check tokens.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { inSeconds, part, SECRET, sign } from "./jwt.ts";
import { type Keys, newKeys, signWith } from "./key_pair.ts";

/** Tokens by what they try. */
export type Forgeries = Readonly<Record<string, string>>;

const claims = { sub: "alice", exp: inSeconds(3_600) };

/** Signs with HMAC and any bytes, none as well. */
function hmac(header: Record<string, unknown>, secret: string | Uint8Array): string {
  const signed = `${part(JSON.stringify(header))}.${part(JSON.stringify(claims))}`;
  const hash = String(header.alg).replace(/^../, "sha");
  return `${signed}.${createHmac(hash, secret).update(signed).digest("base64url")}`;
}

/** Those for a service with the secret {@linkcode SECRET} and HS256. */
export async function forgedForSecret(): Promise<Forgeries> {
  const own = await newKeys("RS256");
  const forged: Record<string, string> = {
    ...withoutSignature(),
    "a foreign secret": await sign(claims, { secret: `${SECRET}x` }),
    "the empty secret": hmac({ alg: "HS256" }, ""),
    "the secret, but HS384": hmac({ alg: "HS384" }, SECRET),
    "the secret, but HS512": hmac({ alg: "HS512" }, SECRET),
    "HS512 said of HS256": await sign(claims, { header: { alg: "HS512" } }),
    "alg in lower case": await sign(claims, { header: { alg: "hs256" } }),
    "no alg": await sign(claims, { header: {} }),
    "alg as a list": await sign(claims, { header: { alg: ["HS256"] } }),
    "a key of its own and RS256": await signWith(own, { jwk: own.jwk as never }),
    "an embedded secret": hmac({ alg: "HS256", jwk: { kty: "oct", k: part("mine") } }, "mine"),
    "kid /dev/null and the empty secret": hmac({ alg: "HS256", kid: "../../../../../dev/null" }, ""),
    "kid with SQL and its result": hmac({ alg: "HS256", kid: "x' UNION SELECT 'mine" }, "mine"),
    "kid with a command": hmac({ alg: "HS256", kid: "key|whoami" }, "root"),
    "kid that is a URL": hmac({ alg: "HS256", kid: "http://127.0.0.1:1/" }, ""),
    "a huge kid": await sign(claims, { header: { alg: "HS256", kid: "k".repeat(5_000) } }),
    "a huge token": await sign({ ...claims, x: "x".repeat(8_192) }),
    "changed claims": (await sign(claims)).replace(
      /\.[^.]+\./,
      `.${part(JSON.stringify({ ...claims, sub: "root" }))}.`,
    ),
    "no signature behind HS256": (await sign(claims)).replace(/[^.]+$/, ""),
  };
  const rightlySigned: Record<string, Record<string, unknown>> = {
    "jwk": { jwk: { kty: "oct", k: part(SECRET) } },
    "jku": { jku: "http://127.0.0.1:1/" },
    "x5u": { x5u: "http://127.0.0.1:1/" },
    "x5c": { x5c: ["MIIB"] },
    "an unknown crit": { crit: ["unheard-of"], "unheard-of": 1 },
    "a crit of something known": { crit: ["exp"] },
    "b64 false": { b64: false },
    "b64 false and critical": { crit: ["b64"], b64: false },
    "kid as a number": { kid: 7 },
  };
  for (const [what, header] of Object.entries(rightlySigned)) {
    forged[`the right signature and ${what}`] = await sign(claims, { header: { alg: "HS256", ...header } });
  }
  for (const exp of [`"${claims.exp}"`, "-1", "1e400", "1e300", "null", "NaN", "true", `[${claims.exp}]`, "{}"]) {
    forged[`exp ${exp}`] = await sign(`{"sub":"alice","exp":${exp}}`);
  }
  for (const sub of [`""`, "7", "null", `["alice"]`, `{"id":"alice"}`, String.raw`"a\u0000"`, `"${"a".repeat(129)}"`]) {
    forged[`sub ${sub.slice(0, 20)}`] = await sign(`{"sub":${sub},"exp":${claims.exp}}`);
  }
  return {
    ...forged,
    "no exp": await sign({ sub: "alice" }),
    "no sub": await sign({ exp: claims.exp }),
    "expired": await sign({ ...claims, exp: inSeconds(-60) }),
    "not yet": await sign({ ...claims, nbf: inSeconds(60) }),
  };
}

/** Those for a service with the public key of `keys`, which are for RS256; `elsewhere` is a URL that nobody may ask. */
export async function forgedForPublicKey(keys: Keys, elsewhere: string): Promise<Forgeries> {
  const { kid, publicPem } = keys;
  const own = await newKeys("RS256", kid);
  const der = Uint8Array.fromBase64(publicPem.replaceAll(/-----.*?-----|\s/g, ""));
  const other = (alg: string) => newKeys(alg, kid).then((foreign) => signWith(foreign));
  return {
    ...withoutSignature(),
    "the public key as the secret": hmac({ alg: "HS256", kid }, publicPem),
    "the public key as the secret, trimmed": hmac({ alg: "HS256", kid }, publicPem.trim()),
    "the public key as the secret, ending a line": hmac({ alg: "HS256", kid }, `${publicPem.trim()}\n`),
    "the public key as the secret of HS512": hmac({ alg: "HS512", kid }, publicPem),
    "the public key's bytes as the secret": hmac({ alg: "HS256", kid }, der),
    "the public key's JWK as the secret": hmac({ alg: "HS256", kid }, JSON.stringify(keys.jwk)),
    "the modulus as the secret": hmac(
      { alg: "HS256", kid },
      Uint8Array.fromBase64(keys.jwk.n ?? "", { alphabet: "base64url" }),
    ),
    "RS256 said of HS256 with the public key": hmac({ alg: "RS256", kid }, publicPem),
    "the service's own secret": hmac({ alg: "HS256", kid }, SECRET),
    "the empty secret": hmac({ alg: "HS256", kid }, ""),
    "a foreign key": await signWith(own),
    "a foreign key of its own header": await signWith(own, { jwk: own.jwk as never }),
    "a foreign key at jku": await signWith(own, { jku: elsewhere }),
    "a foreign key at x5u": await signWith(own, { x5u: elsewhere }),
    "a foreign key and kid a path": await signWith(own, { kid: "../../../../dev/null" }),
    "a foreign key and kid a URL": await signWith(own, { kid: elsewhere }),
    "a foreign key and kid with SQL": await signWith(own, { kid: "x' OR '1'='1" }),
    "a foreign key and a huge kid": await signWith(own, { kid: "k".repeat(4_000) }),
    "a foreign EC key": await other("ES256"),
    "a foreign Ed25519 key": await other("EdDSA"),
    "the right key with jku": await signWith(keys, { jku: elsewhere }),
    "the right key with jwk": await signWith(keys, { jwk: keys.jwk as never }),
    "the right key with x5u": await signWith(keys, { x5u: elsewhere }),
    "the right key, and a huge token": await signWith(keys, {}, { x: "x".repeat(8_192) }),
    "the right key, and an expired token": await signWith(keys, {}, { exp: inSeconds(-60) }),
    "the right key, and exp as a text": await signWith(keys, {}, { exp: "9999999999" }),
  };
}

function withoutSignature(): Forgeries {
  const algs = ["none", "None", "NONE", "nOnE", "none ", "", "null"];
  return Object.fromEntries(algs.flatMap((alg) => {
    const signed = `${part(JSON.stringify({ alg, typ: "JWT" }))}.${part(JSON.stringify(claims))}`;
    const name = `alg ${JSON.stringify(alg)}`;
    return [[name, `${signed}.`], [`${name} with two parts`, signed], [`${name} with a signature`, `${signed}.AAAA`]];
  }));
}
