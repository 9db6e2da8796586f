/**
 * Ordered delivery: the live stream of one channel to its members here, in `seq` order, without a gap, a repeat or a change of order.
 *
 * @module
 */

import type { Seat } from "../phoenix/channel.ts";
import type { Broadcast } from "../phoenix/frame.ts";

/** A change of the channel, ready to send. */
export interface Change {
  readonly seq: number;
  /** Where it is several changes in one: the `seq` of the first. */
  readonly first?: number;
  readonly broadcast: Broadcast;
  /** For members who have not seen the message that changed: it was born in the same gap. */
  readonly unseen?: { readonly born: number; readonly broadcast: Broadcast };
}

/** What a {@linkcode Feed} needs. */
export interface FeedOptions {
  /** Reads the changes after a `seq` from the store, in order, a bounded number; `more` where that was not all. */
  readonly read: (after: number) => Promise<{ changes: readonly Change[]; headSeq: number; more: boolean }>;
  /** Hears why a repair failed; it is tried again. */
  readonly onFault: (error: unknown) => void;
  /** How long a hole is waited for before it is read from the store. */
  readonly patienceMs?: number;
  /** How long to wait after a repair that failed. */
  readonly retryMs?: number;
}

/** Changes kept while something earlier is missing; later ones are read from the store in their turn. */
const MAX_EARLY = 1_000;
/** Changes kept for a member whose history is still being read. */
const MAX_HELD = 1_000;

/** A member's end of the stream. */
export class Subscription {
  /** The member has everything up to here from its history. */
  after = 0;
  /** What came before {@linkcode Feed.release}, each with how far the others had got when it was delivered. */
  held: { readonly change: Change; readonly seen: number }[] | undefined = [];

  constructor(readonly seat: Seat) {}
}

