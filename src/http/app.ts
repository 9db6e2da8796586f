/**
 * The HTTP surface: routes, and the one place where an error becomes an answer.
 *
 * @module
 */

import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { requestId } from "hono/request-id";
import type { CheckOrigin } from "../auth/origin.ts";
import type { Chat } from "../chat/chat.ts";
import { ChatError, ERROR_STATUS } from "../errors.ts";
import { describe, type Log } from "../telemetry/log.ts";
import { changeRoutes } from "./changes.ts";
import { channelRoutes } from "./channels.ts";
import { ownRoutes, unreadRoutes, userRoutes } from "./me.ts";
import { messageRoutes } from "./messages.ts";
import { pinRoutes } from "./pins.ts";
import { searchRoutes } from "./search.ts";
import { type AppEnv, bearerToken } from "./context.ts";
import type { Handshake } from "./handshake.ts";
import { type Health, healthRoutes, probeRoutes } from "./health.ts";
import type { LongPollServer } from "./longpoll.ts";
import { pageRoutes } from "./page.ts";
import type { SocketServer } from "./socket.ts";

/** What an app is made of. */
export interface AppOptions {
  readonly chat: Chat;
  readonly checkOrigin: CheckOrigin;
  readonly handshake: Handshake;
  readonly sockets: SocketServer;
  readonly polls: LongPollServer;
  readonly health: Health;
  readonly maxBodyBytes: number;
  readonly log: Log;
}

/** Builds the app; its `fetch` takes a request as `Deno.serve` gives it. */
export function createApp(
  { chat, checkOrigin, handshake, sockets, polls, health, maxBodyBytes, log }: AppOptions,
): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.onError((error, c) => render(c, error, log));
  app.notFound((c) => render(c, new ChatError("not_found", "There is nothing at this address."), log));

  // Before the middleware: the wire needs none of it, and thousands of clients may come back at once.
  app.all("/socket/websocket", (c) => sockets.upgrade(c.req.raw, addressOf(c)));
  app.all("/socket/longpoll", (c) => polls.handle(c.req.raw, addressOf(c)));
  app.use(requestId());
  app.use(methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) => {
      c.header("Allow", methods.join(", "));
      return render(c, new ChatError("method_not_allowed", `This address takes ${methods.join(", ")}.`), log);
    },
  }));
  app.route("/", pageRoutes());
  app.route("/", probeRoutes(health));

  const api = new Hono<AppEnv>();
  api.use(async (c, next) => {
    c.header("Cache-Control", "no-store");
    await next();
  });
  api.use(async (c, next) => {
    // A page elsewhere could write without ever reading the answer, which is all that CORS keeps from it.
    if (!checkOrigin(c.req.header("origin"), c.req.header("host"))) {
      c.header("Vary", "Origin");
      throw new ChatError("forbidden", "This origin is not allowed.");
    }
    await next();
  });
  api.use(cors({
    origin: (origin, c) => checkOrigin(origin, c.req.header("host")) ? origin : null,
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    exposeHeaders: ["X-Request-Id", "Location", "Retry-After"],
  }));
  api.route("/health", healthRoutes(health));
  api.use(async (c, next) => {
    c.set("maxBodyBytes", maxBodyBytes);
    c.set("identity", await handshake.login(addressOf(c), bearerToken(c.req.header("authorization"))));
    await next();
  });
  api.route("/channels", channelRoutes(chat));
  api.route("/channels/:channel_id/messages", messageRoutes(chat));
  api.route("/channels/:channel_id/pins", pinRoutes(chat));
  api.route("/channels/:channel_id/search", searchRoutes(chat));
  api.route("/channels/:channel_id", changeRoutes(chat));
  api.route("/channels/:channel_id", ownRoutes(chat));
  api.route("/search", searchRoutes(chat));
  api.route("/unread", unreadRoutes(chat));
  api.route("/users", userRoutes(chat));
  app.route("/api", api);
  return app;
}

/** The client's own address; undefined behind a proxy, whose address is that of all its clients. */
function addressOf(c: Context<AppEnv>): string | undefined {
  return c.req.raw.headers.has("x-forwarded-for") ? undefined : c.env?.remoteAddr?.hostname;
}

/** `{ error: { code, message, retry_after? }, request_id }` with the status of the code; what nobody foresaw is logged and shown as `internal`. */
function render(c: Context<AppEnv>, error: unknown, log: Log): Response {
  const requestId = c.get("requestId") ?? crypto.randomUUID();
  c.header("X-Request-Id", requestId);
  if (!(error instanceof ChatError)) log.error("a request crashed", { requestId, error: describe(error) });
  else if (error.code === "unavailable") log.warn("a request failed", { requestId, error: describe(error) });
  const shown = error instanceof ChatError ? error : new ChatError("internal", "Something went wrong on our side.");
  if (shown.retryAfterMs !== undefined) c.header("Retry-After", String(Math.ceil(shown.retryAfterMs / 1_000)));
  return c.json({ error: shown.toBody(), request_id: requestId }, ERROR_STATUS[shown.code]);
}
