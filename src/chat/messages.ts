/**
 * The use cases of messages. Sockets and REST both come through here.
 *
 * @module
 */

import type { Identity } from "../auth/authenticator.ts";
import { ChatError } from "../errors.ts";
import type {
  Appended,
  Found,
  History,
  HistoryQuery,
  Message,
  MessageDraft,
  MessagePatch,
  Reacted,
  ReactionRequest,
  SearchQuery,
  Store,
} from "../store/store.ts";
import { bulkDeletion, changeOf } from "./change.ts";
import type { Change } from "./feed.ts";
import type { LiveChannels } from "./live_channels.ts";
import { ReactionQueue } from "./reaction_queue.ts";

/** Changes of a channel, asked for by the counter. */
export interface ChangesQuery {
  readonly after: number;
  /** The life of the counter that `after` belongs to; any where absent. */
  readonly epoch?: string;
  readonly limit: number;
}

const EXPORT_PAGE = 500;

/**
 * Every rule of messages that is not the wire's and not the store's.
 *
 * A write resolves when it is durable; its event goes to the members of the channel first. Writes are stored in the order of the calls as far as
 * nothing has to be looked at before.
 */
export class Messages {
  readonly #store: Store;
  readonly #live: LiveChannels;
  readonly #reactions: ReactionQueue;

  constructor(store: Store, live: LiveChannels, now?: () => number) {
    this.#store = store;
    this.#live = live;
    this.#reactions = new ReactionQueue((channelId, id, requests) => this.#react(channelId, id, requests), now);
  }

  get(channelId: string, id: string): Promise<Message> {
    return this.#store.getMessage(channelId, id);
  }

  page(channelId: string, query: HistoryQuery): Promise<History> {
    return this.#store.history(channelId, query);
  }

  /** Rejects with `conflict` where the counter was another's, or what changed since is not all there any more. */
  async changes(channelId: string, { after, epoch, limit }: ChangesQuery): Promise<History> {
    const history = await this.#store.changes(channelId, { after, limit });
    if ((epoch !== undefined && epoch !== history.epoch) || after > history.headSeq) {
      throw new ChatError("conflict", "The epoch has changed: begin anew with the history.");
    }
    if (after > 0 && after < history.purgedSeq) {
      throw new ChatError("conflict", "Some of these changes are past retention: begin anew with the history.");
    }
    return history;
  }

  pins(channelId: string, query: { limit: number; before?: string }): Promise<History> {
    return this.#store.pins(channelId, query);
  }

  reactors(
    channelId: string,
    id: string,
    query: { emoji: string; limit: number; after?: string },
  ): Promise<{ userIds: string[]; hasMore: boolean }> {
    return this.#store.reactors(channelId, id, query);
  }

  search(query: SearchQuery): Promise<Found> {
    return this.#store.search(query);
  }

  /** Everything that is in a channel, oldest first, page by page as it is asked for. */
  async *export(channelId: string): AsyncGenerator<readonly Message[]> {
    for (let after: string | undefined, more = true; more;) {
      const query = after === undefined ? { after: FIRST_ID } : { after };
      const { messages, hasMore } = await this.#store.history(channelId, { ...query, limit: EXPORT_PAGE });
      yield messages;
      after = messages.at(-1)?.id;
      more = hasMore;
    }
  }

  /** Stores a message, then gives it to the members: nothing is waited for before the store has it. */
  async send(draft: MessageDraft): Promise<Appended> {
    const { channelId, userId } = draft;
    const appended = await this.#write(channelId, this.#store.append(draft));
    this.#live.stopTyping(channelId, userId);
    if (appended.created) this.#live.offer(channelId, changeOf(appended.message));
    return appended;
  }

