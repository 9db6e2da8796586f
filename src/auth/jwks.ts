/**
 * The key set of an issuer, fetched from a URL and kept.
 *
 * @module
 */

import { createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import { ChatError } from "../errors.ts";
import type { JwtAlgorithm } from "../jwt_algorithms.ts";
import type { TokenHeader, TokenKeys } from "./jwt_keys.ts";

/** A set so old is fetched anew, so that a key that was withdrawn ends. */
const MAX_AGE_MS = 600_000;
/** How often a set that is there is fetched anew at the most, whatever tokens say. */
const REFETCH_MS = 30_000;
/** How soon a set that is not there is tried again. */
const RETRY_MS = 5_000;
const DEADLINE_MS = 5_000;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;
const USUAL: readonly JwtAlgorithm[] = ["RS256", "ES256", "EdDSA"];

/** How a {@linkcode Jwks} works, where not as usual. */
export interface JwksOptions {
  /** RS256, ES256 and EdDSA by default; a key that names its own algorithm is for that one only. */
  readonly algorithms?: readonly JwtAlgorithm[] | undefined;
  /** Is told why a fetch failed; the message never holds the URL. */
  readonly onFault?: ((error: Error) => void) | undefined;
  readonly deadlineMs?: number;
  /** Must not be set back, as the wall clock may be. */
  readonly now?: () => number;
}

/**
 * A JSON Web Key Set behind a URL: fetched at the first login, at a `kid` it does not know (once in 30 seconds at the most) and when it is ten minutes
 * old. Logins at the same time share a fetch. While it cannot be fetched, the keys it had go on.
 */
export class Jwks implements TokenKeys {
  readonly algorithms: readonly JwtAlgorithm[];
  readonly #url: string;
  readonly #options: JwksOptions;
  readonly #now: () => number;
  #keys: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(url: string, options: JwksOptions = {}) {
    this.#url = url;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.algorithms = options.algorithms ?? USUAL;
  }

  /** The one key that fits, by its `kid` where the token has one: a token without, to which several would fit, has none. */
  async find(header: TokenHeader): Promise<readonly CryptoKey[]> {
    if (!this.#keys) await this.#refresh(RETRY_MS);
    else if (this.#now() - this.#fetchedAt >= MAX_AGE_MS) await this.#refresh(REFETCH_MS);
    const key = await this.#pick(header);
    if (key) return [key];
    await this.#refresh(REFETCH_MS);
    const fetched = await this.#pick(header);
    return fetched ? [fetched] : [];
  }

  async #pick(header: TokenHeader): Promise<CryptoKey | undefined> {
    if (!this.#keys) {
      const retryAfterMs = Math.max(1_000, this.#triedAt + RETRY_MS - this.#now());
      throw new ChatError("unavailable", "The keys to check tokens with cannot be had.", { retryAfterMs });
    }
    try {
      return await this.#keys({ ...header });
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return undefined;
      throw error;
    }
  }

  /** Fetches the set unless that was tried less than `everyMs` ago, or waits for the fetch in flight; never rejects. */
  #refresh(everyMs: number): Promise<void> {
    if (this.#fetching) return this.#fetching;
    if (this.#now() - this.#triedAt < everyMs) return Promise.resolve();
    this.#triedAt = this.#now();
    this.#fetching = this.#fetch().finally(() => this.#fetching = undefined);
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    try {
      this.#keys = createLocalJWKSet(parseKeySet(await download(this.#url, this.#options.deadlineMs ?? DEADLINE_MS)));
      this.#fetchedAt = this.#now();
    } catch (error) {
      this.#options.onFault?.(error instanceof Fault ? error : new Fault("could not be reached"));
    }
  }
}

/** Why there is no new set. */
class Fault extends Error {
  override readonly name = "JwksFault";

  constructor(what: string) {
    super(`The key set ${what}.`);
  }
}

async function download(url: string, deadlineMs: number): Promise<string> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Fault(`took longer than ${deadlineMs} ms`)), deadlineMs);
  try {
    const headers = { accept: "application/jwk-set+json, application/json" };
    const response = await fetch(url, { redirect: "manual", signal: late.signal, headers });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Fault(`was answered with status ${response.status}`);
    }
    return await readText(response);
  } finally {
    clearTimeout(timer);
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Fault(`has more than ${MAX_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The keys of a set as they are; jose verifies nothing with a secret or a private key among them. */
function parseKeySet(text: string): JSONWebKeySet {
  let set: { readonly keys?: unknown } | null;
  try {
    set = JSON.parse(text);
  } catch {
    throw new Fault("is no JSON");
  }
  const keys = set?.keys;
  if (!Array.isArray(keys)) throw new Fault("has no keys");
  if (keys.length > MAX_KEYS) throw new Fault(`has more than ${MAX_KEYS} keys`);
  return { keys: keys.filter((key) => typeof key === "object" && key !== null && !Array.isArray(key)) };
}
