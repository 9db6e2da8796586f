/**
 * Words for full-text search in Postgres, made here so that they do not depend on how the database is set up.
 *
 * @module
 */

import type { SearchTerm } from "./store.ts";

/** Words of a text that search knows; those after them are not found. */
const MAX_WORDS = 10_000;

/**
 * The words of a text: letters and digits, without case, accents and other forms of the same letter; a very long one is several.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wordsOf("Où est l’ÉCOLE nº2?"), ["ou", "est", "l", "ecole", "no2"]);
 * ```
 */
export function wordsOf(text: string): string[] {
  const folded = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ς", "σ");
  return folded.match(/[\p{L}\p{N}\p{Co}]{1,500}/gu) ?? []; // a lexeme has 2,046 bytes at the most
}

/**
 * A text as a `tsvector`, with a lexeme for its channel, which no word can be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toVector(7, "Go, go home"), "'#7' 'go':1,2 'home':3");
 * ```
 */
export function toVector(channel: number, text: string): string {
  const positions = new Map<string, number[]>();
  for (const [index, word] of wordsOf(text).slice(0, MAX_WORDS).entries()) {
    const known = positions.get(word);
    if (known) known.push(index + 1);
    else positions.set(word, [index + 1]);
  }
  return [`'#${channel}'`, ...[...positions].map(([word, at]) => `'${word}':${at.join(",")}`)].join(" ");
}

/**
 * Terms as a `tsquery`; undefined where one of them has no word, which nothing matches.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const terms = [{ text: "Guten Tag", prefix: true }, { text: "du", prefix: false }];
 * assertEquals(toQuery(terms, 7), "'#7' & ('guten' <-> 'tag':*) & ('du')");
 * assertEquals(toQuery([{ text: "!?", prefix: false }]), undefined);
 * ```
 */
export function toQuery(terms: readonly SearchTerm[], channel?: number): string | undefined {
  const phrases = terms.map(({ text, prefix }) => {
    const words = wordsOf(text).map((word) => `'${word}'`);
    return words.length === 0 ? undefined : `(${words.join(" <-> ")}${prefix ? ":*" : ""})`;
  });
  if (phrases.length === 0 || phrases.includes(undefined)) return undefined;
  return [...(channel === undefined ? [] : [`'#${channel}'`]), ...phrases].join(" & ");
}
