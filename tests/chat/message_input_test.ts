import { assert, assertEquals } from "@std/assert";
import {
  changesQuery,
  emoji,
  historyRequest,
  MAX_CONTENT,
  mentionsIn,
  messageDraft,
  messageIds,
  messagePatch,
  readSeq,
  searchQuery,
  searchTerms,
} from "../../src/chat/message_input.ts";
import { assertRefused } from "../store/support/assert_refused.ts";

const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/** A different id for each number. */
function ulid(n: number): string {
  return `01ARZ3NDEKTSV4RRFFQ6${String(n).padStart(6, "0")}`;
}

/** An object that nests so many levels, itself included. */
function levels(count: number): Record<string, unknown> {
  return JSON.parse(`${'{"a":'.repeat(count)}1${"}".repeat(count)}`);
}

function short(value: unknown): string {
  return Deno.inspect(value, {
    depth: 2,
    strAbbreviateSize: 40,
    iterableLimit: 3,
    compact: true,
    breakLength: Infinity,
  })
    .replaceAll(/\p{Cc}/gu, "·").slice(0, 70);
}

/** Payloads that are no fields at all. */
const NO_OBJECTS: readonly unknown[] = [null, undefined, [], "text", 7, true, new Uint8Array([123, 125])];

// Drafts

Deno.test("messageDraft() takes what a message is made from and nothing else", () => {
  const payload = {
    content: "hi",
    user_id: "eve",
    userId: "eve",
    channel_id: "x",
    id: ULID,
    mentions: ["eve"],
    seq: 9,
  };
  assertEquals<unknown>(messageDraft("a", "alice", payload), { channelId: "a", userId: "alice", content: "hi" });
});

Deno.test("messageDraft() takes everything that a message may have", () => {
  const payload = { content: "<@bob>", nonce: "n", reply_to: ULID, metadata: { a: [1, null] } };
  assertEquals<unknown>(messageDraft("a", "alice", payload), {
    channelId: "a",
    userId: "alice",
    content: "<@bob>",
    mentions: ["bob"],
    nonce: "n",
    replyTo: ULID,
    metadata: { a: [1, null] },
  });
});

Deno.test("messageDraft() takes reply_to and metadata that are null for absent", () => {
  const draft = messageDraft("a", "alice", { content: "hi", reply_to: null, metadata: null });
  assertEquals<unknown>(draft, { channelId: "a", userId: "alice", content: "hi" });
});

Deno.test("messageDraft() takes nothing from a prototype", async () => {
  await assertRefused("invalid", () => messageDraft("a", "alice", JSON.parse(`{"__proto__":{"content":"hi"}}`)));
});

for (const payload of NO_OBJECTS) {
  Deno.test(`messageDraft() refuses ${short(payload)} for a payload`, async () => {
    await assertRefused("invalid", () => messageDraft("a", "alice", payload));
  });
}

const GOOD_CONTENT = [
  "x",
  " x\n",
  "x".repeat(MAX_CONTENT),
  "😀".repeat(MAX_CONTENT),
  "\u200b",
  "\u{10ffff}\ufffe",
  "a\x01\x7f\r\n",
];
for (const content of GOOD_CONTENT) {
  Deno.test(`messageDraft() and messagePatch() keep the content ${short(content)} of ${content.length} units`, () => {
    assertEquals([messageDraft("a", "u", { content }).content, messagePatch({ content }).content], [content, content]);
  });
}

const BAD_CONTENT: readonly unknown[] = [
  "",
  " \t\n\u00a0\u3000\ufeff",
  "x".repeat(MAX_CONTENT + 1),
  "😀".repeat(MAX_CONTENT + 1),
  ` ${"x".repeat(MAX_CONTENT)}`,
  "\ud83d",
  "a\udc00b",
  "\ude00\ud83d",
  "a\0",
  null,
  7,
  true,
  ["x"],
  { toString: "x" },
];
for (const content of BAD_CONTENT) {
  Deno.test(`messageDraft() and messagePatch() refuse the content ${short(content)}`, async () => {
    await assertRefused("invalid", () => messageDraft("a", "u", { content }), "content");
    await assertRefused("invalid", () => messagePatch({ content }), "content");
  });
}

