import { assertEquals } from "@std/assert";
import { busTopic, decodeNews, encodeNews, type News } from "../../src/chat/news.ts";

const meta = { phx_ref: "a.1", online_at: "2026-01-01T00:00:00.000Z" };
const NEWS: readonly News[] = [
  { kind: "change", first: 2, seq: 3, event: "new_message", payload: '{"content":"two\\nlines"}' },
  { kind: "event", event: "channel_updated", payload: "{}" },
  { kind: "tell", userId: "alice\n", event: "read_state", payload: "{}" },
  { kind: "typing", userId: "__proto__", types: true },
  { kind: "deleted" },
  { kind: "members", joins: [["alice", meta]], leaves: ["a.0"] },
  { kind: "all_members", joins: [], leaves: [] },
  { kind: "who" },
];

for (const news of NEWS) {
  Deno.test(`decodeNews() reads what encodeNews() has written: ${news.kind}`, () => {
    assertEquals<unknown>(decodeNews(encodeNews(news)), news);
  });
}

Deno.test("encodeNews() leaves the payload as its sender has written it", () => {
  const payload = '{"b":1, "a":2}';
  assertEquals(encodeNews({ kind: "event", event: "x", payload }).split("\n").at(-1), payload);
});

Deno.test("decodeNews() takes nothing else", () => {
  for (const text of ["", "\n", "null", "1", "[]", "{}", '{"kind":"poll"}', "{", "x\n{}"]) {
    assertEquals(decodeNews(text), undefined, text);
  }
});

Deno.test("busTopic() is another one in another storage", () => {
  assertEquals(busTopic("a", "one") === busTopic("a", "two"), false);
});
