import { assertEquals, assertThrows } from "@std/assert";
import { identityOf } from "../../src/auth/claims.ts";
import { ChatError } from "../../src/errors.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const EXP = NOW_MS / 1_000 + 60;
const NEEDED = { sub: "alice", exp: EXP };

function refusal(claims: Record<string, unknown>): string {
  const error = assertThrows(() => identityOf(claims, NOW_MS), ChatError);
  assertEquals(error.code, "unauthorized");
  return error.message;
}

Deno.test("identityOf() takes what must be there and makes up nothing else", () => {
  assertEquals(identityOf(NEEDED, NOW_MS), { userId: "alice", expiresAt: EXP * 1_000 });
});

Deno.test("identityOf() takes every claim that means something and no other", () => {
  const info = { team: "red", __proto__: null, deep: { a: [1] } };
  const claims = {
    iat: 1.5,
    jti: "t-1",
    name: "Zoë 😀",
    info,
    channels: ["general", "team_*", "*"],
    role: "moderator",
  };
  assertEquals(identityOf({ ...NEEDED, ...claims, user_id: "mallory", scope: "all" }, NOW_MS), {
    userId: "alice",
    expiresAt: EXP * 1_000,
    issuedAt: 1_500,
    jti: "t-1",
    name: "Zoë 😀",
    info,
    channels: ["general", "team_*", "*"],
    role: "moderator",
  });
});

Deno.test("identityOf() takes an empty list of channels for what it is: none", () => {
  assertEquals(identityOf({ ...NEEDED, channels: [] }, NOW_MS).channels, []);
});

for (const role of ["user", "moderator", "admin"] as const) {
  Deno.test(`identityOf() takes the role ${role}`, () => {
    assertEquals(identityOf({ ...NEEDED, role }, NOW_MS).role, role);
  });
}

for (const role of ["Admin", "admin ", "root", "authenticated", "", null, 7, ["admin"], { admin: true }]) {
  Deno.test(`identityOf() gives nothing for the role ${JSON.stringify(role)}`, () => {
    assertEquals("role" in identityOf({ ...NEEDED, role }, NOW_MS), false);
  });
}

const limits: [string, unknown, unknown][] = [
  ["exp", EXP - 60 + 3_600 * 24 * 3_660, EXP + 3_600 * 24 * 3_661],
  ["exp", 0.5, EXP * 1_000],
  ["jti", "j".repeat(128), "j".repeat(129)],
  ["name", "😀".repeat(100), "😀".repeat(101)],
  ["info", { x: "é".repeat(508) }, { x: "é".repeat(509) }],
  ["channels", Array(100).fill("a"), Array(101).fill("a")],
  ["channels", ["a".repeat(64)], ["a".repeat(65)]],
  ["channels", [`${"a".repeat(63)}*`], [`${"a".repeat(64)}*`]],
];
for (const [claim, most, more] of limits) {
  Deno.test(`identityOf() takes ${claim} of ${JSON.stringify(most).slice(0, 20)} and no more`, () => {
    identityOf({ ...NEEDED, [claim]: most }, NOW_MS);
    refusal({ ...NEEDED, [claim]: more });
  });
}

const wrong: Record<string, readonly unknown[]> = {
  sub: [undefined, null, "", 7, ["alice"], { id: "alice" }, "a\nb", "\ud800"],
  exp: [undefined, null, String(EXP), NaN, Infinity, -Infinity, -1, 1e300, Number.MAX_VALUE, [EXP], true],
  iat: [null, String(EXP), NaN, Infinity, -1, true, {}],
  jti: [null, "", 7, "a\0", ["a"]],
  name: [null, "", 7, "a\x1b[31m", "a\r\nb", "\udc00", { first: "a" }],
  info: [null, "text", 7, [], [{}], true],
  channels: [null, "general", {}, [7], [null], [""], ["a b"], ["a/*"], ["*a"], ["a**"], ["ä"], ["a\n"], ["a", "../b"]],
};
for (const [claim, values] of Object.entries(wrong)) {
  for (const value of values) {
    Deno.test(`identityOf() refuses ${claim} ${typeof value === "number" ? value : JSON.stringify(value)}`, () => {
      const message = refusal({ ...NEEDED, [claim]: value });
      assertEquals(message.includes(claim === "sub" ? "user id" : claim), true, message);
    });
  }
}
