/**
 * The settings of an instance: one table, from which they are read, checked and explained.
 *
 * @module
 */

import { HMAC_ALGORITHMS, type JwtAlgorithm, parsePublicKey, PUBLIC_ALGORITHMS } from "./jwt_algorithms.ts";
import { jwtContradictions, type JwtSettings } from "./jwt_settings.ts";

/** What an instance runs with; deeply frozen, and the same for its whole life. */
export interface Config extends JwtSettings {
  /** Whether the rules of production hold. */
  readonly env: "development" | "production";
  /** The host name or address to listen on. */
  readonly host: string;
  /** The port to listen on; 0 takes any free one. */
  readonly port: number;
  /** The name of this instance; absent when none was given. */
  readonly nodeName?: string;
  /** The least severe level that is logged. */
  readonly logLevel: "debug" | "info" | "warning" | "error";
  /** How long an instance that stops waits for its connections. */
  readonly drainTimeoutMs: number;
  /** The secret of what the service itself signs, and of users' tokens where nothing else is set; never absent in production. */
  readonly secretKeyBase?: string;
  /** The salt that sets the service's own tokens apart from others made of the same secret. */
  readonly signingSalt: string;
  /** The origins that may open a socket, as browsers write them; empty: its own, in development also any loopback. */
  readonly allowedOrigins: readonly string[];
  /** Where messages are kept: `memory:`, `sqlite:` and a path, or the URL of a Postgres. */
  readonly storeUrl: string;
  /** How instances are joined: `local:`, or the URL of a Redis. */
  readonly busUrl: string;
  /** Event loops of this process; each is an instance. */
  readonly workers: number;
  /** SQLite's `synchronous`; `normal` may lose the last acknowledged messages in a power cut. */
  readonly sqliteSynchronous: "full" | "normal";
  /** Whether joining a channel that does not exist creates it. */
  readonly adHocChannels: boolean;
  /** The bytes a frame, or the body of a REST request, may have. */
  readonly maxFrameBytes: number;
  /** The topics a socket may have joined at once. */
  readonly maxTopics: number;
  /** The sockets an instance may hold at once. */
  readonly maxSockets: number;
  /** The bytes that may wait for a slow client before it is closed with 1013. */
  readonly sendBufferBytes: number;
  /** The bytes a long-poll request may have, with all its frames. */
  readonly maxBatchBytes: number;
  /** The refused logins an address may have in a minute; 0 is any number. */
  readonly loginFailures: number;
  /** The clients of a channel above which its presence is counts in place of a list. */
  readonly presenceList: number;
  /** Whether a join refused for good is ended with `phx_close`. */
  readonly closeRefusedJoins: boolean;
  /** How long the closes of a drain are spread over. */
  readonly drainWindowMs: number;
  /** How long a socket may be silent before it is closed. */
  readonly idleTimeoutMs: number;
}

/** What the help and the README say of a setting. */
export interface Setting {
  /** The heading it stands under. */
  readonly group: "Server" | "Security" | "Store" | "Scale" | "Chat" | "Limits";
  /** The environment variable. */
  readonly name: string;
  /** The variable that is read where this one is not set: the name that platforms give. */
  readonly also?: string;
  /** The flag that overrides the variable, with its dashes; a secret has none, as every user can read argv. */
  readonly flag?: string;
  /** What stands for the value. */
  readonly placeholder: string;
  /** The value when it is not set, in words where it depends. */
  readonly default: string;
  /** What it does, in one line. */
  readonly about: string;
}

interface Row<T> extends Setting {
  /** Throws `Unfit` for a text that is not right. */
  readonly parse: (text: string, env: Config["env"]) => T;
  /** The value when it is not set; throws `Unfit` where it must be. */
  readonly absent: (env: Config["env"]) => T;
  /** A value as a complaint may show it. */
  readonly show: (text: string) => string;
}