for (const nonce of ["n", "😀".repeat(64), "x".repeat(64), " "]) {
  Deno.test(`messageDraft() takes the nonce ${short(nonce)}`, () => {
    assertEquals(messageDraft("a", "u", { content: "x", nonce }).nonce, nonce);
  });
}

for (const nonce of ["", "x".repeat(65), "😀".repeat(65), "\ud800", "\0", null, 7, ["n"], {}]) {
  Deno.test(`messageDraft() refuses the nonce ${short(nonce)}`, async () => {
    await assertRefused("invalid", () => messageDraft("a", "u", { content: "x", nonce }), "nonce");
  });
}

for (
  const reply_to of ["", "x", ULID.toLowerCase(), `${ULID}A`, `8${ULID.slice(1)}`, `${ULID}\n`, 7, {}, [ULID], false]
) {
  Deno.test(`messageDraft() refuses the reply_to ${short(reply_to)}`, async () => {
    await assertRefused("invalid", () => messageDraft("a", "u", { content: "x", reply_to }), "reply_to");
  });
}

// Metadata

const GOOD_METADATA: Readonly<Record<string, Record<string, unknown>>> = {
  "an empty object": {},
  "every kind of value": { a: 1, b: "x", c: [], d: {}, e: null, f: true, g: 1e300, h: -0.5 },
  "emoji in keys and values": { "😀": "😀" },
  "the text \\u0000": { a: "\\u0000", b: "\\\\u0000", c: "\\ud800", "\\u0000": 1 },
  "a text that ends in a backslash": { a: "x\\", u0000: "\\" },
  "control characters that can be stored": { a: "\x01\n\x1f\x7f", "\t": 1 },
  "an own __proto__": JSON.parse(`{"__proto__":{"a":1},"constructor":2}`),
  "a field toJSON": { toJSON: 1 },
  "64 levels": levels(64),
  "4,096 bytes": { a: "x".repeat(4_096 - 8) },
  "4,096 bytes of emoji": { a: "😀".repeat(1_022) },
};
for (const [kind, metadata] of Object.entries(GOOD_METADATA)) {
  Deno.test(`messageDraft() and messagePatch() take metadata of ${kind}`, () => {
    assertEquals(messageDraft("a", "u", { content: "x", metadata }).metadata, metadata);
    assertEquals(messagePatch({ metadata }).metadata, metadata);
  });
}

const BAD_METADATA: Readonly<Record<string, unknown>> = {
  "a text": "{}",
  "a number": 7,
  "false": false,
  "an array": [],
  "bytes": new Uint8Array(1),
  "NUL in a text": { a: "x\0y" },
  "NUL in a key": { "a\0": 1 },
  "NUL far inside": { a: [{ b: ["\0"] }] },
  "NUL after a backslash": { a: "\\\0" },
  "NUL after two backslashes": { a: "\\\\\0" },
  "a lone high surrogate": { a: "\ud83d" },
  "a lone low surrogate in a key": { "\udfff": 1 },
  "a lone surrogate after a backslash": { a: "\\\udabc" },
  "65 levels": levels(65),
  "10,000 levels": levels(10_000),
  "4,097 bytes": { a: "x".repeat(4_096 - 7) },
  "4,098 bytes in fewer units": { a: "é".repeat(2_045) },
};
for (const [kind, metadata] of Object.entries(BAD_METADATA)) {
  Deno.test(`messageDraft() and messagePatch() refuse metadata of ${kind}`, async () => {
    await assertRefused("invalid", () => messageDraft("a", "u", { content: "x", metadata }));
    await assertRefused("invalid", () => messagePatch({ metadata }));
  });
}

