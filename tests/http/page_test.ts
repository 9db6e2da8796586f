import { assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { TestService } from "../support/test_service.ts";

Deno.test("GET / is an HTML page in UTF-8", async () => {
  await using service = await TestService.start();
  const { status, headers, text } = await service.call("GET", "/");
  assertEquals([status, headers.get("content-type")?.toLowerCase()], [200, "text/html; charset=utf-8"]);
  assertMatch(text, /^<!doctype html>/i);
});

Deno.test("GET / tells how to connect", async () => {
  await using service = await TestService.start();
  assertStringIncludes((await service.call("GET", "/")).text, "/socket");
});

Deno.test("GET / allows itself no script, no frame and no base", async () => {
  await using service = await TestService.start();
  const policy = (await service.call("GET", "/")).headers.get("content-security-policy")?.split("; ") ?? [];
  for (const directive of ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
    assertEquals(policy.filter((entry) => entry === directive), [directive]);
  }
  assertEquals(policy.filter((entry) => /script-src|unsafe-eval|\*/.test(entry)), []);
});

Deno.test("GET / works under its own policy: no script, no link to load, no handler", async () => {
  await using service = await TestService.start();
  const { text } = await service.call("GET", "/");
  assertFalse(/<script|<link|<img|<iframe|\son\w+=|style="/i.test(text));
});

for (const [name, value] of [["x-content-type-options", "nosniff"], ["referrer-policy", "no-referrer"]] as const) {
  Deno.test(`GET / says ${name}: ${value}`, async () => {
    await using service = await TestService.start();
    assertEquals((await service.call("GET", "/")).headers.get(name), value);
  });
}

Deno.test("GET / repeats nothing of its address", async () => {
  await using service = await TestService.start();
  const { text } = await service.call("GET", "/?token=reflected&%3Cscript%3Ealert(1)%3C/script%3E");
  assertFalse(/reflected|alert/.test(text));
});

Deno.test("GET / is the same for every host", async () => {
  await using service = await TestService.start();
  const page = (await service.call("GET", "/")).text;
  assertEquals((await service.call("GET", "/", { headers: { "x-forwarded-host": "evil.example" } })).text, page);
});
