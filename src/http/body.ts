/**
 * Reading request bodies, bounded in size and time.
 *
 * @module
 */

import type { Context } from "hono";
import { ChatError } from "../errors.ts";
import type { AppEnv } from "./context.ts";

/** How long a client may take to send a body. */
const BODY_TIMEOUT_MS = 10_000;

/** Reads a body as UTF-8: `too_large` as soon as it is, `invalid` where it is compressed, no UTF-8, or takes too long. */
export async function readText({ body, headers }: Request, maxBytes: number): Promise<string> {
  if (headers.has("content-encoding")) throw new ChatError("invalid", "The body must not be compressed.");
  if (!body) return "";
  const reader = body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    reader.cancel();
  }, BODY_TIMEOUT_MS);
  try {
    const text = await decode(reader, maxBytes);
    if (late) throw new ChatError("invalid", "The body took too long.");
    return text;
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    throw new ChatError("invalid", "The body cannot be read as UTF-8.", { cause });
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {}); // lets go of what was not read
  }
}

async function decode(reader: ReadableStreamDefaultReader<Uint8Array>, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let size = 0;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > maxBytes) throw new ChatError("too_large", `The body is larger than ${maxBytes} bytes.`);
    text += decoder.decode(value, { stream: true });
  }
}

/** Reads a JSON body of a REST request; anything else is `invalid`. */
export async function readJson(c: Context<AppEnv>): Promise<unknown> {
  const text = await readText(c.req.raw, c.get("maxBodyBytes"));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ChatError("invalid", "The body is not JSON.", { cause });
  }
}