// Patches

Deno.test("messagePatch() takes content alone, with its mentions, and none where it names nobody", () => {
  assertEquals<unknown>(messagePatch({ content: "<@bob>" }), { content: "<@bob>", mentions: ["bob"] });
  assertEquals<unknown>(messagePatch({ content: "bob" }), { content: "bob", mentions: [] });
});

Deno.test("messagePatch() takes metadata alone, and null to take it away", () => {
  assertEquals<unknown>(messagePatch({ metadata: { a: 1 } }), { metadata: { a: 1 } });
  assertEquals<unknown>(messagePatch({ metadata: null }), { metadata: null });
});

Deno.test("messagePatch() takes both and nothing else", () => {
  const payload = { content: "x", metadata: null, nonce: "n", reply_to: ULID, user_id: "eve", deleted: true };
  assertEquals<unknown>(messagePatch(payload), { content: "x", mentions: [], metadata: null });
});

for (const payload of [...NO_OBJECTS, {}, { text: "x" }, { reply_to: ULID, nonce: "n" }]) {
  Deno.test(`messagePatch() refuses ${short(payload)}`, async () => {
    await assertRefused("invalid", () => messagePatch(payload));
  });
}

// Mentions

const MENTIONS: readonly [text: string, users: string[]][] = [
  ["", []],
  ["@bob <bob> <@> < @bob> <@bob", []],
  ["<@bob>", ["bob"]],
  ["<@bob><@alice> <@bob>", ["bob", "alice"]],
  ["<@<@bob>>", ["bob"]],
  ["<@a<b>", []],
  ["<@a@b.c> <@user:1/2 x> <@😀>", ["a@b.c", "user:1/2 x", "😀"]],
  ["<@bo\nb> <@\u0085>", []],
  [`<@${"x".repeat(128)}>`, ["x".repeat(128)]],
  [`<@${"x".repeat(129)}>`, []],
  [`<@${"😀".repeat(128)}>`, ["😀".repeat(128)]],
  ["<@__proto__> <@constructor>", ["__proto__", "constructor"]],
  ["<@Bob> <@bob>", ["Bob", "bob"]],
];
for (const [text, users] of MENTIONS) {
  Deno.test(`mentionsIn() finds ${users.length} users in ${short(text)}`, () => assertEquals(mentionsIn(text), users));
}

Deno.test("mentionsIn() takes the first 100 users", () => {
  const users = Array.from({ length: 101 }, (_, n) => `user${n}`);
  assertEquals(mentionsIn(users.map((user) => `<@${user}>`).join("")), users.slice(0, 100));
});

Deno.test("mentionsIn() is done at once with 4,000 characters that nearly are mentions", () => {
  const begin = performance.now();
  for (const text of ["<@".repeat(2_000), `<@${"x".repeat(3_998)}`, "<@x".repeat(1_333)]) mentionsIn(text);
  assert(performance.now() - begin < 1_000);
});

// Bulk deletions

Deno.test("messageIds() takes 2 and 100 ids, in order, each once", () => {
  assertEquals(messageIds({ ids: [ulid(2), ulid(1), ulid(2)] }), [ulid(2), ulid(1)]);
  const ids = Array.from({ length: 100 }, (_, n) => ulid(n));
  assertEquals(messageIds({ ids: [...ids, ...ids] }), ids);
});

const BAD_IDS: readonly unknown[] = [
  undefined,
  null,
  ULID,
  {},
  { length: 2, 0: ulid(1), 1: ulid(2) },
  [],
  [ULID],
  [ULID, ULID],
  [ulid(1), 7],
  [ulid(1), null],
  [ulid(1), "x"],
  [[ulid(1)], [ulid(2)]],
  Array.from({ length: 101 }, (_, n) => ulid(n)),
];
for (const ids of BAD_IDS) {
  Deno.test(`messageIds() refuses ${short(ids)}`, async () => {
    await assertRefused("invalid", () => messageIds({ ids }), "ids");
  });
}