// A row: group, name, placeholder, default, and how it is read. `env` stands first: the others are read by its rules.
const ROWS: { readonly [K in keyof Required<Config>]: Row<Config[K]> } = {
  env: row("Server", "CHAT_ENV", "NAME", "development", {
    about: "development or production",
    parse: oneOf("development", "production"),
  }),
  host: row("Server", "HOST", "ADDRESS", "127.0.0.1, in production 0.0.0.0", {
    about: "Address to listen on",
    parse: matching(
      /^(?:[a-z\d._-]+|[a-f\d.]*:[a-f\d.]*:[a-f\d.:]*(?:%\w+)?)$/i,
      "a host name or address without a port, such as 127.0.0.1 or ::",
    ),
    absent: (env) => env === "production" ? "0.0.0.0" : "127.0.0.1",
  }),
  port: row("Server", "PORT", "NUMBER", "4000", {
    about: "Port to listen on; 0 takes any free one",
    parse: integer(0, 65_535),
  }),
  nodeName: row("Server", "CHAT_NODE_NAME", "NAME", "none", {
    about: "Name of this instance",
    parse: matching(/^[a-z\d_.@-]{1,64}$/i, "1 to 64 letters, digits, or any of - _ . @"),
    absent: () => undefined,
  }),
  logLevel: row("Server", "CHAT_LOG_LEVEL", "LEVEL", "info", {
    about: "Least severe level to log: debug, info, warning or error",
    parse: oneOf("debug", "info", "warning", "error"),
  }),
  drainWindowMs: row("Server", "CHAT_DRAIN_WINDOW", "SECONDS", "10", {
    about: "Time over which a shutdown spreads its closes",
    parse: seconds(0, 300),
  }),
  drainTimeoutMs: row("Server", "CHAT_DRAIN_TIMEOUT", "SECONDS", "25", {
    about: "Time for connections to leave at shutdown",
    parse: seconds(0, 300),
  }),
  secretKeyBase: row("Security", "SECRET_KEY_BASE", "SECRET", "none, production needs one", {
    about: "Secret of the service's own tokens, and of users'; 32 bytes or more",
    secret: true,
    parse: parseSecretKeyBase,
    absent: (env) => env === "production" ? unfit(`production needs one; ${MAKE_A_SECRET}`) : undefined,
  }),
  signingSalt: row("Security", "SIGNING_SALT", "SECRET", "chat", {
    about: "Salt that sets the service's own tokens apart from others of the same secret",
    secret: true,
    parse: (text) => text,
  }),
  jwtSecret: row("Security", "CHAT_JWT_SECRET", "SECRET", "SECRET_KEY_BASE", {
    about: "Secret of users' tokens; 32 bytes or more",
    secret: true,
    parse: parseSecretKeyBase,
    absent: () => undefined,
  }),
  jwtPublicKey: row("Security", "CHAT_JWT_PUBLIC_KEY", "PEM|file:PATH", "none", {
    about: "Public key for users' tokens in place of a secret, as PEM text or file:PATH",
    parse: parseJwtPublicKey,
    absent: () => undefined,
    show: (text) => text.startsWith("file:") ? quote(text) : "set (its value is not shown)",
  }),
  jwtJwksUrl: row("Security", "CHAT_JWT_JWKS_URL", "URL", "none", {
    about: "Key set (JWKS) for users' tokens in place of a secret; https, in development also http of this machine",
    parse: parseJwksUrl,
    absent: () => undefined,
    show: (text) => quote(text.replace(/[?#].*/s, "?…")),
  }),
  jwtAlgorithms: row("Security", "CHAT_JWT_ALGORITHMS", "LIST", "HS256; by key RS256, ES256 … or EdDSA", {
    about: "Algorithms of users' tokens, comma separated: HS256 … for a secret, RS256, PS256, ES256 … EdDSA for keys",
    parse: parseAlgorithms,
    absent: () => undefined,
  }),
  jwtIssuer: row("Security", "CHAT_JWT_ISSUER", "TEXT", "any", {
    about: "What iss of users' tokens must be",
    parse: (text) => text,
    absent: () => undefined,
  }),
  jwtAudience: row("Security", "CHAT_JWT_AUDIENCE", "LIST", "any", {
    about: "Of which aud of users' tokens must have one, comma separated",
    parse: parseAudience,
    absent: () => undefined,
  }),
  jwtLeewayMs: row("Security", "CHAT_JWT_LEEWAY", "SECONDS", "5", {
    about: "How far the clock of who makes users' tokens may be off",
    parse: seconds(0, 60),
  }),
  jwtPreviousSecret: row("Security", "CHAT_JWT_PREVIOUS_SECRET", "SECRET", "none", {
    about: "Secret before the present one, whose tokens are still taken",
    secret: true,
    parse: parseSecretKeyBase,
    absent: () => undefined,
  }),
  jwtPreviousUntil: row("Security", "CHAT_JWT_PREVIOUS_UNTIL", "TIME", "none", {
    about: "Until when they are: ISO 8601 with a time zone, such as 2027-01-31T12:00:00Z",
    parse: parseTime,
    absent: () => undefined,
  }),
  allowedOrigins: row("Security", "CHAT_ALLOWED_ORIGINS", "LIST", "its own, in development also loopback", {
    about: "Origins that may open a socket, comma separated: *, https://a.b, //a.b:888 or //*.a.b",
    parse: parseOrigins,
    absent: () => [],
  }),
  storeUrl: row("Store", "CHAT_STORE_URL", "URL", "sqlite:data/chat.db", {
    about: "Where messages are kept: sqlite:PATH, postgres://… or memory:; else DATABASE_URL",
    also: "DATABASE_URL",
    parse: parseStoreUrl,
    show: (text) => quote(text.replace(/:.+/s, ":…")),
  }),
  sqliteSynchronous: row("Store", "CHAT_SQLITE_SYNCHRONOUS", "MODE", "full", {
    about: "full, or normal: faster, but a power cut may lose the last messages",
    parse: oneOf("full", "normal"),
  }),
  busUrl: row("Scale", "CHAT_BUS_URL", "URL", "local:", {
    about:
      "What joins instances: local: or redis://…, rediss://…, redis+cluster://…, redis+sentinel://…; else REDIS_URL",
    also: "REDIS_URL",
    parse: matching(/^(?:local:|rediss?(?:\+cluster|\+sentinel)?:\/\/\S+)$/, "local: or the URL of a Redis"),
    show: (text) => quote(text.replace(/:.+/s, ":…")),
  }),
  workers: row("Scale", "CHAT_WORKERS", "NUMBER|auto", "1", {
    about: "Event loops of this process, on one port; auto is one for each core",
    parse: (text) => text === "auto" ? navigator.hardwareConcurrency : integer(1, 256)(text),
  }),
  adHocChannels: row("Chat", "CHAT_AD_HOC_CHANNELS", "on|off", "on", {
    about: "Joining a channel that does not exist creates it",
    parse: onOff,
  }),
  closeRefusedJoins: row("Chat", "CHAT_CLOSE_REFUSED_JOINS", "on|off", "on", {
    about: "A join refused for good is closed, or phoenix.js tries for ever",
    parse: onOff,
  }),
  presenceList: row("Chat", "CHAT_PRESENCE_LIST", "NUMBER", "200", {
    about: "Clients of a channel above which presence is counts, no list",
    parse: integer(0, 10_000),
  }),
  maxFrameBytes: row("Limits", "CHAT_MAX_FRAME_BYTES", "BYTES", "65536", {
    about: "Largest frame, and largest body of a REST request",
    parse: integer(1_024, 1_048_576),
  }),
  maxBatchBytes: row("Limits", "CHAT_MAX_BATCH_BYTES", "BYTES", "1048576", {
    about: "Largest long-poll request, with all its frames",
    parse: integer(1_024, 16_777_216),
  }),
  loginFailures: row("Limits", "CHAT_LOGIN_FAILURES", "NUMBER", "120", {
    about: "Refused logins an address may have in a minute; 0 is any",
    parse: integer(0, 1_000_000),
  }),
  maxTopics: row("Limits", "CHAT_MAX_TOPICS", "NUMBER", "250", {
    about: "Most topics of one socket",
    parse: integer(1, 10_000),
  }),
  maxSockets: row("Limits", "CHAT_MAX_SOCKETS", "NUMBER", "20000", {
    about: "Most sockets and long-poll sessions of one instance",
    parse: integer(1, 1_000_000),
  }),
  sendBufferBytes: row("Limits", "CHAT_SEND_BUFFER_BYTES", "BYTES", "1048576", {
    about: "Most bytes that wait for a slow client before it is closed with 1013",
    parse: integer(65_536, 67_108_864),
  }),
  idleTimeoutMs: row("Limits", "CHAT_IDLE_TIMEOUT", "SECONDS", "60", {
    about: "How long a socket may be silent before it is closed",
    parse: seconds(1, 3_600),
  }),
};

/** Every setting, in the order of the help; there is no other list. */
export const SETTINGS: readonly Setting[] = Object.freeze(Object.values(ROWS));

/** Settings that cannot be used; the message holds every complaint, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** All that is wrong: the setting, what was given (never a secret), and what would be right. */
  readonly complaints: readonly string[];

  constructor(complaints: readonly string[]) {
    super(["Cannot use these settings:", ...complaints].join("\n  "));
    this.complaints = Object.freeze([...complaints]);
  }
}

/**
 * Reads every setting from flags, else from `env`, else its default.
 *
 * An empty variable is not set. Throws a {@linkcode ConfigError} with every complaint at once, also of `CHAT_*`
 * names and arguments that are no setting; `--help` and `--version` are none, so take them out of `args` first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const config = loadConfig({ PORT: "8080", CHAT_IDLE_TIMEOUT: "90" }, ["--port", "9000", "--log-level=debug"]);
 * assertEquals([config.port, config.idleTimeoutMs, config.logLevel], [9_000, 90_000, "debug"]);
 * ```
 */
export function loadConfig(env: Record<string, string>, args: string[] = []): Config {
  const complaints: string[] = [];
  const flags = readFlags(args, complaints);
  const given = new Set<string>();
  const draft: { -readonly [K in keyof Config]?: Config[K] } = {};

  function fill<K extends keyof Config>(key: K): void {
    const { name, flag = "", also = "", parse, absent, show }: Row<Config[K]> = ROWS[key];
    const text = flags.get(flag) ?? (env[name] || env[also] || undefined);
    const rules = draft.env ?? "development";
    if (text !== undefined) given.add(name);
    try {
      const value = text === undefined ? absent(rules) : parse(text, rules);
      if (value !== undefined) draft[key] = value;
      Object.freeze(value);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const source = flags.has(flag) ? `${name} (${flag})` : env[name] || !env[also] ? name : also;
      complaints.push(`${source} is ${text === undefined ? "not set" : show(text)}: ${error.message}`);
    }
  }
  for (const key of Object.keys(ROWS) as (keyof Config)[]) fill(key);
  complaints.push(...jwtContradictions(draft, given));
  if ((draft.workers ?? 1) > 1 && /^memory:|^sqlite::memory:/.test(draft.storeUrl ?? "")) {
    complaints.push("CHAT_WORKERS is above 1: each would have messages of its own in memory; use sqlite:PATH");
  }

  for (const name of Object.keys(env)) {
    if (!name.startsWith("CHAT_") || env[name] === "" || SETTINGS.some((setting) => setting.name === name)) continue;
    if (KUBERNETES_LINK.test(`${name}=${env[name]}`)) continue;
    complaints.push(unknown(name, "name"));
  }
  if (complaints.length > 0) throw new ConfigError(complaints);
  return Object.freeze(draft as Config);
}

/** What Kubernetes puts into every pod for a service that is called "chat"; its `CHAT_PORT` is an address, never a number. */
const KUBERNETES_LINK = /^CHAT_(?:SERVICE_(?:HOST|PORT\w*)|PORT_\d+_(?:TCP|UDP)\w*)=|^CHAT_PORT=(?:tcp|udp):/;

/** What `--help` prints: every setting, its flag and its default, at most 100 columns wide. */
export function helpText(version: string): string {
  const usages = SETTINGS.map(({ flag, placeholder }) => flag ? `${flag} ${placeholder}` : "(no flag)");
  const usageWidth = Math.max(...usages.map((usage) => usage.length)) + 4;
  const margin = usageWidth + Math.max(...SETTINGS.map(({ name }) => name.length)) + 2;
  const lines = [`chat ${version}`, "", "Usage: chat [--flag value ...]"];
  for (const [index, setting] of SETTINGS.entries()) {
    if (setting.group !== SETTINGS[index - 1]?.group) lines.push("", `${setting.group}:`);
    const label = `  ${usages[index]}`.padEnd(usageWidth) + setting.name;
    const about = `${setting.about} (default: ${setting.default})`;
    const [first = "", ...more] = about.match(new RegExp(`\\S.{0,${99 - margin}}(?=\\s|$)`, "g")) ?? [];
    lines.push(label.padEnd(margin) + first, ...more.map((line) => " ".repeat(margin) + line));
  }
  return `${lines.join("\n")}

A flag overrides its variable; a secret has no flag, because any user of the machine can read those.
--help prints this text and --version the version.

Examples:
  chat
  CHAT_ENV=production SECRET_KEY_BASE=… chat --port 8080
`;
}

const MAKE_A_SECRET = "make one with `openssl rand -base64 48`";

/** The end of a complaint: says what would be right. */
class Unfit extends Error {
  override readonly name = "Unfit";
}

function unfit(message: string): never {
  throw new Unfit(message);
}

type Reading<T> = Pick<Row<T>, "about" | "parse"> & Partial<Pick<Row<T>, "absent" | "show" | "also">> & {
  secret?: true;
};

function row<T>(group: Setting["group"], name: string, placeholder: string, preset: string, how: Reading<T>): Row<T> {
  const { about, parse, absent = (env) => parse(preset, env), show = quote, secret, also } = how;
  const common = { group, name, placeholder, default: preset, about, parse, absent, ...(also ? { also } : {}) };
  if (secret) return Object.freeze({ ...common, show: () => "set (its value is not shown)" });
  return Object.freeze({ ...common, show, flag: `--${name.replace(/^CHAT_/, "").replaceAll("_", "-").toLowerCase()}` });
}

function oneOf<const T extends string>(...allowed: T[]): (text: string) => T {
  const wanted = new Intl.ListFormat("en", { type: "disjunction" }).format(allowed);
  return (text) => allowed.find((value) => value === text) ?? unfit(`must be ${wanted}`);
}

function matching(pattern: RegExp, wanted: string): (text: string) => string {
  return (text) => pattern.test(text) ? text : unfit(`must be ${wanted}`);
}

function integer(min: number, max: number): (text: string) => number {
  return number(/^\d+$/, "a whole number", min, max);
}

function seconds(min: number, max: number): (text: string) => number {
  const parse = number(/^\d+(?:\.\d+)?$/, "a number of seconds", min, max);
  return (text) => Math.round(parse(text) * 1_000);
}

function number(pattern: RegExp, what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = pattern.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : unfit(`must be ${what} from ${min} to ${max}`);
  };
}

function parseSecretKeyBase(text: string, env: Config["env"]): string {
  const bytes = new TextEncoder().encode(text).length;
  if (/-----BEGIN [\w ]*KEY-----/.test(text)) unfit("must be a random text, not a key in PEM; see CHAT_JWT_PUBLIC_KEY");
  if (bytes < 32) unfit(`must have at least 32 bytes, not ${bytes}; ${MAKE_A_SECRET}`);
  if (env === "production" && isWeak(text)) unfit(`is too easy to guess; ${MAKE_A_SECRET}`);
  return text;
}

/** Whether a secret has few distinct characters, repeats a short piece, or is made of the words of placeholders. */
function isWeak(secret: string): boolean {
  if (new Set(secret).size < 8) return true;
  for (let period = 1; period <= 16; period++) if (secret.startsWith(secret.slice(period))) return true;
  const words =
    /^(change|me|replace|please|your?|my|this|with|real|super|secret|key|base|pass|word|example|default|dev|test)+$/;
  return words.test(secret.toLowerCase().replace(/[^a-z]/g, ""));
}

/** The PEM text, also where a file holds it: it is read once, so that a wrong one is complained of with all else. */
function parseJwtPublicKey(text: string): string {
  const path = /^file:(?:\/\/(?=\/))?(.+)/s.exec(text)?.[1];
  try {
    const pem = path === undefined ? text : Deno.readTextFileSync(path);
    parsePublicKey(pem);
    return pem;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === "Error") unfit(error.message);
    unfit(`cannot be read (${error.name}); must be file: and a path below the working directory or /var/lib/chat`);
  }
}

