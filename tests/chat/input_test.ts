import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import {
  channelDraft,
  channelId,
  channelPatch,
  fields,
  historyQuery,
  isChannelId,
  joinRequest,
  messageId,
  pageLimit,
  shallow,
} from "../../src/chat/input.ts";
import { messageDraft } from "../../src/chat/message_input.ts";
import { assertRefused } from "../store/support/assert_refused.ts";

const ULID = "01KDWDQEG0ABCDEFGHJKMNPQRS";

/** Values by what they are called. */
type Table = Readonly<Record<string, unknown>>;

function testRefused(symbol: string, table: Table, read: (value: unknown) => unknown, words = ""): void {
  for (const [kind, value] of Object.entries(table)) {
    Deno.test(`${symbol} refuses ${kind}`, async () => {
      await assertRefused("invalid", () => read(value), words);
    });
  }
}

function testUnchanged(symbol: string, table: Table, read: (value: unknown) => unknown): void {
  for (const [kind, value] of Object.entries(table)) {
    Deno.test(`${symbol} takes ${kind} as it is`, () => assertEquals(read(value), value));
  }
}

const NO_OBJECTS: Table = {
  "null": null,
  "undefined": undefined,
  "an array": [],
  "an array with a field": Object.assign([], { content: "hi", name: "x" }),
  "bytes": new Uint8Array([1, 2]),
  "a text": "content",
  "a number": 1,
  "a boolean": true,
};

const NO_TEXTS: Table = {
  "null": null,
  "a number": 7,
  "a boolean": false,
  "an array": ["hi"],
  "an object": { toString: "hi" },
  "bytes": new Uint8Array([104, 105]),
};

const NOT_STORABLE: Table = {
  "a lone high surrogate": "a\uD83D",
  "a lone low surrogate": "\uDE00b",
  "surrogates the wrong way round": "\uDE00\uD83D",
  "a NUL": "a\0b",
};

const BLANK: Table = {
  "nothing": "",
  "blanks": " \t\r\n",
  "Unicode blanks": "\u00A0\u2003\u2028\u2029\u3000\uFEFF",
};

// fields()

testRefused("fields()", NO_OBJECTS, fields, "JSON object");

Deno.test("fields() gives the fields of an object", () => {
  assertEquals(fields({ a: 1 }).a, 1);
});

// messageDraft()

const draftOf = (payload: unknown) => messageDraft("general", "alice", payload);
const contentOf = (content: unknown) => draftOf({ content }).content;
const nonceOf = (nonce: unknown) => draftOf({ content: "hi", nonce }).nonce;

Deno.test("messageDraft() takes the channel and the user it is told, the content and the nonce", () => {
  assertEquals(draftOf({ content: "hi", nonce: "n" }), {
    channelId: "general",
    userId: "alice",
    content: "hi",
    nonce: "n",
  });
});

Deno.test("messageDraft() has no nonce where none is given", () => {
  assertEquals(draftOf({ content: "hi" }), { channelId: "general", userId: "alice", content: "hi" });
});

Deno.test("messageDraft() ignores every other field, user_id above all", () => {
  const others = { user_id: "eve", userId: "eve", channel_id: "b", channelId: "b", id: "x", seq: 9, timestamp: "1" };
  assertEquals(draftOf({ content: "hi", ...others }), draftOf({ content: "hi" }));
});

Deno.test("messageDraft() ignores fields named after those of Object.prototype", () => {
  const payload = JSON.parse(`{"content":"hi","__proto__":{"nonce":"n"},"constructor":1,"toString":2}`);
  assertEquals(draftOf(payload), draftOf({ content: "hi" }));
});

