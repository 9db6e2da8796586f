import { assert, assertEquals, assertFalse, assertMatch } from "@std/assert";
import { SessionTokens } from "../../src/auth/session_tokens.ts";

const TOKENS = new SessionTokens("secret", "salt");

Deno.test("SessionTokens make() makes a token that verify() knows and a query needs not escape", () => {
  const token = TOKENS.make();
  assertMatch(token, /^[\w-]{32}\.[\w-]{43}$/);
  assert(TOKENS.verify(token));
});

Deno.test("SessionTokens make() never makes the same token again", () => {
  assertEquals(new Set(Array.from({ length: 1_000 }, () => TOKENS.make())).size, 1_000);
});

Deno.test("SessionTokens verify() knows what another instance with the same secret and salt made", () => {
  assert(new SessionTokens("secret", "salt").verify(TOKENS.make()));
});

for (const [secret, salt] of [["Secret", "salt"], ["secret", "Salt"], ["", ""], ["secretsalt", ""]] as const) {
  Deno.test(`SessionTokens verify() does not know what was made with ${secret || "no secret"} and ${salt || "no salt"}`, () => {
    assertFalse(TOKENS.verify(new SessionTokens(secret, salt).make()));
  });
}

Deno.test("SessionTokens verify() does not know a token of which any character was changed", () => {
  const token = TOKENS.make();
  for (let at = 0; at < token.length; at++) {
    for (const other of ["A", "B", "-", ".", "é", "😀", ""]) {
      const altered = token.slice(0, at) + other + token.slice(at + 1);
      if (altered !== token) assertFalse(TOKENS.verify(altered), altered);
    }
  }
});

for (
  const [what, forge] of Object.entries<(token: string) => string>({
    "nothing": () => "",
    "a point": () => ".",
    "no point": (token) => token.replace(".", ""),
    "no signature": (token) => token.slice(0, 33),
    "no id": (token) => token.slice(32),
    "something behind it": (token) => `${token}.`,
    "a third part": (token) => `${token}.x`,
    "the signature of another": (token) => `${token.slice(0, 32)}${TOKENS.make().slice(32)}`,
    "a signature of as many characters, which are more bytes": (token) => `${token.slice(0, 33)}${"é".repeat(43)}`,
    "a lone surrogate": (token) => `${token.slice(0, -1)}\ud800`,
    "a user's JSON Web Token": () => "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2ln",
    "a megabyte": () => "x".repeat(1_048_576),
  })
) {
  Deno.test(`SessionTokens verify() does not know ${what}`, () => assertFalse(TOKENS.verify(forge(TOKENS.make()))));
}
