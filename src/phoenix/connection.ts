/**
 * The socket state machine of Phoenix Channels, for one client over any transport (protocol sections 3 and 4).
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import { ChatError } from "../errors.ts";
import type { Join, LeaveReason } from "./channel.ts";
import { decodeBinary, decodeText, encodeReply, encodeText, type Frame, FrameError, type Version } from "./frame.ts";
import { Membership, type MembershipHost } from "./membership.ts";
import type { Transport } from "./transport.ts";

/** What a {@linkcode Connection} is made of. */
export interface ConnectionOptions {
  readonly version: Version;
  readonly identity: Identity;
  readonly transport: Transport;
  /** The room behind a topic; `undefined` is answered with `unmatched topic`. */
  readonly route: (topic: string) => Join | undefined;
  /** Topics joined at once; one more is refused with `too many channels joined`. */
  readonly maxTopics: number;
  /** Pushes and joins not answered yet, over all topics; one more is refused with `rate_limited`. */
  readonly maxPending?: number;
  /** Hears of everything that a room did not foresee; the client is told without details. */
  readonly onCrash: (error: unknown) => void;
  /**
   * Whether a join refused for good is answered with `phx_close` too. phoenix.js otherwise tries it again for ever; the application hears of the
   * error either way.
   */
  readonly closeRefusedJoins?: boolean;
}

/** Refusals that a later try will not change. */
const FINAL: readonly string[] = ["invalid", "forbidden", "not_found"];

/**
 * Decodes what a client sends, keeps its memberships and answers each ref exactly once.
 *
 * Frames are taken strictly in the order received. Joins may take their time: what arrives for that topic meanwhile waits behind the join, other
 * topics go on. Bad frames, crashing rooms and floods end the narrowest thing: a push, a membership, this connection.
 */
