/**
 * Rate limits of all instances together.
 *
 * @module
 */

import { within } from "../deadline.ts";
import { MemoryRateLimiter } from "./memory_rate_limiter.ts";
import type { Allowance, RateLimiter, Rule } from "./rate_limiter.ts";
import { type RedisClient, RedisLink } from "./redis_link.ts";
import { toAllowance, TOLERANCE } from "./token_bucket.ts";

/** What a {@linkcode RedisRateLimiter} is made of. */
export interface RedisRateLimiterOptions {
  /** `redis:` or `rediss:`. */
  readonly url: string;
  /** How many instances there are: while Redis is away each of them allows its part of every limit. */
  readonly instances: () => number;
  /** Stands before every key. */
  readonly prefix?: string;
  /** How long Redis may take before a call is answered without it. */
  readonly deadlineMs?: number;
  /** Redis answers, or no longer does; called when that changes. */
  readonly onChange?: (available: boolean, cause?: unknown) => void;
}

/** How long {@linkcode RedisRateLimiter.open} waits for Redis. */
const OPEN_MS = 2_000;

/** What a call that is due is given to read an answer that has come already. */
const GRACE_MS = 10;

/** While Redis refuses, calls try it again this often. */
const RETRY_MS = 1_000;

/**
 * `takeFrom` by the server's clock, in one step; the bucket is gone when it would be full.
 *
 * A refused call writes nothing, unless the clock was set back. Numbers go as text: Lua would cut them.
 */
const SCRIPT = `
local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1] or limit), tonumber(kept[2] or now)
tokens = math.min(limit, tokens + math.max(0, now - at) / 1000 * limit / window)
local allowed = tokens >= math.min(cost, limit) - ${TOLERANCE.toFixed(6)}
if allowed then tokens = tokens - cost end
if (allowed and cost > 0) or now < at then
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((limit - tokens) * window / limit)))
end
return { allowed and 1 or 0, string.format('%.17g', tokens) }
`;

/** A call that Redis has not answered yet. */
interface Call {
  readonly rule: Rule;
  readonly key: string;
  readonly cost: number;
  readonly sentAt: number;
  readonly resolve: (allowance: Allowance) => void;
}

/**
 * Keeps the buckets in Redis, where every instance takes of the same ones.
 *
 * When Redis is away or late, this instance answers alone, from buckets in its memory that hold and are refilled with its part of the limit: never
 * open, never an error. All instances together then keep to the rule's rate, though their buckets come on top of the one in Redis, and a part below
 * one token still allows a first call. It goes back as soon as Redis answers again. A call that was answered too late may count in both places.
 */
