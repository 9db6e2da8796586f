/**
 * REST: search, in one channel and in all.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { searchQuery } from "../chat/message_input.ts";
import { messagePayload } from "../chat/payload.ts";
import type { AppEnv } from "./context.ts";

/** `GET ?q&limit&before`: the newest messages first, and the `next` that the page after them begins at. */
export function searchRoutes({ messages }: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c: Context) => {
    const found = await messages.search(searchQuery(c.req.query(), c.req.param("channel_id")));
    return c.json({
      messages: found.messages.map(messagePayload),
      has_more: found.next !== undefined,
      ...(found.next === undefined ? {} : { next: found.next }),
      ...(found.partial ? { partial: true } : {}),
    });
  });

  return routes;
}