testRefused("messageDraft()", NO_OBJECTS, draftOf, "JSON object");
testRefused(
  "messageDraft() without content",
  { "an empty object": {}, "an object with a nonce": { nonce: "n" } },
  draftOf,
);
testRefused("messageDraft() with content that is", NO_TEXTS, contentOf, "content must be a text");
testRefused("messageDraft() with content that has", NOT_STORABLE, contentOf, "content");
testRefused("messageDraft() with content that is", BLANK, contentOf, "content is empty");
testRefused(
  "messageDraft() with content of",
  {
    "4,001 letters": "x".repeat(4_001),
    "4,001 emoji": "😀".repeat(4_001),
    "4,000 letters and an emoji": "x".repeat(4_000) + "😀",
    "4,001 characters with the blanks at its ends": ` ${"x".repeat(3_999)} `,
    "a million letters": "x".repeat(1_000_000),
  },
  contentOf,
  "content is longer than 4000 characters",
);

testUnchanged("messageDraft() with content of", {
  "one letter": "x",
  "4,000 letters": "x".repeat(4_000),
  "4,000 emoji": "😀".repeat(4_000),
  "blanks around a letter": " \n x \t ",
  "decomposed letters": "e\u0301",
  "HTML": "<img src=x onerror=alert(1)>",
  "a name of Object.prototype": "__proto__",
}, contentOf);

testRefused("messageDraft() with a nonce that is", NO_TEXTS, nonceOf, "nonce must be a text");
testRefused("messageDraft() with a nonce that has", NOT_STORABLE, nonceOf, "nonce");
testRefused("messageDraft() with a nonce that is", { "empty": "" }, nonceOf, "nonce is empty");
testRefused(
  "messageDraft() with a nonce of",
  {
    "65 letters": "x".repeat(65),
    "65 emoji": "😀".repeat(65),
  },
  nonceOf,
  "nonce is longer than 64 characters",
);
testUnchanged("messageDraft() with a nonce of", {
  "one letter": "x",
  "a blank": " ",
  "64 letters": "x".repeat(64),
  "64 emoji": "😀".repeat(64),
}, nonceOf);

// Channels

const GOOD_IDS: Table = {
  "one letter": "a",
  "all kinds of characters": "Az09_-",
  "64 characters": "x".repeat(64),
  "digits": "007",
  "a name of Object.prototype": "__proto__",
};
const BAD_IDS: Table = {
  ...NO_TEXTS,
  "an empty text": "",
  "65 characters": "x".repeat(65),
  "a blank": "a b",
  "a line end": "a\n",
  "a slash": "a/b",
  "a colon": "a:b",
  "a dot": "..",
  "a letter that is not ASCII": "ä",
  "a quote": "a'",
  "a NUL": "a\0",
};

testUnchanged("channelId()", GOOD_IDS, channelId);
testRefused("channelId()", BAD_IDS, channelId, "channel id");

Deno.test("isChannelId() says yes to ids and no to anything else", () => {
  assertEquals(Object.values(GOOD_IDS).map(isChannelId), Object.values(GOOD_IDS).map(() => true));
  assertEquals(Object.values(BAD_IDS).map(isChannelId), Object.values(BAD_IDS).map(() => false));
});

const nameOf = (name: unknown) => channelDraft({ name }).name;
const descriptionOf = (description: unknown) => channelDraft({ name: "x", description }).description;

Deno.test("channelDraft() takes id, name and description", () => {
  const draft = { id: "general", name: "General", description: "Everything" };
  assertEquals(channelDraft(draft), draft);
});

Deno.test("channelDraft() makes an id of its own where none is given", () => {
  const [one, other] = [channelDraft({ name: "x" }).id, channelDraft({ name: "x" }).id];
  assertMatch(one, /^[A-Za-z0-9_-]{1,64}$/);
  assertNotEquals(one, other);
});

Deno.test("channelDraft() has an empty description where none is given", () => {
  assertEquals(descriptionOf(undefined), "");
});

Deno.test("channelDraft() ignores every other field", () => {
  const draft = { id: "a", name: "x", description: "" };
  assertEquals(channelDraft({ ...draft, head_seq: 9, epoch: "e", created_at: "1" }), draft);
});

Deno.test("channelDraft() trims the name", () => {
  assertEquals(nameOf("  General \n"), "General");
});

