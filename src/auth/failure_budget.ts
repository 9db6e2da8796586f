/**
 * How often an address may fail to log in.
 *
 * @module
 */

/** Addresses remembered at once; beyond, the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Account {
  failures: number;
  at: number;
}

/**
 * A bucket of failures for each address, which drains evenly over a minute.
 *
 * phoenix.js tries a refused login again for ever, every few seconds; an address that has used up its budget is refused before its token is looked at.
 * Only failures count: clients that get in never fill the bucket.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * let now = 0;
 * const budget = new FailureBudget(2, () => now);
 * budget.charge("192.0.2.1");
 * budget.charge("192.0.2.1");
 * assertEquals(budget.retryAfterMs("192.0.2.1"), 30_000);
 * now = 30_000;
 * assertEquals(budget.retryAfterMs("192.0.2.1"), 0);
 * ```
 */
export class FailureBudget {
  readonly #accounts = new Map<string, Account>();
  readonly #perMinute: number;
  readonly #now: () => number;

  /** `perMinute` of 0 counts nothing; `now` must not be set back, as the wall clock may be. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Milliseconds until the address may try again; 0 where it may. */
  retryAfterMs(address: string): number {
    const failures = this.#failures(address);
    if (this.#perMinute === 0 || failures <= this.#perMinute - 1) return 0;
    return Math.ceil((failures - this.#perMinute + 1) * 60_000 / this.#perMinute);
  }

  /** The address has failed. */
  charge(address: string): void {
    if (this.#perMinute === 0) return;
    const failures = this.#failures(address) + 1;
    this.#accounts.delete(address);
    this.#accounts.set(address, { failures, at: this.#now() });
    if (this.#accounts.size > MAX_ADDRESSES) this.#accounts.delete(this.#accounts.keys().next().value ?? "");
  }

  #failures(address: string): number {
    const account = this.#accounts.get(address);
    return account ? Math.max(0, account.failures - (this.#now() - account.at) * this.#perMinute / 60_000) : 0;
  }
}
