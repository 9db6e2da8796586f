import { assertEquals, assertFalse, assertMatch } from "@std/assert";
import { SessionTokens } from "../../src/auth/session_tokens.ts";

const HOME = "a1b2";
const TOKENS = new SessionTokens("secret", "salt");

Deno.test("SessionTokens make() makes a token that homeOf() knows and a query needs not escape", () => {
  const token = TOKENS.make(HOME);
  assertMatch(token, /^a1b2\.[\w-]{32}\.[\w-]{43}$/);
  assertEquals(TOKENS.homeOf(token), HOME);
});

Deno.test("SessionTokens make() never makes the same token again", () => {
  assertEquals(new Set(Array.from({ length: 1_000 }, () => TOKENS.make(HOME))).size, 1_000);
});

Deno.test("SessionTokens homeOf() knows what another instance with the same secret and salt made", () => {
  assertEquals(new SessionTokens("secret", "salt").homeOf(TOKENS.make(HOME)), HOME);
});

for (const [secret, salt] of [["Secret", "salt"], ["secret", "Salt"], ["", ""], ["secretsalt", ""]] as const) {
  Deno.test(`SessionTokens homeOf() does not know what was made with ${secret || "no secret"} and ${salt || "no salt"}`, () => {
    assertFalse(TOKENS.homeOf(new SessionTokens(secret, salt).make(HOME)));
  });
}

Deno.test("SessionTokens homeOf() does not know a token of which any character was changed", () => {
  const token = TOKENS.make(HOME);
  for (let at = 0; at < token.length; at++) {
    for (const other of ["A", "B", "-", ".", "é", "😀", ""]) {
      const altered = token.slice(0, at) + other + token.slice(at + 1);
      if (altered !== token) assertFalse(TOKENS.homeOf(altered), altered);
    }
  }
});

for (
  const [what, forge] of Object.entries<(token: string) => string>({
    "nothing": () => "",
    "a point": () => ".",
    "no point": (token) => token.replace(".", ""),
    "no signature": (token) => token.slice(0, 38),
    "no id": (token) => token.slice(5),
    "another home": (token) => `b${token.slice(1)}`,
    "something behind it": (token) => `${token}.`,
    "a fourth part": (token) => `${token}.x`,
    "the signature of another": (token) => `${token.slice(0, 37)}${TOKENS.make(HOME).slice(37)}`,
    "a signature of as many characters, which are more bytes": (token) => `${token.slice(0, 38)}${"é".repeat(43)}`,
    "a lone surrogate": (token) => `${token.slice(0, -1)}\ud800`,
    "a user's JSON Web Token": () => "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2ln",
    "a megabyte": () => "x".repeat(1_048_576),
  })
) {
  Deno.test(`SessionTokens homeOf() does not know ${what}`, () => assertFalse(TOKENS.homeOf(forge(TOKENS.make(HOME)))));
}
