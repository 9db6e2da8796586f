/**
 * Words for what Postgres and the way to it say.
 *
 * @module
 */

import { ChatError } from "../errors.ts";

/** What the person who runs the service can do about it, by SQLSTATE or by the code of the client or the system. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  "23505": "The tables of the database are not as this program left them.",
  "25006": "The database is read-only: is this a standby?",
  "26000": "The database forgot a prepared statement: put ?prepare=false into its URL where a pooler stands before it.",
  "28000": "The database refuses this user.",
  "28P01": "The database refuses this user or password.",
  "3D000": "The server has no database of this name.",
  "40001": "The database was too busy.",
  "40P01": "The database was too busy.",
  "42501": "The user has not all rights on the database that are needed.",
  "42P01": "The tables of the database are gone.",
  "53100": "The disk of the database is full.",
  "53300": "The database has too many connections.",
  "55P03": "The database was too busy.",
  "57014": "The database did not answer in time.",
  "57P01": "The database is shutting down.",
  "57P02": "The database has crashed.",
  "57P03": "The database is starting up or shutting down.",
  "58030": "The disk of the database failed.",
  CONNECT_TIMEOUT: "The database did not answer in time.",
  ECONNREFUSED: "The database cannot be reached: does it run, and are host and port right?",
  EHOSTUNREACH: "The database cannot be reached: is its host right?",
  ENOTFOUND: "The database cannot be reached: its host is not known.",
  EAI_AGAIN: "The database cannot be reached: its host is not known.",
};

/** What was thrown, as an `unavailable` with words for its cause; a text that Postgres cannot hold is `invalid`. */
export function explain(cause: unknown): ChatError {
  if (cause instanceof ChatError) return cause;
  const code = codeOf(cause);
  if (isUnfit(cause)) return new ChatError("invalid", "This holds a text that cannot be stored.", { cause });
  const lost = isBroken(cause) ? "The connection to the database was lost." : "The database failed.";
  return new ChatError("unavailable", EXPLANATIONS[code] ?? lost, { cause });
}

/** Whether the connection can be used no more: all that is not a plain error of a statement. */
export function isBroken(error: unknown): boolean {
  if (error instanceof ChatError) return false;
  return !(error instanceof Error && "severity" in error && error.severity === "ERROR");
}

/** Whether the values of a statement were at fault: such an operation fails however often it is tried. */
export function isUnfit(error: unknown): boolean {
  return !isBroken(error) && /^(?:22|54)/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
