/**
 * REST: what changed in a channel, and all that is in it.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import type { Chat } from "../chat/chat.ts";
import { channelId } from "../chat/input.ts";
import { changesQuery } from "../chat/message_input.ts";
import { historyPayload, messagePayload } from "../chat/payload.ts";
import type { Message } from "../store/store.ts";
import type { AppEnv } from "./context.ts";

/** `changes` in the order of `version`, and `export` as NDJSON, a message a line, oldest first. */
export function changeRoutes(chat: Chat): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const channelOf = (c: Context) => channelId(c.req.param("channel_id"));

  routes.get("/changes", async (c) => {
    return c.json(historyPayload(await chat.messages.changes(channelOf(c), changesQuery(c.req.query()))));
  });

  routes.get("/export", async (c) => {
    const { id } = await chat.getChannel(channelOf(c));
    c.header("Content-Type", "application/x-ndjson; charset=utf-8");
    c.header("Content-Disposition", `attachment; filename="${id}.ndjson"`);
    return c.body(ReadableStream.from(lines(chat.messages.export(id))));
  });

  return routes;
}

const encoder = new TextEncoder();

async function* lines(pages: AsyncIterable<readonly Message[]>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const page of pages) {
    yield encoder.encode(page.map((message) => `${JSON.stringify(messagePayload(message))}\n`).join(""));
  }
}