function parseJwksUrl(text: string, env: Config["env"]): string {
  const url = URL.parse(text);
  const wanted = env === "production" ? "an https URL" : "an https URL, or an http URL of this machine";
  if (!url || !/^https?:$/.test(url.protocol)) unfit(`must be ${wanted}`);
  if (url.username !== "" || url.password !== "") unfit(`must be ${wanted} without a user and a password`);
  const loopback = /^(?:localhost|\[::1\]|127(?:\.\d+){3})$/.test(url.hostname);
  if (url.protocol === "http:" && (env === "production" || !loopback)) unfit(`must be ${wanted}`);
  return url.href;
}

function parseAlgorithms(text: string): readonly JwtAlgorithm[] {
  const known: readonly JwtAlgorithm[] = [...HMAC_ALGORITHMS, ...PUBLIC_ALGORITHMS];
  const names = new Set(parseList(text));
  const algorithms = known.filter((name) => names.has(name));
  if (names.size === 0 || algorithms.length < names.size) unfit(`must be of ${known.join(", ")}`);
  if (algorithms.some(isHmac) && !algorithms.every(isHmac)) {
    unfit("must be of one kind: HS256, HS384 and HS512 are of secrets, all others of public keys");
  }
  return algorithms;
}

function isHmac(algorithm: JwtAlgorithm): boolean {
  return HMAC_ALGORITHMS.some((name) => name === algorithm);
}