testRefused("channelDraft()", NO_OBJECTS, channelDraft, "JSON object");
testRefused("channelDraft() with an id that is or has", BAD_IDS, (id) => channelDraft({ id, name: "x" }), "channel id");
testRefused("channelDraft() without", { "a name": { id: "a" } }, channelDraft, "name");
testRefused("channelDraft() with a name that is", { ...NO_TEXTS, ...BLANK }, nameOf, "name");
testRefused("channelDraft() with a name that has", NOT_STORABLE, nameOf, "name");
testRefused("channelDraft() with a name of", { "101 letters": "x".repeat(101), "101 emoji": "😀".repeat(101) }, nameOf);
testUnchanged(
  "channelDraft() with a name of",
  { "100 letters": "x".repeat(100), "100 emoji": "😀".repeat(100) },
  nameOf,
);
testRefused("channelDraft() with a description that is", NO_TEXTS, descriptionOf, "description must be a text");
testRefused("channelDraft() with a description that has", NOT_STORABLE, descriptionOf, "description");
testRefused("channelDraft() with a description of", { "1,025 letters": "x".repeat(1_025) }, descriptionOf, "longer");
testUnchanged(
  "channelDraft() with a description of",
  { "1,024 emoji": "😀".repeat(1_024), "nothing": "" },
  descriptionOf,
);

Deno.test("channelPatch() has what is given alone", () => {
  assertEquals(channelPatch({ name: " x " }), { name: "x" });
  assertEquals(channelPatch({ description: " x " }), { description: " x " });
  assertEquals(channelPatch({ name: "x", description: "", id: "b" }), { name: "x", description: "" });
});

testRefused("channelPatch()", {
  ...NO_OBJECTS,
  "an empty object": {},
  "an object with nothing that can be changed": { id: "b", head_seq: 9 },
  "an empty name": { name: "" },
  "a name that is null": { name: null },
  "a description that is null": { description: null },
  "a good name with a bad description": { name: "x", description: 1 },
}, channelPatch);

// Pages

Deno.test("pageLimit() is 50 where none is given", () => {
  assertEquals(pageLimit(undefined), 50);
});

Deno.test("pageLimit() takes 1 to 100", () => {
  assertEquals(["1", "50", "100", "007"].map(pageLimit), [1, 50, 100, 7]);
});

testRefused(
  "pageLimit()",
  {
    "0": "0",
    "101": "101",
    "a negative number": "-1",
    "a fraction": "1.5",
    "an exponent": "1e1",
    "hexadecimal": "0x10",
    "an empty text": "",
    "a blank": " 1",
    "a word": "all",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "digits that are not ASCII": "٣",
    "a number that is too long": "9".repeat(400),
  },
  (limit) => pageLimit(String(limit)),
  "limit",
);

Deno.test("joinRequest() is 50 where the payload says nothing", () => {
  assertEquals(
    [{}, null, new Uint8Array([1]), { limit: null }].map(joinRequest),
    [50, 50, 50, 50].map((limit) => ({ limit })),
  );
});

Deno.test("joinRequest() takes 0 to 100", () => {
  assertEquals([0, 1, 100].map((limit) => joinRequest({ limit })), [0, 1, 100].map((limit) => ({ limit })));
});

testRefused(
  "joinRequest() with a limit that is",
  {
    "101": 101,
    "negative": -1,
    "a fraction": 1.5,
    "NaN": NaN,
    "Infinity": Infinity,
    "a text": "10",
    "an array": [10],
  },
  (limit) => joinRequest({ limit }),
  "limit",
);
Deno.test("joinRequest() reads where to resume, by counter or by message", () => {
  const resumes = [{ last_seq: 7, epoch: "e" }, { last_seen_id: ULID }].map((payload) => joinRequest(payload).resume);
  assertEquals(resumes, [{ lastSeq: 7, epoch: "e" }, { lastSeenId: ULID }]);
});