/**
 * Delivers each change once and strictly in `seq` order, whatever order it is offered in; a hole is filled from the store, which is the truth.
 *
 * A member subscribes first, then reads its history, then is released with the history's head: what came meanwhile follows, nothing is missed or
 * repeated.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #subscriptions = new Set<Subscription>();
  readonly #early = new Map<number, Change>();
  #delivered: number | undefined;
  /** Where the stream began: what came before it was never held for anyone. */
  #start = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #repairing = false;
  /** Where the last repair that is not done began; it may be tried several times. */
  #gapFrom: number | undefined;
  /** The messages that were told of since then, by the `seq` each was born with: to nobody are they new any more. */
  readonly #told = new Set<number>();
  /** A change was offered that there was no room to keep, or a repair was asked for before the stream began. */
  #overflowed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  /** The last `seq` delivered; undefined until the first {@linkcode Feed.release} says where the stream stands. */
  get delivered(): number | undefined {
    return this.#delivered;
  }

  /** Starts to keep changes for a member. */
  subscribe(seat: Seat): Subscription {
    const subscription = new Subscription(seat);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * The member has its history up to `headSeq`: what is newer follows now and from now on. False where something newer was not kept for it: then it
   * subscribes anew and reads again.
   */
  release(subscription: Subscription, headSeq: number): boolean {
    const { held } = subscription;
    if ((held && held.length > MAX_HELD) || headSeq < this.#start) return false;
    subscription.after = headSeq;
    subscription.held = undefined;
    for (const { change, seen } of held ?? []) this.#send(subscription, change, seen);
    if (this.#delivered === undefined) {
      this.#delivered = this.#start = headSeq;
      this.#drain();
    }
    return true;
  }

  /** Ends a member's stream. */
  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    if (this.#subscriptions.size === 0) this.#rest();
  }

  /** Takes a change that has been committed, from here or from the bus, in any order and any number of times. */
  offer(change: Change): void {
    if (this.#delivered === undefined || firstOf(change) > this.#delivered + 1) return this.#keep(change);
    if (change.seq <= this.#delivered) return;
    this.#pass(change);
    if (this.#early.size > 0) this.#drain();
  }

  /** Sends what is neither stored nor ordered, such as typing. */
  broadcast(broadcast: Broadcast, except?: Seat): void {
    for (const { seat } of this.#subscriptions) {
      if (seat !== except) seat.relay(broadcast);
    }
  }

  /** Sends to one user's clients alone. */
  tell(userId: string, broadcast: Broadcast, except?: Seat): void {
    for (const { seat } of this.#subscriptions) {
      if (seat.identity.userId === userId && seat !== except) seat.relay(broadcast);
    }
  }

  /** Reads what may have been missed from the store, now. */
  repair(): void {
    if (this.#subscriptions.size === 0) return;
    if (this.#delivered === undefined) {
      this.#overflowed = true;
      return;
    }
    if (this.#repairing) return this.#repairIn(this.#options.patienceMs ?? 50);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#overflowed = false;
    this.#repairing = true;
    this.#catchUp(this.#delivered, this.#gapFrom ??= this.#delivered).then(
      () => {
        this.#endGap();
        this.#drain();
      },
      (error) => {
        this.#options.onFault(error);
        this.#repairIn(this.#options.retryMs ?? 1_000);
      },
    ).finally(() => this.#repairing = false);
  }

  /** Ends the membership of everyone. */
  close(payload: unknown): void {
    for (const { seat } of [...this.#subscriptions]) seat.close(payload);
  }

  #keep(change: Change): void {
    if (this.#early.size < MAX_EARLY) this.#early.set(firstOf(change), change);
    else this.#overflowed = true;
    if (this.#delivered !== undefined) this.#repairIn(this.#options.patienceMs ?? 50);
  }

  /** Delivers what was offered. */
  #pass(change: Change): void {
    if (this.#gapFrom !== undefined) this.#told.add(change.seq);
    this.#deliver(change, change.seq);
  }

  /** `seen` is up to where everyone who is here had got, where the change comes out of the store. */
  #deliver(change: Change, seen: number): void {
    this.#delivered = change.seq;
    for (const subscription of this.#subscriptions) this.#send(subscription, change, seen);
  }

  #send(subscription: Subscription, change: Change, seen: number): void {
    const { held, after, seat } = subscription;
    if (held !== undefined) {
      if (held.length <= MAX_HELD) held.push({ change, seen });
    } else if (change.seq > after) {
      const isNew = change.unseen !== undefined && change.unseen.born > Math.max(seen, after);
      seat.relay(isNew ? change.unseen.broadcast : change.broadcast);
    }
  }

  /** Delivers what was early and now is in turn. */
  #drain(): void {
    if (this.#delivered === undefined) return;
    for (let change; (change = this.#early.get(this.#delivered + 1)) !== undefined;) {
      this.#early.delete(firstOf(change));
      this.#pass(change);
    }
    for (const [first, { seq }] of this.#early) {
      if (seq <= this.#delivered) this.#early.delete(first);
    }
    if (this.#early.size > 0 || this.#overflowed) this.#repairIn(this.#options.patienceMs ?? 50);
  }

  async #catchUp(from: number, seen: number): Promise<void> {
    for (let more = true, after = from; more;) {
      const page = await this.#options.read(after);
      for (const change of page.changes) {
        after = change.seq;
        if (change.seq <= (this.#delivered ?? 0)) continue;
        const born = change.unseen?.born ?? change.seq;
        this.#deliver(change, this.#told.has(born) ? born : seen);
        this.#told.add(born);
      }
      more = page.more;
      // A change that a later one replaced has no row of its own: the head says that nothing is left before it.
      if (!more) this.#delivered = Math.max(this.#delivered ?? 0, page.headSeq);
    }
  }

  #repairIn(ms: number): void {
    if (this.#subscriptions.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.repair();
    }, ms);
  }

  #endGap(): void {
    this.#gapFrom = undefined;
    this.#told.clear();
  }

  #rest(): void {
    this.#endGap();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#early.clear();
    this.#overflowed = false;
    this.#delivered = undefined;
    this.#start = 0;
  }
}

function firstOf({ first, seq }: Change): number {
  return first ?? seq;
}
