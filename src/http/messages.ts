/**
 * REST: `/api/channels/:channel_id/messages`.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelId, historyQuery, messageDraft, messageId } from "../chat/input.ts";
import { messagePayload } from "../chat/payload.ts";
import { readJson } from "./body.ts";
import type { AppEnv } from "./context.ts";

/** List, create, read. */
export function messageRoutes(chat: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const channelOf = (c: Context) => channelId(c.req.param("channel_id"));

  routes.get("/", async (c) => {
    const { messages, hasMore, headSeq, epoch } = await chat.history(channelOf(c), historyQuery(c.req.query()));
    return c.json({ messages: messages.map(messagePayload), has_more: hasMore, head_seq: headSeq, epoch });
  });

  routes.post("/", async (c) => {
    const draft = messageDraft(channelOf(c), c.get("identity").userId, await readJson(c));
    const { message, created } = await chat.send(draft);
    c.header("Location", `/api/channels/${message.channelId}/messages/${message.id}`);
    return c.json({ message: messagePayload(message) }, created ? 201 : 200);
  });

  routes.get("/:id", async (c) => {
    const message = await chat.getMessage(channelOf(c), messageId("id", c.req.param("id")));
    return c.json({ message: messagePayload(message) });
  });

  return routes;
}
