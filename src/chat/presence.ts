/**
 * Who is in a channel, in the words of Phoenix's Presence (protocol section 8).
 *
 * @module
 */

import { Json } from "../phoenix/frame.ts";
import { timestamp } from "./payload.ts";

/** One client of a user: two tabs are two metas. */
export interface Meta {
  /** Names this client everywhere, for as long as nothing about it changes. */
  readonly phx_ref: string;
  /** The name it had before its last change. */
  readonly phx_ref_prev?: string;
  readonly online_at: string;
  readonly status?: string;
}

/** A user who is there. */
export interface PresentUser {
  readonly user_id: string;
  readonly metas: readonly Meta[];
}

/** Clients of one instance that have come, and the refs of those that have gone. */
export interface MembersChange {
  readonly joins: readonly (readonly [userId: string, meta: Meta])[];
  readonly leaves: readonly string[];
}

/** The events of presence. */
export type PresenceEvent = "presence_state" | "presence_diff" | "presence_count";

/** What a {@linkcode Presence} needs of its channel. */
export interface PresenceOptions {
  /** Sends an event to every member. */
  readonly broadcast: (event: PresenceEvent, payload: Json) => void;
  /** Hears of clients of this instance, for the others. */
  readonly onChange: (change: MembersChange) => void;
  /** Clients above which members get counts in place of the list. */
  readonly maxListed: number;
  readonly now?: () => number;
}

/** Changes that come within this time go out as one diff. */
const GATHER_MS = 10;
/** Counts of a large channel go out this often at the most. */
const COUNT_MS = 1_000;

/** How long an instance may take to answer for its clients after something was missed. */
const DOUBT_MS = 5_000;

/** Refs of this process start with this, so that they are unique among instances. */
const PROCESS = crypto.randomUUID().slice(0, 8);
let refs = 0;

