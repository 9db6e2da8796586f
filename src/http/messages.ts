/**
 * REST: `/api/channels/:channel_id/messages`.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelId, historyQuery, messageId, pageLimit } from "../chat/input.ts";
import { emoji, messageDraft, messageIds, messagePatch } from "../chat/message_input.ts";
import { historyPayload, messagePayload } from "../chat/payload.ts";
import { readJson } from "./body.ts";
import type { AppEnv } from "./context.ts";

/** List, create, read, edit, delete one or many, and reactions. */
export function messageRoutes({ messages }: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const channelOf = (c: Context) => channelId(c.req.param("channel_id"));
  const idOf = (c: Context) => messageId("id", c.req.param("id"));

  routes.get("/", async (c) => {
    return c.json(historyPayload(await messages.page(channelOf(c), historyQuery(c.req.query()))));
  });

  routes.post("/", async (c) => {
    const draft = messageDraft(channelOf(c), c.get("identity").userId, await readJson(c));
    const { message, created } = await messages.send(draft);
    c.header("Location", `/api/channels/${message.channelId}/messages/${message.id}`);
    return c.json({ message: messagePayload(message) }, created ? 201 : 200);
  });

  routes.post("/bulk-delete", async (c) => {
    const stubs = await messages.deleteMany(c.get("identity"), channelOf(c), messageIds(await readJson(c)));
    return c.json({ messages: stubs.map(messagePayload) });
  });

  routes.get("/:id", async (c) => {
    return c.json({ message: messagePayload(await messages.get(channelOf(c), idOf(c))) });
  });

  routes.patch("/:id", async (c) => {
    const patch = messagePatch(await readJson(c));
    const message = await messages.edit(c.get("identity"), channelOf(c), idOf(c), patch);
    return c.json({ message: messagePayload(message) });
  });

  routes.delete("/:id", async (c) => {
    const message = await messages.delete(c.get("identity"), channelOf(c), idOf(c));
    return c.json({ message: messagePayload(message) });
  });

  routes.get("/:id/reactions/:emoji", async (c) => {
    const { limit, after } = c.req.query();
    const kind = emoji(c.req.param("emoji"));
    const query = { emoji: kind, limit: pageLimit(limit), ...(after === undefined ? {} : { after }) };
    const { userIds, hasMore } = await messages.reactors(channelOf(c), idOf(c), query);
    return c.json({ user_ids: userIds, has_more: hasMore });
  });

  routes.put("/:id/reactions/:emoji", async (c) => {
    const kind = emoji(c.req.param("emoji"));
    const message = await messages.react(c.get("identity"), channelOf(c), idOf(c), kind, true);
    return c.json({ message: messagePayload(message) });
  });

  routes.delete("/:id/reactions/:emoji", async (c) => {
    const kind = emoji(c.req.param("emoji"));
    const message = await messages.react(c.get("identity"), channelOf(c), idOf(c), kind, false);
    return c.json({ message: messagePayload(message) });
  });

  return routes;
}