Deno.test("joinRequest() resumes nothing where a client knows nothing yet", () => {
  const payloads = [{ last_seq: null, epoch: null }, { last_seen_id: null }, { epoch: "e" }];
  assertEquals(payloads.map((payload) => joinRequest(payload).resume), [undefined, undefined, undefined]);
});

testRefused(
  "joinRequest() with a last_seq that is",
  { "negative": -1, "a fraction": 0.5, "a text": "1", "too large": 2 ** 53, "an object": {} },
  (last_seq) => joinRequest({ last_seq, epoch: "e" }),
  "last_seq",
);
testRefused(
  "joinRequest() with an epoch that is",
  { "absent": undefined, "a number": 1, "too long": "e".repeat(65) },
  (epoch) => joinRequest({ last_seq: 1, epoch }),
  "epoch",
);
testRefused(
  "joinRequest() with a last_seen_id that is",
  { "a number": 1, "no id": "abc", "empty": "" },
  (last_seen_id) => joinRequest({ last_seen_id }),
  "last_seen_id",
);
testRefused(
  "joinRequest()",
  { "an array": [], "a text": "50", "a number": 50, "a boolean": true },
  joinRequest,
  "JSON object",
);

Deno.test("historyQuery() is the newest 50 where nothing is asked for", () => {
  assertEquals(historyQuery({}), { limit: 50 });
});

Deno.test("historyQuery() takes a limit and one cursor", () => {
  assertEquals(historyQuery({ limit: "7", before: ULID }), { limit: 7, before: ULID });
  assertEquals(historyQuery({ after: ULID }), { limit: 50, after: ULID });
  assertEquals(historyQuery({ around: ULID }), { limit: 50, around: ULID });
});

Deno.test("historyQuery() ignores other parameters", () => {
  assertEquals(historyQuery({ token: "x", offset: "3" }), { limit: 50 });
});

testRefused("historyQuery()", {
  "before and after": { before: ULID, after: ULID },
  "after and around": { after: ULID, around: ULID },
  "three cursors": { before: ULID, after: ULID, around: ULID },
  "an empty cursor": { before: "" },
  "an empty cursor beside a good one": { before: "", after: ULID },
  "a cursor that is no id": { around: "newest" },
  "limit 0": { limit: "0" },
}, (query) => historyQuery(query as Record<string, string>));

testUnchanged("messageId()", {
  "an id": ULID,
  "the lowest id": "0".repeat(26),
  "the highest id": `7${"Z".repeat(25)}`,
}, (id) => messageId("before", id));
testRefused(
  "messageId()",
  {
    ...NO_TEXTS,
    "an empty text": "",
    "an id that is too short": ULID.slice(1),
    "an id that is too long": `${ULID}0`,
    "an id in lower case": ULID.toLowerCase(),
    "an id beyond 128 bits": `8${"0".repeat(25)}`,
    "letters that a ULID does not have": ULID.replace("A", "U"),
    "a line end": `${ULID.slice(1)}\n`,
  },
  (id) => messageId("before", id),
  "before is not a message id",
);

// shallow()

function nested(levels: number, wrap: (value: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = wrap(value);
  return value;
}

const WRAPS = { arrays: (value: unknown) => [value], objects: (value: unknown) => ({ value }) };

for (const [kind, wrap] of Object.entries(WRAPS)) {
  testUnchanged("shallow()", { [`64 ${kind} in one another`]: nested(64, wrap) }, shallow);
  testRefused(
    "shallow()",
    {
      [`65 ${kind} in one another`]: nested(65, wrap),
      [`100,000 ${kind} in one another`]: nested(100_000, wrap),
      [`65 ${kind} in one another beside flat values`]: [1, [2], nested(64, wrap), "x"],
    },
    shallow,
    "64 levels",
  );
}

testUnchanged("shallow()", {
  "null": null,
  "a text": "[[[[",
  "bytes": new Uint8Array(1_000),
  "an empty object": {},
  "a wide array": Array.from({ length: 10_000 }, () => [[]]),
}, shallow);