export class RedisRateLimiter implements RateLimiter {
  readonly #instances: () => number;
  readonly #prefix: string;
  readonly #deadlineMs: number;
  readonly #onChange: (available: boolean, cause?: unknown) => void;
  readonly #link: RedisLink;
  readonly #local = new MemoryRateLimiter();
  /** In the order of the calls, which is that of Redis' answers. */
  readonly #pending = new Set<Call>();
  readonly #firstAnswer = Promise.withResolvers<void>();
  /** The client that has the script, and the script's name there; undefined while Redis is away. */
  #ready: { readonly client: RedisClient; readonly sha: string } | undefined;
  #loading: RedisClient | undefined;
  #loadAgainAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor({ url, instances, prefix, deadlineMs, onChange }: RedisRateLimiterOptions) {
    this.#instances = instances;
    this.#prefix = prefix ?? "chat:limit:";
    this.#deadlineMs = deadlineMs ?? 200;
    this.#onChange = onChange ?? (() => {});
    this.#link = new RedisLink({
      url,
      onReady: (client) => this.#load(client),
      onLost: (cause) => this.#away(cause),
    });
  }

  /** Resolves when Redis answers, or after two seconds without it; rejects only where the URL is none of Redis. */
  static async open(options: RedisRateLimiterOptions): Promise<RedisRateLimiter> {
    const limiter = new RedisRateLimiter(options);
    await within(OPEN_MS, limiter.#firstAnswer.promise);
    return limiter;
  }

  /** Whether Redis answers. */
  get available(): boolean {
    return this.#ready !== undefined;
  }

  take(rule: Rule, key: string, cost = 1): Promise<Allowance> {
    if (!this.#ready) {
      this.#tryAgain();
      // A promise, though it is known: what was called before may not have been told yet.
      return Promise.resolve(this.#takeLocally(rule, key, cost));
    }
    const { promise, resolve } = Promise.withResolvers<Allowance>();
    const call = { rule, key, cost, sentAt: performance.now(), resolve };
    this.#pending.add(call);
    this.#timer ??= setTimeout(() => this.#checkDeadline(), this.#deadlineMs);
    this.#ask(this.#ready, call);
    return promise;
  }

  sweep(): void {
    this.#local.sweep();
  }

  /** Closes the connection; what Redis has not answered is answered without it, and so is what is asked later. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ready = undefined;
    await this.#link[Symbol.asyncDispose]();
    this.#answerPending();
    clearTimeout(this.#timer);
    await this.#local[Symbol.asyncDispose]();
  }

  async #ask({ client, sha }: { client: RedisClient; sha: string }, call: Call): Promise<void> {
    const { rule, key, cost } = call;
    try {
      const reply: unknown = await client.evalSha(sha, {
        keys: [`${this.#prefix}${rule.name}:${key}`],
        arguments: [String(rule.limit), String(rule.windowMs), String(cost)],
      });
      const [allowed, tokens] = parse(reply);
      if (this.#pending.delete(call)) call.resolve(toAllowance(rule, tokens, cost, allowed));
    } catch (cause) {
      if (this.#pending.has(call)) this.#away(cause);
    }
  }

  /** Looks at the oldest call only, with one timer for all. `due` was too old a moment ago. */
  #checkDeadline(due?: Call): void {
    this.#timer = undefined;
    const [oldest] = this.#pending;
    if (!oldest) return;
    const leftMs = oldest.sentAt + this.#deadlineMs - performance.now();
    if (leftMs > 0) this.#timer = setTimeout(() => this.#checkDeadline(), leftMs);
    // It may be this instance that stood still, with the answer unread.
    else if (oldest !== due) this.#timer = setTimeout(() => this.#checkDeadline(oldest), GRACE_MS);
    else this.#away(new Error(`Redis took longer than ${this.#deadlineMs} ms`));
  }

  /** Answers everything that waits, so that nothing asked later is answered earlier, and tries whether Redis is still there. */
  #away(cause: unknown): void {
    const was = this.#ready;
    this.#ready = undefined;
    this.#answerPending();
    if (was) this.#onChange(false, cause);
    this.#loadAgainAt = 0;
    this.#tryAgain();
  }

  #answerPending(): void {
    for (const { rule, key, cost, resolve } of this.#pending) resolve(this.#takeLocally(rule, key, cost));
    this.#pending.clear();
  }

  #tryAgain(): void {
    const { client } = this.#link;
    if (client && client !== this.#loading && performance.now() >= this.#loadAgainAt) this.#load(client);
  }

  /** Asks for something that has to be asked for anyhow: a server that was restarted has no scripts. */
  async #load(client: RedisClient): Promise<void> {
    this.#loading = client;
    this.#loadAgainAt = performance.now() + RETRY_MS;
    try {
      const sha = await client.scriptLoad(SCRIPT);
      if (this.#link.client !== client) return;
      this.#ready = { client, sha };
      this.#firstAnswer.resolve();
      this.#onChange(true);
    } catch {
      // Lost, and the link says so itself; or refused, and a later call tries again.
    } finally {
      if (this.#loading === client) this.#loading = undefined;
    }
  }

  #takeLocally(rule: Rule, key: string, cost: number): Allowance {
    const instances = this.#instances();
    return this.#local.take(instances > 1 ? { ...rule, limit: rule.limit / instances } : rule, key, cost);
  }
}

function parse(reply: unknown): [allowed: boolean, tokens: number] {
  const [allowed, tokens] = Array.isArray(reply) ? reply : [];
  const count = typeof tokens === "string" ? Number(tokens) : NaN;
  if (Number.isNaN(count)) throw new TypeError(`Redis answered ${JSON.stringify(reply)}`);
  return [allowed === 1, count];
}