for (const payload of NO_OBJECTS) {
  Deno.test(`messageIds() refuses ${short(payload)} for a payload`, async () => {
    await assertRefused("invalid", () => messageIds(payload));
  });
}

// Emoji

const GOOD_EMOJI = [
  "👍",
  "❤️",
  "👩‍👩‍👧‍👦",
  "🏳️‍🌈",
  "🇩🇪",
  ":party:",
  "+1",
  "a/b",
  "%",
  "x".repeat(32),
  "😀".repeat(32),
  "<b>",
  "__proto__",
];
for (const text of GOOD_EMOJI) {
  Deno.test(`emoji() takes ${short(text)}`, () => assertEquals(emoji(text), text));
}

const BAD_EMOJI: readonly unknown[] = [
  "",
  " ",
  "a b",
  "👍\n",
  "\u00a0",
  "\u3000",
  "a\0",
  "\x1b[0m",
  "\x7f",
  "\u0085",
  "\ud83d",
  "x".repeat(33),
  "😀".repeat(33),
];
for (const value of [...BAD_EMOJI, undefined, null, 7, ["👍"], {}]) {
  Deno.test(`emoji() refuses ${short(value)}`, async () => {
    await assertRefused("invalid", () => emoji(value), "emoji");
  });
}

// What was read

for (const seq of [0, 1, Number.MAX_SAFE_INTEGER]) {
  Deno.test(`readSeq() takes ${seq}`, () => assertEquals(readSeq({ seq }), seq));
}

for (const seq of [-1, 1.5, NaN, Infinity, 2 ** 53, "1", null, undefined, true, [1], {}]) {
  Deno.test(`readSeq() refuses ${short(seq)}`, async () => {
    await assertRefused("invalid", () => readSeq({ seq }), "seq");
  });
}

for (const payload of NO_OBJECTS) {
  Deno.test(`readSeq() refuses ${short(payload)} for a payload`, async () => {
    await assertRefused("invalid", () => readSeq(payload));
  });
}

// History over a socket

const HISTORIES: readonly [payload: unknown, query: unknown][] = [
  [{}, { limit: 50 }],
  [{ limit: 1 }, { limit: 1 }],
  [{ limit: 100, before: ULID }, { limit: 100, before: ULID }],
  [{ limit: "7", after: ULID }, { limit: 7, after: ULID }],
  [{ around: ULID, before: null, after: null, limit: null }, { limit: 50, around: ULID }],
];
for (const [payload, query] of HISTORIES) {
  Deno.test(`historyRequest() reads ${short(payload)}`, () => assertEquals<unknown>(historyRequest(payload), query));
}

const BAD_HISTORIES: readonly unknown[] = [
  ...NO_OBJECTS,
  { limit: 0 },
  { limit: 101 },
  { limit: -1 },
  { limit: 1.5 },
  { limit: 1e21 },
  { limit: true },
  { limit: [5] },
  { limit: {} },
  { limit: { toString: 1 } },
  { before: ULID, after: ULID },
  { before: ULID, around: ULID },
  { after: ULID, around: ULID },
  { before: 7 },
  { after: "" },
  { around: "x" },
  { before: [ULID] },
  { before: { toString: 1, valueOf: 1 } },
  { after: JSON.parse("[".repeat(20_000) + "]".repeat(20_000)) },
];
for (const payload of BAD_HISTORIES) {
  Deno.test(`historyRequest() refuses ${short(payload)}`, async () => {
    await assertRefused("invalid", () => historyRequest(payload));
  });
}

// Changes

