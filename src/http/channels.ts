/**
 * REST: `/api/channels`.
 *
 * @module
 */

import { Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelDraft, channelId, channelPatch, pageLimit } from "../chat/input.ts";
import { channelPayload } from "../chat/payload.ts";
import { readJson } from "./body.ts";
import type { AppEnv } from "./context.ts";

/** List, create, read, change, delete, and who is there. */
export function channelRoutes(chat: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();

  routes.get("/", async (c) => {
    const { limit, after } = c.req.query();
    const query = { limit: pageLimit(limit), ...(after === undefined ? {} : { after: channelId(after) }) };
    const { channels, hasMore } = await chat.listChannels(query);
    return c.json({ channels: channels.map(channelPayload), has_more: hasMore });
  });

  routes.post("/", async (c) => {
    const channel = await chat.createChannel(channelDraft(await readJson(c)));
    c.header("Location", `/api/channels/${channel.id}`);
    return c.json({ channel: channelPayload(channel) }, 201);
  });

  routes.get("/:id", async (c) => {
    const channel = await chat.getChannel(channelId(c.req.param("id")));
    return c.json({ channel: channelPayload(channel) });
  });

  routes.patch("/:id", async (c) => {
    const id = channelId(c.req.param("id"));
    const channel = await chat.updateChannel(id, channelPatch(await readJson(c)));
    return c.json({ channel: channelPayload(channel) });
  });

  routes.delete("/:id", async (c) => {
    const channel = await chat.deleteChannel(channelId(c.req.param("id")));
    return c.json({ channel: channelPayload(channel) });
  });

  routes.get("/:id/presence", async (c) => {
    const { limit, after } = c.req.query();
    const query = { limit: pageLimit(limit), ...(after === undefined ? {} : { after }) };
    const { users, hasMore, clients, count } = await chat.present(channelId(c.req.param("id")), query);
    return c.json({ users, count, clients, has_more: hasMore });
  });

  return routes;
}