function parseAudience(text: string): readonly string[] {
  const names = parseList(text);
  return names.length > 0 ? names : unfit("must be one name or more, with commas between");
}

function parseTime(text: string): number {
  const [, day] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  // Of a day that the month does not have, Date makes one of the next.
  const exists = day !== undefined && new Date(`${day}T00:00Z`).toJSON()?.startsWith(day);
  const time = exists ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? unfit("must be a time such as 2027-01-31T12:00:00Z or 2027-01-31T12:00:00+01:00") : time;
}

function parseList(text: string): string[] {
  return text.split(",").map((entry) => entry.trim()).filter((entry) => entry !== "");
}

function parseOrigins(text: string): readonly string[] {
  const entries = parseList(text.toLowerCase());
  const wrong = entries.filter((entry) => entry !== "*" && !isOrigin(entry));
  if (wrong.length > 0) {
    unfit(`${wrong.map(quote).join(", ")} must be like *, https://a.b, http://a.b:8080, //a.b:888 or //*.a.b`);
  }
  return [...new Set(entries.map((entry) => entry.startsWith("http") ? new URL(entry).origin : entry))];
}

function isOrigin(entry: string): boolean {
  const host = String.raw`(?:[a-z\d](?:[a-z\d.-]*[a-z\d])?|\[[a-f\d:.]+\])(?::\d+)?`;
  return new RegExp(`^(?:https?://|//(?:\\*\\.)?)${host}$`).test(entry) && URL.canParse(entry, "http://base");
}

