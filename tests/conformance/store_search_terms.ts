/**
 * What every {@linkcode Store} keeps to about the words it is to search for, those of an attacker among them.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { channelWith, foundIn as found, numbers, type StoreSuite, testsOf } from "./store_support.ts";

/** Registers this part of the suite for one adapter. */
export function testStoreSearchTerms(name: string, suite: StoreSuite): void {
  const { test } = testsOf(name, suite);

  const FOUND: Record<string, [terms: string[], content: string, other: string]> = {
    "a word": [["fox"], "the red fox jumps", "the red dog jumps"],
    "a word as a whole": [["fox"], "fox", "foxes firefox"],
    "the first and the last word": [["the", "jumps"], "the red fox jumps", "the red fox"],
    "a word between punctuation": [["fox"], "(fox), red", "(dog), red"],
    "a number": [["42"], "answer 42 given", "answer 421 given"],
    "all of several words, in any order": [["fox", "red"], "red and a fox", "red and a dog"],
    "the words of a phrase one after the other": [["red fox"], "the red fox", "fox red, red old fox"],
    "a phrase over punctuation and lines": [["red fox"], "red,\nfox", "red or fox"],
    "a phrase and a word": [["red fox", "jumps"], "jumps the red fox", "red fox, not jumping"],
    "a beginning": [["jum*"], "the fox jumps", "jus"],
    "a whole word as a beginning": [["fox*"], "fox", "fo"],
    "a phrase whose last word is a beginning": [["red fo*"], "the red fox", "fo red and fox"],
    "capitals by small letters": [["fox"], "FOX", "FIX"],
    "small letters by capitals": [["FOX"], "fox", "fix"],
    "accents without": [["cafe", "uber"], "Café über", "Kaffee uber"],
    "letters without accents by accents": [["café"], "cafe", "cafes"],
    "combining marks": [["cafe\u0301"], "caf\u00E9", "caff"],
    "Cyrillic": [["привет"], "Привет мир", "приветы мир"],
    "Greek": [["κόσμε"], "καλημέρα ΚΌΣΜΕ", "καλημέρα"],
    "Arabic": [["مرحبا"], "مرحبا بكم", "بكم"],
    "Hebrew": [["שלום"], "שלום עולם", "עולם"],
    "Hindi": [["नमस्ते"], "नमस्ते दुनिया", "दुनिया"],
    "Chinese between blanks": [["世界"], "你好 世界", "你好"],
    "Korean": [["안녕*"], "안녕하세요", "하세요"],
    "Japanese": [["カタカナ"], "カタカナ ひらがな", "ひらがな"],
    "words that a search engine may leave out": [["the", "and", "not"], "not the cat and dog", "cat dog"],
    "words of its language": [["content"], "content of channel", "channel"],
    "a very long word": [["x".repeat(1_000)], `begin ${"x".repeat(1_000)} end`, "x".repeat(999)],
  };
  for (const [kind, [terms, content, other]] of Object.entries(FOUND)) {
    test(`search() finds ${kind}`, async (store) => {
      await channelWith(store, other, content, other);
      assertEquals(await found(store, terms), [content]);
    });
  }

  test("search() does not find words by their parts, or one language's endings", async (store) => {
    await channelWith(store, "jumping foxes");
    assertEquals(await found(store, ["jump"]), []);
    assertEquals(await found(store, ["oxes*"]), []);
  });

  // Hostile terms

  const LITERAL: Record<string, [term: string, content: string]> = {
    "OR": ["apple OR pie", "say: apple or pie"],
    "AND": ["apple AND pie", "say: apple and pie"],
    "NOT": ["cake NOT pie", "say: cake not pie"],
    "an operator between quotes": ['apple" OR "pie', "say: apple or pie"],
    "the end of a string": ["apple' OR 'pie", "say: apple or pie"],
    "NEAR": ["NEAR(apple pie)", "near: apple pie"],
    "a column": ["content:apple", "content: apple"],
    "another column": ["channel:apple", "channel: apple"],
    "a set of columns": ["{content channel}:apple", "content channel apple"],
    "operators of tsquery": ["apple | pie", "so: apple, pie"],
  };
  for (const [kind, [term, content]] of Object.entries(LITERAL)) {
    test(`search() takes ${kind} for plain words`, async (store) => {
      await channelWith(store, "apple", "pie", "cake", "pie apple", content);
      assertEquals(await found(store, [term]), [content]);
    });
  }

  const ODD: Record<string, string> = {
    "a quote": '"',
    "10,000 quotes": '"'.repeat(10_000),
    "an odd number of quotes": 'apple"""',
    "quotes of SQL": "''' ; DROP TABLE messages; --",
    "a star": "*",
    "stars": "** apple **",
    "a caret": "^apple",
    "braces": "{}",
    "brackets": "([{<)]}>",
    "a minus": "-",
    "a minus before a word": "-apple",
    "a plus": "apple + pie",
    "a colon": ":",
    "a colon and a star": "apple:*",
    "an open bracket": "NEAR(",
    "an exclamation mark": "!apple",
    "an ampersand": "apple & & pie",
    "a backslash": "\\",
    "backslashes": "apple\\\\'\\",
    "a percent sign": "%_%",
    "control characters": String.fromCharCode(...numbers(1, 31), 0x7f),
    "a question mark": "?1 :a $a @a",
    "emoji": "😀👩‍👩‍👧‍👦",
    "combining marks alone": "\u0301\u0301",
    "5,000 words": "apple ".repeat(5_000),
    "nothing": "",
  };
  for (const [kind, text] of Object.entries(ODD)) {
    test(`search() takes ${kind} for text`, async (store) => {
      await channelWith(store, "apple", "pie");
      for (const prefix of [false, true]) {
        const odd = { text, prefix };
        for (const terms of [[odd], [odd, { text: "cake", prefix: false }], [{ text: "cake", prefix: true }, odd]]) {
          const { messages } = await store.search({ terms, channelId: "a", limit: 10 });
          if (terms.length > 1) assertEquals(messages, []);
        }
      }
      assertEquals(await found(store, ["apple"]), ["apple"]);
    });
  }
}
