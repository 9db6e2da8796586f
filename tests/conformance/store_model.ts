/**
 * A channel as plain lists: what a store must agree with, whatever is done.
 *
 * @module
 */

import type { Message, Metadata, ReactionRequest } from "../../src/store/store.ts";
import type { Random } from "../store/support/random.ts";

/** One thing that is done; targets are messages by their place, and may not be there. */
export type StoreOperation =
  | {
    readonly kind: "append";
    readonly userId: string;
    readonly content: string;
    readonly replyTo?: number;
    readonly metadata?: Metadata;
  }
  | {
    readonly kind: "edit";
    readonly target: number;
    readonly content?: string;
    readonly metadata: { readonly metadata?: Metadata | null };
  }
  | { readonly kind: "delete"; readonly targets: readonly number[] }
  | { readonly kind: "react"; readonly target: number; readonly requests: readonly ReactionRequest[] }
  | { readonly kind: "pin"; readonly target: number; readonly pinned: boolean };

interface Line {
  seq: number;
  version: number;
  userId: string;
  content: string;
  replyTo: Line | undefined;
  metadata: Metadata | undefined;
  reactions: { emoji: string; userIds: string[] }[];
  edited: boolean;
  /** The version that pinned it. */
  pinned: number | undefined;
  deleted: boolean;
}

const USERS = ["u", "v", "w", 'x"y'];
const EMOJI = ["👍", "👎", ":party:"];

/** A message without ids and times, which the model does not know. */
export type Plain = Record<string, unknown>;

/** Does in memory, without any cleverness, what the store is asked to. */
export class StoreModel {
  readonly #channelId: string;
  readonly #lines: Line[] = [];
  headSeq = 0;

  constructor(channelId: string) {
    this.#channelId = channelId;
  }

  /** Something to do next. Its targets are among the messages that there were when the last batch was done, or one that never was. */
  draw(random: Random): StoreOperation {
    const target = () => random(8) === 0 ? -1 : random(this.#lines.length);
    const pick = <T>(all: readonly T[]) => all[random(all.length)] as T;
    const known = target();
    const metadata = pick([{}, {}, { metadata: null }, { metadata: { n: random(2) } }]);
    switch (random(7)) {
      case 0:
        return { kind: "edit", target: known, content: `word ${random(3)}`, metadata };
      case 1:
        return { kind: "edit", target: known, metadata };
      case 2:
        if (random(3) === 0) return { kind: "delete", targets: [known, target(), known] };
        return { kind: "pin", target: known, pinned: true };
      case 3: {
        const requests = Array.from({ length: 1 + random(4) }, () => ({
          userId: pick(USERS),
          emoji: pick(EMOJI),
          on: random(3) > 0,
        }));
        return { kind: "react", target: known, requests };
      }
      case 4:
        return { kind: "pin", target: known, pinned: random(2) === 0 };
      default:
        return {
          kind: "append",
          userId: pick(USERS),
          content: `word ${random(3)}`,
          ...(random(3) === 0 ? { replyTo: known } : {}),
          ...(random(3) === 0 ? { metadata: { n: random(2) } } : {}),
        };
    }
  }

  /** Whether the operation changed something, or that it was refused. */
  perform(operation: StoreOperation): boolean | "refused" {
    if (operation.kind === "append") return this.#append(operation);
    if (operation.kind === "delete") {
      return operation.targets.map((target) => this.#delete(this.#lines[target])).includes(true);
    }
    const line = this.#lines[operation.target];
    if (!line || line.deleted) return "refused";
    switch (operation.kind) {
      case "edit":
        return this.#edit(line, operation);
      case "react":
        return this.#react(line, operation.requests);
      case "pin":
        if ((line.pinned !== undefined) === operation.pinned) return false;
        this.#touch(line);
        line.pinned = operation.pinned ? line.version : undefined;
        return true;
    }
  }

  get history(): Plain[] {
    return this.#lines.map((line) => this.#told(line));
  }

  get changes(): Plain[] {
    return this.#lines.toSorted((a, b) => a.version - b.version).map((line) => this.#told(line));
  }

  get pins(): Plain[] {
    return this.#lines.filter(({ pinned }) => pinned !== undefined)
      .toSorted((a, b) => (b.pinned ?? 0) - (a.pinned ?? 0)).map((line) => this.#told(line));
  }

  /** Messages of a store, of ids and times only whether they are there. */
  plain(messages: readonly Message[]): Plain[] {
    return messages.map(({ id: _, createdAt: __, editedAt, pinnedAt, replyTo, ...rest }) => {
      const { id: ___, ...quote } = replyTo ?? { id: "" };
      return {
        ...rest,
        edited: editedAt !== undefined,
        pinned: pinnedAt !== undefined,
        ...(replyTo === undefined ? {} : { replyTo: quote }),
      };
    });
  }

  #append({ userId, content, replyTo, metadata }: StoreOperation & { kind: "append" }): boolean | "refused" {
    const target = replyTo === undefined ? undefined : this.#lines[replyTo];
    if (replyTo !== undefined && (!target || target.deleted)) return "refused";
    const seq = ++this.headSeq;
    const none = { edited: false, pinned: undefined, deleted: false };
    this.#lines.push({ seq, version: seq, userId, content, replyTo: target, metadata, reactions: [], ...none });
    return true;
  }

  #edit(line: Line, { content = line.content, metadata: patch }: StoreOperation & { kind: "edit" }): boolean {
    const metadata = patch.metadata === undefined ? line.metadata : patch.metadata ?? undefined;
    if (content === line.content && JSON.stringify(metadata) === JSON.stringify(line.metadata)) return false;
    this.#touch(line);
    Object.assign(line, { content, metadata, edited: true });
    return true;
  }

  #delete(line: Line | undefined): boolean {
    if (!line || line.deleted) return false;
    this.#touch(line);
    const none = { content: "", replyTo: undefined, metadata: undefined, reactions: [], pinned: undefined };
    Object.assign(line, none, { edited: false, deleted: true });
    return true;
  }

  #react(line: Line, requests: readonly ReactionRequest[]): boolean {
    let changed = false;
    for (const { emoji, userId, on } of requests) {
      const found = line.reactions.find((reaction) => reaction.emoji === emoji);
      if (on === (found?.userIds.includes(userId) ?? false)) continue;
      changed = true;
      if (!found) line.reactions.push({ emoji, userIds: [userId] });
      else if (on) found.userIds.push(userId);
      else found.userIds = found.userIds.filter((id) => id !== userId);
      line.reactions = line.reactions.filter(({ userIds }) => userIds.length > 0);
    }
    if (changed) this.#touch(line);
    return changed;
  }

  #touch(line: Line): void {
    line.version = ++this.headSeq;
  }

  #told({ seq, version, userId, content, replyTo, metadata, reactions, edited, pinned, deleted }: Line): Plain {
    return {
      channelId: this.#channelId,
      seq,
      version,
      userId,
      content,
      edited,
      pinned: pinned !== undefined,
      ...(replyTo ? { replyTo: replyTo.deleted ? {} : { userId: replyTo.userId, content: replyTo.content } } : {}),
      ...(metadata === undefined ? {} : { metadata }),
      ...(reactions.length === 0
        ? {}
        : { reactions: reactions.map(({ emoji, userIds }) => ({ emoji, count: userIds.length, userIds })) }),
      ...(deleted ? { deleted } : {}),
    };
  }
}
