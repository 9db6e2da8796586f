/**
 * The URL of a Postgres database.
 *
 * @module
 */

import { ChatError } from "../errors.ts";

/** What a URL says. */
export interface PostgresUrl {
  /** For the client: without what is ours. */
  readonly url: string;
  /** `?schema=`: where the tables are; absent where the search path of the user decides. */
  readonly schema?: string;
}

/** Reads a `postgres://user:password@host:port/database?schema=name`; throws `unavailable` for what cannot be one, and never repeats it. */
export function parsePostgresUrl(text: string): PostgresUrl {
  if (!/^postgres(?:ql)?:\/\/[^/?]/.test(text)) {
    throw unusable("it must be like postgres://user:password@host:5432/name");
  }
  const [base = "", query = ""] = text.split(/\?(.*)/s);
  const params = new URLSearchParams(query);
  const schema = params.get("schema") ?? undefined;
  params.delete("schema");
  if (schema !== undefined && !/^[a-z_][a-z\d_]{0,62}$/.test(schema)) {
    throw unusable("its schema must be 1 to 63 small letters, digits or _");
  }
  const url = params.size === 0 ? base : `${base}?${params}`;
  // Several hosts, which the client takes, are no URL: all but the first are left out of the check.
  const parsed = URL.parse(base.replace(/,[^/]*/, ""));
  if (!parsed) throw unusable("a character of the user or the password must be percent-encoded");
  if (parsed.username === "") throw unusable("it names no user");
  if (parsed.pathname.length < 2) throw unusable("it names no database");
  try {
    for (const part of [parsed.username, parsed.password, parsed.pathname]) decodeURIComponent(part);
  } catch {
    throw unusable("a % in it must be written as %25");
  }
  return { url, ...(schema === undefined ? {} : { schema }) };
}

function unusable(reason: string): ChatError {
  return new ChatError("unavailable", `The URL of the database cannot be used: ${reason}.`);
}
