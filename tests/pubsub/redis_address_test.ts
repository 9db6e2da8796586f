import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { ChatError } from "../../src/errors.ts";
import { parseRedisUrl, type RedisAddress } from "../../src/pubsub/redis_address.ts";

const host = (host: string, port: number) => ({ host, port });

const READ: Record<string, RedisAddress> = {
  "redis://localhost": { kind: "single", tls: false, hosts: [host("localhost", 6379)] },
  "redis://[::1]:7000/3": { kind: "single", tls: false, hosts: [host("::1", 7000)] },
  "rediss://:p%3Aw@h:1": { kind: "single", tls: true, hosts: [host("h", 1)], password: "p:w" },
  "redis://u:p@h": { kind: "single", tls: false, hosts: [host("h", 6379)], username: "u", password: "p" },
  "redis+cluster://a:1,[::2]:2,c": {
    kind: "cluster",
    tls: false,
    hosts: [host("a", 1), host("::2", 2), host("c", 6379)],
  },
  "rediss+sentinel://u:p@a,b:1/my%20master": {
    kind: "sentinel",
    tls: true,
    hosts: [host("a", 26379), host("b", 1)],
    username: "u",
    password: "p",
    master: "my master",
  },
};

for (const [url, address] of Object.entries(READ)) {
  Deno.test(`parseRedisUrl() reads ${url}`, () => assertEquals(parseRedisUrl(url), address));
}

Deno.test("parseRedisUrl() throws invalid for anything else, without showing it", () => {
  const wrong = [
    "",
    "redis:",
    "redis://",
    "redis://secret@",
    "redis://secret:%zz@h",
    "redis://h:0",
    "redis://h:65536",
    "redis://h:x",
    "redis://a,b",
    "redis://h/name",
    "redis://h?tls",
    "redis+cluster://a,b/0",
    "redis+cluster://a,,b",
    "redis+sentinel://a,b",
    "redis+sentinel://a,b/",
    "http://h",
    " redis://h",
  ];
  for (const url of wrong) {
    const error = assertThrows(() => parseRedisUrl(url), ChatError, undefined, url);
    assertEquals(error.code, "invalid");
    assertFalse(error.message.includes("secret"));
  }
});