  /** Authors change their messages; resolves with the message as it is now. */
  async edit(actor: Identity, channelId: string, id: string, patch: MessagePatch): Promise<Message> {
    assertMayChange(actor, await this.#store.getMessage(channelId, id));
    const { message, changed } = await this.#write(channelId, this.#store.editMessage(channelId, id, patch));
    if (changed) this.#live.offer(channelId, changeOf(message));
    return message;
  }

  /** Authors delete their messages; resolves with the stub, the same where it was deleted before. */
  async delete(actor: Identity, channelId: string, id: string): Promise<Message> {
    const [stub] = await this.#delete(actor, channelId, [await this.#store.getMessage(channelId, id)]);
    if (!stub) throw new ChatError("not_found", "There is no such message in this channel.");
    return stub;
  }

  /** Deletes several, or none where one may not be deleted; ids of no message are passed over. Resolves with the stubs. */
  async deleteMany(actor: Identity, channelId: string, ids: readonly string[]): Promise<Message[]> {
    await this.#store.getChannel(channelId);
    const found = await Promise.all(ids.map((id) => this.#find(channelId, id)));
    return await this.#delete(actor, channelId, found.filter((message) => message !== undefined));
  }

  /** Adds or takes back a user's reaction; what is so already stays. */
  react(actor: Identity, channelId: string, id: string, emoji: string, on: boolean): Promise<Message> {
    return this.#reactions.add(channelId, id, { userId: actor.userId, emoji, on });
  }

  async pin(channelId: string, id: string, pinned: boolean): Promise<Message> {
    const { message, changed } = await this.#write(channelId, this.#store.pin(channelId, id, pinned));
    if (changed) this.#live.offer(channelId, changeOf(message));
    return message;
  }

  /** Deletes all messages that a user has written, in all channels; resolves with how many. */
  async erase(actor: Identity, userId: string): Promise<number> {
    if (actor.userId !== userId) throw new ChatError("forbidden", "These messages are another user's.");
    let count = 0;
    for (let step: { stubs: Message[]; next?: string } = { stubs: [], next: "0" }; step.next !== undefined;) {
      step = await this.#eraseStep(userId, step.next);
      count += step.stubs.length;
      for (const stub of step.stubs) this.#live.offer(stub.channelId, changeOf(stub));
    }
    return count;
  }

  /** Called every second or so. */
  sweep(): void {
    this.#reactions.sweep();
  }

  async #eraseStep(userId: string, after?: string): Promise<{ stubs: Message[]; next?: string }> {
    try {
      return await this.#store.eraseUser(userId, after);
    } catch (error) {
      if (isOutcomeUnknown(error)) this.#live.repair();
      throw error;
    }
  }

  async #delete(actor: Identity, channelId: string, messages: readonly Message[]): Promise<Message[]> {
    for (const message of messages) assertMayChange(actor, message);
    const ids = messages.map(({ id }) => id);
    const deleted = await this.#write(channelId, this.#store.deleteMessages(channelId, ids));
    const change: Change | undefined = bulkDeletion(
      channelId,
      deleted.filter(({ changed }) => changed).map(({ message }) => message),
    );
    if (change) this.#live.offer(channelId, change);
    return deleted.map(({ message }) => message);
  }

  async #react(channelId: string, id: string, requests: readonly ReactionRequest[]): Promise<Reacted> {
    const reacted = await this.#write(channelId, this.#store.react(channelId, id, requests));
    if (reacted.changed) this.#live.offer(channelId, changeOf(reacted.message));
    return reacted;
  }

  async #find(channelId: string, id: string): Promise<Message | undefined> {
    try {
      return await this.#store.getMessage(channelId, id);
    } catch (error) {
      if (error instanceof ChatError && error.code === "not_found") return undefined;
      throw error;
    }
  }

  /** Where the outcome is unknown and the change may be stored after all, its readers must get it. */
  async #write<T>(channelId: string, writing: Promise<T>): Promise<T> {
    try {
      return await writing;
    } catch (error) {
      if (isOutcomeUnknown(error)) this.#live.get(channelId)?.feed.repair();
      throw error;
    }
  }
}

function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof ChatError && error.code === "unavailable";
}

/** Before the id of any message. */
const FIRST_ID = "0".repeat(26);

/** Who may change a message, or delete it: its author. Roles come with permissions, here. */
function assertMayChange(actor: Identity, message: Message): void {
  if (actor.userId !== message.userId) throw new ChatError("forbidden", "This message is another user's.");
}