function parseStoreUrl(text: string, env: Config["env"]): string {
  if (!/^(?:memory:|sqlite:\s*\S|postgres(?:ql)?:\/\/\S)/.test(text)) {
    unfit("must be sqlite:PATH, postgres://USER:PASSWORD@HOST/NAME or memory:");
  }
  if (env === "production" && /^memory:|^sqlite::memory:/.test(text)) {
    unfit("would lose every message when the process ends; production needs sqlite:PATH or postgres://…");
  }
  return text;
}

/** The flags that are settings, each with its value, which is never empty; complains of every other argument. */
function readFlags(args: readonly string[], complaints: string[]): Map<string, string> {
  const flags = new Map<string, string>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, flag, inline] = /^(--?[^=-][^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    if (flag === undefined) {
      complaints.push(`${quote(arg)} is unexpected: every argument must be a flag and its value`);
      continue;
    }
    // Every flag has a value, so an unknown one takes its value along: that could be a secret.
    const value = inline ?? (rest[0]?.startsWith("--") ? undefined : rest.shift());
    if (!SETTINGS.some((setting) => setting.flag === flag)) complaints.push(unknown(flag, "flag"));
    else if (!value) complaints.push(`${flag} has no value: must be ${flag}=VALUE or ${flag} VALUE`);
    else flags.set(flag, value);
  }
  return flags;
}