export class Connection implements MembershipHost {
  readonly version: Version;
  readonly onCrash: (error: unknown) => void;
  readonly transport: Transport;
  #identity: Identity;
  readonly #route: (topic: string) => Join | undefined;
  readonly #maxTopics: number;
  readonly #maxPending: number;
  readonly #closeRefusedJoins: boolean;
  readonly #memberships = new Map<string, Membership>();
  #pending = 0;
  #closed = false;
  #refusing = false;
  #whenSettled: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.version = options.version;
    this.#identity = options.identity;
    this.onCrash = options.onCrash;
    this.transport = options.transport;
    this.#route = options.route;
    this.#maxTopics = options.maxTopics;
    this.#maxPending = options.maxPending ?? 1_000;
    this.#closeRefusedJoins = options.closeRefusedJoins ?? false;
  }

  /** Whose it is, as the last token said. */
  get identity(): Identity {
    return this.#identity;
  }

  /** Takes over what a newer token of the same user says. */
  renew(identity: Identity): void {
    if (identity.userId !== this.#identity.userId) throw new ChatError("forbidden", "This token is another user's.");
    this.#identity = identity;
  }

  /** Takes a frame from the client; one that cannot be decoded closes the connection with 1011. */
  receive(data: string | Uint8Array): void {
    if (this.#closed) return;
    let frame: Frame;
    try {
      frame = typeof data === "string" ? decodeText(this.version, data) : decodeBinary(this.version, data);
    } catch (error) {
      if (!(error instanceof FrameError)) this.onCrash(error);
      return this.end(1011, "undecodable frame");
    }
    this.#dispatch(frame);
  }

  /** Closes the transport and leaves every room; also what a transport calls when the client is gone. Idempotent. */
  end(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const memberships = [...this.#memberships.values()];
    this.#memberships.clear();
    for (const membership of memberships) membership.leave("closed");
    this.transport.close(code, reason);
  }

  /** From now on answers pushes and joins with `unavailable`: the service is about to stop. Heartbeats go on. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Sends an event in every topic that is joined. */
  pushAll(event: string, payload: unknown): void {
    for (const membership of this.#memberships.values()) membership.push(event, payload);
  }

  /** Resolves when everything taken so far has been answered. */
  settled(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenSettled.push(resolve));
  }

  #send(data: string): void {
    if (!this.#closed) this.transport.send(data);
  }

  push(membership: Membership, event: string, payload: unknown): void {
    const { joinRef, topic } = membership;
    this.#send(encodeText(this.version, { joinRef, ref: null, topic, event, payload }));
  }

  close(membership: Membership, payload: unknown): void {
    if (this.#drop(membership, "closed")) this.#sayClosed(membership, "phx_close", payload);
  }

  #dispatch(frame: Frame): void {
    const { topic, event } = frame;
    if (topic === "phoenix" && event === "heartbeat") return this.#reply({ ...frame, joinRef: null }, "ok", {});
    const membership = typeof topic === "string" ? this.#memberships.get(topic) : undefined;
    if (membership && !membership.joined) return this.#wait(membership, frame);
    if (event === "phx_join") return void this.#join(frame, membership);
    if (!membership) return event === "phx_leave" ? this.#reply(frame, "ok", {}) : this.#unmatched(frame);
    if (frame.joinRef !== null && frame.joinRef !== membership.joinRef) return; // stale: the client has rejoined since
    if (event === "phx_leave") return void this.#leave(frame, membership);
    this.#handle(frame, membership);
  }

  /** Keeps a frame behind the join that its topic is busy with. */
  #wait(membership: Membership, frame: Frame): void {
    if (this.#admit(frame)) membership.waiting.push(frame);
  }

  /** Counts a frame as pending, or refuses it. */
  #admit(frame: Frame): boolean {
    if (!this.#refusing && this.#pending < this.#maxPending) {
      this.#pending++;
      return true;
    }
    const options = { retryAfterMs: 1_000 };
    const error = this.#refusing
      ? new ChatError("unavailable", "The service is about to stop.", options)
      : new ChatError("rate_limited", "Too many pushes are waiting for their reply.", options);
    this.#reply(frame, "error", error.toReply());
    return false;
  }

  #release(): void {
    this.#pending--;
    if (this.#pending === 0) { for (const resolve of this.#whenSettled.splice(0)) resolve(); }
  }

  async #join(frame: Frame, old: Membership | undefined): Promise<void> {
    const { topic } = frame;
    const join = typeof topic === "string" ? this.#route(topic) : undefined;
    if (!join || typeof topic !== "string") return this.#unmatched(frame);
    if (!old && this.#memberships.size >= this.#maxTopics) {
      return this.#reply(frame, "error", { reason: "too many channels joined" });
    }
    if (!this.#admit(frame)) return;
    old?.leave("rejoined");
    const membership = new Membership(this, topic, frame);
    this.#memberships.set(topic, membership);
    try {
      const member = await join(membership, frame.payload);
      membership.welcome(member, () => this.#reply(frame, "ok", member.welcome));
    } catch (error) {
      this.#joinFailed(frame, membership, error);
    }
    if (old) this.#sayClosed(old, "phx_close", {});
    for (const waiting of membership.waiting.splice(0)) {
      this.#pending--;
      if (!this.#closed) this.#dispatch(waiting);
    }
    this.#release(); // last, so that `settled` waits for what waited
  }

  #joinFailed(frame: Frame, membership: Membership, error: unknown): void {
    if (membership.joined) return this.#crashed(membership, error); // answered already: something held back cannot be sent
    this.#drop(membership, "crashed");
    this.#reply(frame, "error", this.#explain(error, "join crashed"));
    const final = error instanceof ChatError && FINAL.includes(error.code);
    if (final && this.#closeRefusedJoins) this.#sayClosed(membership, "phx_close", {});
  }

  async #leave(frame: Frame, membership: Membership): Promise<void> {
    this.#pending++; // never refused: phoenix.js would wait for its phx_close for ever
    this.#drop(membership, "left");
    await membership.settled();
    this.#reply({ ...frame, joinRef: membership.replyRef }, "ok", {});
    this.#sayClosed(membership, "phx_close", {});
    this.#release();
  }

  #handle(frame: Frame, membership: Membership): void {
    if (!this.#admit(frame)) return;
    const answered = { ...frame, joinRef: membership.replyRef };
    membership.handle(frame, (response) => this.#reply(answered, "ok", response), (error) => {
      if (error instanceof ChatError) return this.#reply(answered, "error", error.toReply());
      this.#crashed(membership, error);
    }).finally(() => this.#release());
  }

  #crashed(membership: Membership, error: unknown): void {
    this.onCrash(error);
    if (this.#drop(membership, "crashed")) this.#sayClosed(membership, "phx_error", { reason: "channel_crash" });
  }

  /** Takes the membership off this connection; false where it already was. */
  #drop(membership: Membership, reason: LeaveReason): boolean {
    const current = this.#memberships.get(membership.topic) === membership;
    if (current) this.#memberships.delete(membership.topic);
    membership.leave(reason);
    return current;
  }

  #sayClosed({ joinRef, topic }: Membership, event: "phx_close" | "phx_error", payload: unknown): void {
    this.#send(encodeText(this.version, { joinRef, ref: joinRef, topic, event, payload }));
  }

  #unmatched(frame: Frame): void {
    this.#reply({ ...frame, joinRef: null }, "error", { reason: "unmatched topic" });
  }

  #reply({ joinRef, ref, topic }: Frame, status: "ok" | "error", response: unknown): void {
    if (this.#closed) return;
    let data: string | Uint8Array<ArrayBuffer>;
    try {
      data = encodeReply(this.version, { joinRef, ref, topic, status, response });
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      const refusal = new ChatError("invalid", "These bytes cannot be answered in this protocol version.");
      data = encodeReply(this.version, { joinRef, ref, topic, status: "error", response: refusal.toReply() });
    }
    this.transport.send(data);
  }

  #explain(error: unknown, crashed: string): object {
    if (error instanceof ChatError) return error.toReply();
    this.onCrash(error);
    return { reason: crashed };
  }
}