const CHANGES: readonly [query: Record<string, string>, read: unknown][] = [
  [{ after: "0" }, { after: 0, limit: 50 }],
  [{ after: "7", limit: "100", epoch: "e", x: "y" }, { after: 7, limit: 100, epoch: "e" }],
  [{ after: String(Number.MAX_SAFE_INTEGER), epoch: "" }, { after: Number.MAX_SAFE_INTEGER, limit: 50, epoch: "" }],
];
for (const [query, read] of CHANGES) {
  Deno.test(`changesQuery() reads ${short(query)}`, () => assertEquals<unknown>(changesQuery(query), read));
}

const BAD_CHANGES: Record<string, string>[] = [
  {},
  { after: "" },
  { after: "-1" },
  { after: "1.5" },
  { after: "1e3" },
  { after: " 1" },
  { after: "9007199254740992" },
  { after: ULID },
  { after: "0", limit: "0" },
  { after: "0", limit: "101" },
  { after: "0", epoch: "x".repeat(65) },
];
for (const query of BAD_CHANGES) {
  Deno.test(`changesQuery() refuses ${short(query)}`, async () => {
    await assertRefused("invalid", () => changesQuery(query));
  });
}

// Search

const SEARCHES: readonly [q: string, terms: string[]][] = [
  ["fox", ["fox"]],
  ["  red   fox\n", ["red", "fox"]],
  ['"red fox"', ["red fox"]],
  ['"red fox', ["red fox"]],
  ['"red fox"*', ["red fox*"]],
  ["jum*", ["jum*"]],
  ["jum***", ["jum*"]],
  ['a"b c"d', ["a", "b c", "d"]],
  ['""" fox', [" fox"]],
  ["- + ( fox ) : ^ * ~", ["fox"]],
  ["fox AND NOT OR NEAR(a,b)", ["fox", "AND", "NOT", "OR", "NEAR(a,b)"]],
  ["content:fox", ["content:fox"]],
  ["'; DROP TABLE messages; --", ["DROP", "TABLE", "messages;"]],
  ["👍 fox", ["fox"]],
  ["ドラゴン 9 ß", ["ドラゴン", "9", "ß"]],
  ["x".repeat(256), ["x".repeat(256)]],
  ["1 2 3 4 5 6 7 8 9 10", ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]],
  ['"1 2 3 4 5 6 7 8 9 10 11"', ["1 2 3 4 5 6 7 8 9 10 11"]],
];
for (const [q, terms] of SEARCHES) {
  Deno.test(`searchTerms() reads ${short(q)}`, () => {
    assertEquals(searchTerms(q).map(({ text, prefix }) => text + (prefix ? "*" : "")), terms);
  });
}

const BAD_SEARCHES: readonly unknown[] = [
  undefined,
  null,
  7,
  ["fox"],
  "",
  "   ",
  "*",
  '"',
  '""*',
  "👍 ❤️",
  "- + (",
  "fox\0",
  "\ud800 fox",
  "x".repeat(257),
  "1 2 3 4 5 6 7 8 9 10 11",
];
for (const q of BAD_SEARCHES) {
  Deno.test(`searchTerms() refuses ${short(q)}`, async () => {
    await assertRefused("invalid", () => searchTerms(q), "q");
  });
}

Deno.test("searchTerms() takes 256 characters of emoji and words that are more units", () => {
  assertEquals(searchTerms("😀".repeat(255) + "x"), [{ text: "😀".repeat(255) + "x", prefix: false }]);
});

Deno.test("searchQuery() reads a search of all channels and of one", () => {
  const terms = [{ text: "fox", prefix: false }];
  assertEquals<unknown>(searchQuery({ q: "fox" }), { terms, limit: 50 });
  assertEquals<unknown>(searchQuery({ q: "fox", limit: "7", before: "9" }, "a"), {
    terms,
    limit: 7,
    channelId: "a",
    before: "9",
  });
});

Deno.test("searchQuery() refuses a bad limit and a bad channel", async () => {
  await assertRefused("invalid", () => searchQuery({ q: "fox", limit: "0" }));
  await assertRefused("invalid", () => searchQuery({ q: "fox" }, "a b"));
});