function unknown(given: string, key: "name" | "flag"): string {
  const meant = nearest(given);
  if (meant === undefined) return `${quote(given)} is not a setting: chat --help lists them all`;
  if (meant[key] !== undefined) return `${quote(given)} is not a setting: did you mean ${meant[key]}?`;
  return `${quote(given)} is not a setting: the environment must hold this secret, as ${meant.name}`;
}

/** The setting whose variable or flag a mistyped one was meant to be. */
function nearest(name: string): Setting | undefined {
  const stem = stemOf(name);
  const ranked = SETTINGS.map((setting) => ({ setting, distance: levenshtein(stem, stemOf(setting.name)) }));
  const [best] = ranked.sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.min(3, Math.ceil(stem.length / 2)) ? best.setting : undefined;
}

function onOff(text: string): boolean {
  return oneOf("on", "off")(text) === "on";
}

/** What a variable and its flag have in common: `store_url` of `CHAT_STORE_URL` and `--store-url`. */
function stemOf(name: string): string {
  return name.toLowerCase().replaceAll("-", "_").replace(/^_*(?:chat_)?/, "");
}

function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, char] of Array.from(a).entries()) {
    const next = [i + 1];
    row.slice(1).forEach((above, j) => {
      next.push(Math.min(above + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (char === b[j] ? 0 : 1)));
    });
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** A text as a complaint shows it: short, printable, and without what could be the password of a URL. */
function quote(text: string): string {
  const shown = text.replace(/(:|\/\/).*@/s, "$1…@");
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 80)}…` : shown).replace(/\p{C}/gu, "�");
}
