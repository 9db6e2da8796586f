import { assertEquals } from "@std/assert";
import { originCheck } from "../../src/auth/origin.ts";

type Row = [origin: string | null | undefined, host: string | null | undefined, allowed: boolean];

/** One test for each origin that a list meets. */
function table(allowed: string[], loopback: boolean, rows: readonly Row[]): void {
  const check = originCheck(allowed, { loopback });
  const rules = `${JSON.stringify(allowed)}${loopback ? " with loopback" : ""}`;
  for (const [origin, host, expected] of rows) {
    Deno.test(`originCheck(${rules}) ${expected ? "lets in" : "refuses"} ${origin} at host ${host}`, () => {
      assertEquals(check(origin, host), expected);
    });
  }
}

table([], false, [
  [undefined, "chat.example.com", true],
  [null, "chat.example.com", true],
  ["https://chat.example.com", "chat.example.com", true],
  ["http://chat.example.com", "chat.example.com", true],
  ["https://chat.example.com:8443", "chat.example.com:8443", true],
  ["https://CHAT.example.com", "chat.EXAMPLE.com", true],
  ["http://[::1]:4000", "[::1]:4000", true],
  ["https://chat.example.com:8443", "chat.example.com", false],
  ["https://chat.example.com", "chat.example.com:8443", false],
  ["https://evil.example.com", "chat.example.com", false],
  ["https://chat.example.com.evil.net", "chat.example.com", false],
  ["https://evilchat.example.com", "chat.example.com", false],
  ["https://sub.chat.example.com", "chat.example.com", false],
  ["https://chat.example.com@evil.net", "chat.example.com", false],
  ["https://evil.net/chat.example.com", "chat.example.com", false],
  ["https://evil.net?chat.example.com", "chat.example.com", false],
  ["https://evil.net#chat.example.com", "chat.example.com", false],
  ["https://evil.net\\chat.example.com", "chat.example.com", false],
  ["https://chat.example.com", undefined, false],
  ["https://chat.example.com", null, false],
  ["https://chat.example.com", "", false],
  ["null", "chat.example.com", false],
  ["null", "null", false],
  ["", "chat.example.com", false],
  ["*", "chat.example.com", false],
  ["chat.example.com", "chat.example.com", false],
  ["//chat.example.com", "chat.example.com", false],
  ["file://chat.example.com", "chat.example.com", false],
  ["chrome-extension://chat.example.com", "chat.example.com", false],
  ["https://chat.example.com, https://evil.net", "chat.example.com", false],
  ["http://localhost:3000", "chat.example.com", false],
  ["http://127.0.0.1", "chat.example.com", false],
]);

table([], true, [
  ["http://localhost", "chat.example.com", true],
  ["http://localhost:3000", "127.0.0.1:4000", true],
  ["https://localhost:3000", "127.0.0.1:4000", true],
  ["http://app.localhost:3000", "127.0.0.1:4000", true],
  ["http://127.0.0.1:3000", "localhost:4000", true],
  ["http://127.255.255.254", "localhost:4000", true],
  ["http://[::1]:3000", "localhost:4000", true],
  ["http://localhost.evil.net", "localhost:4000", false],
  ["http://evillocalhost", "localhost:4000", false],
  ["http://127.0.0.1.evil.net", "localhost:4000", false],
  ["http://127.evil.net", "localhost:4000", false],
  ["http://128.0.0.1", "localhost:4000", false],
  ["http://[::2]", "localhost:4000", false],
  ["http://0.0.0.0:3000", "localhost:4000", false],
  ["http://192.168.0.1", "localhost:4000", false],
  ["http://localhost@evil.net", "localhost:4000", false],
  ["https://evil.net", "localhost:4000", false],
  ["null", "localhost:4000", false],
  ["file://localhost", "localhost:4000", false],
]);

table(["https://good.example"], true, [
  [undefined, "good.example", true],
  ["https://good.example", "chat.internal", true],
  ["https://good.example:443", "chat.internal", true],
  ["https://GOOD.example", "chat.internal", true],
  ["http://good.example", "chat.internal", false],
  ["http://good.example:443", "chat.internal", false],
  ["https://good.example:8443", "chat.internal", false],
  ["https://sub.good.example", "chat.internal", false],
  ["https://good.example.evil.com", "chat.internal", false],
  ["https://evilgood.example", "chat.internal", false],
  ["https://good.example.", "chat.internal", false],
  ["https://good.example@evil.com", "chat.internal", false],
  ["https://goodXexample", "chat.internal", false],
  ["https://chat.internal", "chat.internal", false],
  ["http://localhost:3000", "chat.internal", false],
  ["null", "chat.internal", false],
]);

table(["http://good.example:8080"], false, [
  ["http://good.example:8080", "chat.internal", true],
  ["http://good.example", "chat.internal", false],
  ["http://good.example:80", "chat.internal", false],
  ["https://good.example:8080", "chat.internal", false],
]);

table(["//good.example"], false, [
  ["http://good.example", "chat.internal", true],
  ["https://good.example", "chat.internal", true],
  ["https://good.example:8443", "chat.internal", true],
  ["https://sub.good.example", "chat.internal", false],
  ["ftp://good.example", "chat.internal", false],
]);

table(["//good.example:443"], false, [
  ["https://good.example", "chat.internal", true],
  ["https://good.example:443", "chat.internal", true],
  ["http://good.example:443", "chat.internal", true],
  ["http://good.example", "chat.internal", false],
  ["https://good.example:8443", "chat.internal", false],
]);

table(["//*.good.example"], false, [
  ["https://good.example", "chat.internal", true],
  ["https://a.good.example", "chat.internal", true],
  ["http://a.b.good.example:8080", "chat.internal", true],
  ["https://evilgood.example", "chat.internal", false],
  ["https://good.example.evil.com", "chat.internal", false],
  ["https://a.good.example.evil.com", "chat.internal", false],
  ["https://.good.example.evil.com", "chat.internal", false],
  ["null", "chat.internal", false],
]);

table(["//*.good.example:8443"], false, [
  ["https://a.good.example:8443", "chat.internal", true],
  ["https://good.example:8443", "chat.internal", true],
  ["https://a.good.example", "chat.internal", false],
]);

table(["//[::1]:3000"], false, [
  ["http://[::1]:3000", "chat.internal", true],
  ["http://[::1]:3001", "chat.internal", false],
  ["http://[::2]:3000", "chat.internal", false],
]);

table(["https://a.example", "//*.b.example"], false, [
  ["https://a.example", "chat.internal", true],
  ["http://x.b.example", "chat.internal", true],
  ["http://a.example", "chat.internal", false],
]);

table(["https://a.example", "*"], false, [
  ["https://evil.example", "chat.internal", true],
  ["null", "chat.internal", true],
  [undefined, undefined, true],
]);
