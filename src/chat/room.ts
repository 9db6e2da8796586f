/**
 * A text channel as Phoenix clients meet it: events in, use cases out.
 *
 * @module
 */

import type { Authenticate } from "../auth/authenticator.ts";
import { ChatError } from "../errors.ts";
import type { Join, Member, Seat } from "../phoenix/channel.ts";
import type { Json } from "../phoenix/frame.ts";
import { TOPIC_PREFIX } from "./change.ts";
import type { Chat, Visit } from "./chat.ts";
import { accessToken, channelId, fields, joinRequest, messageId, presenceStatus, shallow } from "./input.ts";
import { emoji, historyRequest, messageDraft, messageIds, messagePatch, readSeq } from "./message_input.ts";
import { messagePayload, readStatePayload, timestamp } from "./payload.ts";

/** The room behind `text_channel:<id>`, or nothing for other topics. `authenticate` tells whose a token is that a client renews its own with. */
export function roomRouter(chat: Chat, authenticate: Authenticate): (topic: string) => Join | undefined {
  const join: Join = async (seat, payload) => {
    const visit = await chat.visit(seat, channelId(seat.topic.slice(TOPIC_PREFIX.length)), joinRequest(payload));
    return new Room(chat, seat, visit, authenticate);
  };
  return (topic) => topic.startsWith(TOPIC_PREFIX) ? join : undefined;
}

class Room implements Member {
  readonly welcome: Json;
  readonly #chat: Chat;
  readonly #seat: Seat;
  readonly #visit: Visit;
  readonly #authenticate: Authenticate;

  constructor(chat: Chat, seat: Seat, visit: Visit, authenticate: Authenticate) {
    this.#authenticate = authenticate;
    this.#chat = chat;
    this.#seat = seat;
    this.#visit = visit;
    this.welcome = visit.welcome;
  }

  async handle(event: string, payload: unknown): Promise<unknown> {
    switch (event) {
      case "new_message":
        return await this.#newMessage(payload);
      case "edit_message":
        return await this.#editMessage(payload);
      case "delete_message":
        return await this.#deleteMessage(payload);
      case "delete_messages":
        return await this.#deleteMessages(payload);
      case "add_reaction":
        return await this.#react(payload, true);
      case "remove_reaction":
        return await this.#react(payload, false);
      case "pin_message":
        return await this.#pin(payload, true);
      case "unpin_message":
        return await this.#pin(payload, false);
      case "read":
        return await this.#read(payload);
      case "history":
        return await this.#history(payload);
      case "typing":
        this.#visit.typing.start(this.#seat.identity.userId, this.#seat);
        return {};
      case "stop_typing":
        this.#visit.typing.stop(this.#seat.identity.userId);
        return {};
      case "update_presence":
        this.#visit.setStatus(presenceStatus(payload));
        return {};
      case "access_token":
        return await this.#renew(payload);
      case "ping":
        return shallow(payload);
      default:
        throw new ChatError("unknown_event", "A text channel has no such event.");
    }
  }

  leave(): void {
    this.#visit.leave();
  }

  async #renew(payload: unknown): Promise<unknown> {
    const identity = await this.#authenticate(accessToken(payload));
    this.#seat.renew(identity);
    const { expiresAt } = identity;
    return expiresAt === undefined ? {} : { expires_at: timestamp(expiresAt) };
  }

  async #newMessage(payload: unknown): Promise<unknown> {
    const draft = messageDraft(this.#channelId, this.#seat.identity.userId, payload);
    const { id, seq, createdAt, nonce } = (await this.#chat.messages.send(draft)).message;
    return { id, seq, timestamp: timestamp(createdAt), ...(nonce === undefined ? {} : { nonce }) };
  }

  async #editMessage(payload: unknown): Promise<unknown> {
    const { messages } = this.#chat;
    return messagePayload(
      await messages.edit(this.#seat.identity, this.#channelId, idIn(payload), messagePatch(payload)),
    );
  }

  async #deleteMessage(payload: unknown): Promise<unknown> {
    const { id, version } = await this.#chat.messages.delete(this.#seat.identity, this.#channelId, idIn(payload));
    return { id, seq: version };
  }

  async #deleteMessages(payload: unknown): Promise<unknown> {
    const ids = messageIds(payload);
    const stubs = await this.#chat.messages.deleteMany(this.#seat.identity, this.#channelId, ids);
    return { ids: stubs.map(({ id }) => id) };
  }

  async #react(payload: unknown, on: boolean): Promise<unknown> {
    const { messages } = this.#chat;
    const kind = emoji(fields(payload).emoji);
    return { seq: (await messages.react(this.#seat.identity, this.#channelId, idIn(payload), kind, on)).version };
  }

  async #pin(payload: unknown, pinned: boolean): Promise<unknown> {
    return { seq: (await this.#chat.messages.pin(this.#channelId, idIn(payload), pinned)).version };
  }

  async #read(payload: unknown): Promise<unknown> {
    const { identity } = this.#seat;
    return readStatePayload(
      await this.#chat.readStates.mark(identity, this.#channelId, readSeq(payload), this.#seat),
    );
  }

  async #history(payload: unknown): Promise<unknown> {
    const { messages, hasMore } = await this.#chat.messages.page(this.#channelId, historyRequest(payload));
    return { messages: messages.map(messagePayload), has_more: hasMore };
  }

  get #channelId(): string {
    return this.#visit.channelId;
  }
}

function idIn(payload: unknown): string {
  return messageId("id", fields(payload).id);
}
