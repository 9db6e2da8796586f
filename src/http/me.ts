/**
 * REST: what a user has read, types and has written.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelId, pageLimit } from "../chat/input.ts";
import { readSeq } from "../chat/message_input.ts";
import { readStatePayload } from "../chat/payload.ts";
import { readJson } from "./body.ts";
import type { AppEnv } from "./context.ts";

/** `PUT /read { seq }` and `POST /typing` of one channel. */
export function ownRoutes(chat: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const channelOf = (c: Context) => channelId(c.req.param("channel_id"));

  routes.put("/read", async (c) => {
    const state = await chat.readStates.mark(c.get("identity"), channelOf(c), readSeq(await readJson(c)));
    return c.json(readStatePayload(state));
  });

  routes.post("/typing", async (c) => {
    await chat.type(channelOf(c), c.get("identity").userId);
    return c.body(null, 204);
  });

  return routes;
}

/** `GET ?limit&after`: the read state of every channel, by channel id. */
export function unreadRoutes({ readStates }: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const { limit, after } = c.req.query();
    const query = { limit: pageLimit(limit), ...(after === undefined ? {} : { after: channelId(after) }) };
    const { states, hasMore } = await readStates.list(c.get("identity"), query);
    return c.json({ channels: states.map(readStatePayload), has_more: hasMore });
  });

  return routes;
}

/** `DELETE /:id/messages`: erases what a user has written. */
export function userRoutes({ messages }: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.delete("/:id/messages", async (c) => {
    return c.json({ deleted: await messages.erase(c.get("identity"), c.req.param("id")) });
  });

  return routes;
}
