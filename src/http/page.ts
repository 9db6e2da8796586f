/**
 * What a browser sees at `/`.
 *
 * @module
 */

import { Hono } from "hono";
import type { AppEnv } from "./context.ts";

const page = await Deno.readTextFile(new URL("../web/index.html", import.meta.url));

const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** The page that says what runs here and how to talk to it. */
export function pageRoutes(): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/", (c) => c.html(page, 200, HEADERS));
}