/**
 * Tracks the clients of one channel and tells its members.
 *
 * The members of a small channel get `presence_state` at their join and `presence_diff` afterwards. When it grows above `maxListed` clients the list
 * is emptied (`presence_state {}`) and `presence_count` follows instead: N members, each of whose coming and going is told to N, would be the largest
 * load of all. Shrunk to three quarters of that, the list comes back.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #now: () => number;
  /** Every client's meta by its ref, under its user's id. */
  readonly #users = new Map<string, Map<string, Meta>>();
  /** Whose a ref is. */
  readonly #owners = new Map<string, string>();
  /** The refs of other instances' clients. */
  readonly #elsewhere = new Map<string, Set<string>>();
  /** Until when an instance must have said who is there. */
  readonly #doubted = new Map<string, number>();
  /** What the next diff says: user and meta. */
  #joins: [string, Meta][] = [];
  #leaves: [string, Meta][] = [];
  #listed = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** How many clients there are. */
  get clients(): number {
    return this.#owners.size;
  }

  /** How many users there are. */
  get users(): number {
    return this.#users.size;
  }

  /** A client has come; returns its ref. */
  track(userId: string): string {
    const meta = { phx_ref: nextRef(), online_at: timestamp(this.#now()) };
    this.#add(userId, meta);
    this.#tell();
    this.#options.onChange({ joins: [[userId, meta]], leaves: [] });
    return meta.phx_ref;
  }

  /** Something about a client has changed; returns its new ref. */
  update(ref: string, change: { readonly status: string }): string {
    const { userId, meta } = this.#remove(ref);
    const changed = { ...meta, ...change, phx_ref: nextRef(), phx_ref_prev: ref };
    this.#add(userId, changed);
    this.#tell();
    this.#options.onChange({ joins: [[userId, changed]], leaves: [ref] });
    return changed.phx_ref;
  }

  /** A client has gone. */
  untrack(ref: string): void {
    this.#remove(ref);
    this.#tell();
    this.#options.onChange({ joins: [], leaves: [ref] });
  }

  /** The clients of this instance. */
  members(): [userId: string, meta: Meta][] {
    const elsewhere = new Set([...this.#elsewhere.values()].flatMap((refs) => [...refs]));
    return [...this.#users].flatMap(([userId, metas]) =>
      [...metas.values()].filter(({ phx_ref }) => !elsewhere.has(phx_ref)).map((meta): [string, Meta] => [userId, meta])
    );
  }

  /** Takes in what another instance says of its clients; where it names `all` of them, those that it does not name have gone. */
  merge(instance: string, { joins, leaves }: MembersChange, all = false): void {
    if (all) this.#doubted.delete(instance);
    const theirs = this.#elsewhere.get(instance) ?? new Set();
    const named = new Set(joins.map(([, { phx_ref }]) => phx_ref));
    const gone = (all ? [...theirs].filter((ref) => !named.has(ref)) : leaves).filter((ref) => theirs.delete(ref));
    const come = joins.filter(([, { phx_ref }]) => !this.#owners.has(phx_ref));
    for (const ref of gone) this.#remove(ref);
    for (const [userId, meta] of come) {
      theirs.add(meta.phx_ref);
      this.#add(userId, meta);
    }
    if (theirs.size > 0) this.#elsewhere.set(instance, theirs);
    else this.#elsewhere.delete(instance);
    if (gone.length + come.length > 0) this.#tell();
  }

  /** The other instances that have clients. */
  instances(): string[] {
    return [...this.#elsewhere.keys()];
  }

  /** Something may have been missed: whoever does not say within seconds which clients it has, has none left. */
  doubt(): void {
    const until = this.#now() + DOUBT_MS;
    for (const instance of this.#elsewhere.keys()) {
      if (!this.#doubted.has(instance)) this.#doubted.set(instance, until);
    }
  }

  /** Drops the clients for which nobody has answered; called every second or so. */
  sweep(): void {
    const now = this.#now();
    for (const [instance, until] of this.#doubted) {
      if (until > now) continue;
      this.#doubted.delete(instance);
      this.drop(instance);
    }
  }

  /** Another instance has gone, and its clients with it. */
  drop(instance: string): void {
    this.merge(instance, { joins: [], leaves: [] }, true);
  }

  /** What a client that joins is told, in order. */
  *greet(): Generator<[PresenceEvent, Json]> {
    yield ["presence_state", this.#listed ? this.#state() : new Json("{}")];
    if (!this.#listed) yield ["presence_count", this.#count()];
  }

  /** A page of the users, by id. */
  page({ limit, after = "" }: { limit: number; after?: string }): { users: readonly PresentUser[]; hasMore: boolean } {
    const ids = [...this.#users.keys()].filter((id) => id > after).sort();
    const users = ids.slice(0, limit).map((id) => ({ user_id: id, metas: [...this.#users.get(id)?.values() ?? []] }));
    return { users, hasMore: ids.length > limit };
  }

  /** Ends its timer. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #add(userId: string, meta: Meta): void {
    const metas = this.#users.get(userId) ?? new Map();
    this.#users.set(userId, metas.set(meta.phx_ref, meta));
    this.#owners.set(meta.phx_ref, userId);
    if (this.#listed) this.#joins.push([userId, meta]);
  }

  #remove(ref: string): { userId: string; meta: Meta } {
    const userId = this.#owners.get(ref) ?? "";
    const metas = this.#users.get(userId);
    const meta = metas?.get(ref);
    if (!metas || !meta) throw new Error("no such client is tracked");
    this.#owners.delete(ref);
    metas.delete(ref);
    if (metas.size === 0) this.#users.delete(userId);
    if (this.#listed) this.#leaves.push([userId, meta]);
    return { userId, meta };
  }

  /** Sees to it that members hear of what changed: at once where the list is emptied or comes back, else a moment later. */
  #tell(): void {
    const { maxListed, broadcast } = this.#options;
    const turned = this.#listed ? this.clients > maxListed : this.clients <= maxListed * 3 / 4;
    if (turned) {
      this.#listed = !this.#listed;
      this.#joins = [];
      this.#leaves = [];
      for (const [event, payload] of this.greet()) broadcast(event, payload);
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else this.#timer ??= setTimeout(() => this.#flush(), this.#listed ? GATHER_MS : COUNT_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    if (!this.#listed) return this.#options.broadcast("presence_count", this.#count());
    // A client that came and went in between is in both: someone may have had it in a presence_state meanwhile.
    const diff = new Json(`{"joins":${render(grouped(this.#joins))},"leaves":${render(grouped(this.#leaves))}}`);
    this.#joins = [];
    this.#leaves = [];
    this.#options.broadcast("presence_diff", diff);
  }

  #state(): Json {
    return new Json(render([...this.#users].map(([userId, metas]) => [userId, [...metas.values()]])));
  }

  #count(): Json {
    return new Json(JSON.stringify({ count: this.clients, users: this.users }));
  }
}

/**
 * The key of a user in presence: the user's id, except where that is a name every JavaScript object has. Presence of phoenix.js before 1.8.9 keeps keys
 * in a plain object, which `__proto__` or `constructor` would break (CVE-2026-56812); those get a `~` in front, and so does the user whose id would then be the same.
 */
export function presenceKey(userId: string): string {
  return userId.replace(/^~+/, "") in Object.prototype ? `~${userId}` : userId;
}

function nextRef(): string {
  return `${PROCESS}.${(refs++).toString(36)}`;
}

function grouped(entries: readonly [string, Meta][]): [string, Meta[]][] {
  const groups = new Map<string, Meta[]>();
  for (const [userId, meta] of entries) groups.set(userId, [...groups.get(userId) ?? [], meta]);
  return [...groups];
}

/** Written by hand: in an object `__proto__` would be no key. */
function render(users: readonly [string, Meta[]][]): string {
  const members = users.map(([userId, metas]) =>
    `${JSON.stringify(presenceKey(userId))}:{"metas":${JSON.stringify(metas)}}`
  );
  return `{${members.join(",")}}`;
}
