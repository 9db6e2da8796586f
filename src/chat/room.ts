/**
 * A text channel as Phoenix clients meet it: events in, use cases out.
 *
 * @module
 */

import { ChatError } from "../errors.ts";
import type { Join, Member, Seat } from "../phoenix/channel.ts";
import type { Json } from "../phoenix/frame.ts";
import { type Chat, TOPIC_PREFIX, type Visit } from "./chat.ts";
import { channelId, joinRequest, messageDraft, presenceStatus, shallow } from "./input.ts";
import { timestamp } from "./payload.ts";

/** The room behind `text_channel:<id>`, or nothing for other topics. */
export function roomRouter(chat: Chat): (topic: string) => Join | undefined {
  const join: Join = async (seat, payload) => {
    const visit = await chat.visit(seat, channelId(seat.topic.slice(TOPIC_PREFIX.length)), joinRequest(payload));
    return new Room(chat, seat, visit);
  };
  return (topic) => topic.startsWith(TOPIC_PREFIX) ? join : undefined;
}

class Room implements Member {
  readonly welcome: Json;
  readonly #chat: Chat;
  readonly #seat: Seat;
  readonly #visit: Visit;

  constructor(chat: Chat, seat: Seat, visit: Visit) {
    this.#chat = chat;
    this.#seat = seat;
    this.#visit = visit;
    this.welcome = visit.welcome;
  }

  async handle(event: string, payload: unknown): Promise<unknown> {
    switch (event) {
      case "new_message":
        return await this.#newMessage(payload);
      case "typing":
        this.#visit.typing.start(this.#seat);
        return {};
      case "stop_typing":
        this.#visit.typing.stop(this.#seat.identity.userId);
        return {};
      case "update_presence":
        this.#visit.setStatus(presenceStatus(payload));
        return {};
      case "ping":
        return shallow(payload);
      default:
        throw new ChatError("unknown_event", "A text channel has no such event.");
    }
  }

  leave(): void {
    this.#visit.leave();
  }

  async #newMessage(payload: unknown): Promise<unknown> {
    const { message } = await this.#chat.send(messageDraft(this.#visit.channelId, this.#seat.identity.userId, payload));
    const { id, seq, createdAt, nonce } = message;
    return { id, seq, timestamp: timestamp(createdAt), ...(nonce === undefined ? {} : { nonce }) };
  }
}
