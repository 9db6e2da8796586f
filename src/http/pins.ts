/**
 * REST: `/api/channels/:channel_id/pins`.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelId, messageId, pageLimit } from "../chat/input.ts";
import { historyPayload, messagePayload } from "../chat/payload.ts";
import type { AppEnv } from "./context.ts";

/** List, the newest pin first, pin and unpin. */
export function pinRoutes({ messages }: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const channelOf = (c: Context) => channelId(c.req.param("channel_id"));
  const idOf = (c: Context) => messageId("id", c.req.param("id"));

  routes.get("/", async (c) => {
    const { limit, before } = c.req.query();
    const query = {
      limit: pageLimit(limit),
      ...(before === undefined ? {} : { before: messageId("before", before) }),
    };
    return c.json(historyPayload(await messages.pins(channelOf(c), query)));
  });

  routes.put("/:id", async (c) => {
    return c.json({ message: messagePayload(await messages.pin(channelOf(c), idOf(c), true)) });
  });

  routes.delete("/:id", async (c) => {
    return c.json({ message: messagePayload(await messages.pin(channelOf(c), idOf(c), false)) });
  });

  return routes;
}
