import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { type Config, ConfigError, helpText, loadConfig, SETTINGS } from "../src/config.ts";
import { newKeys } from "./support/key_pair.ts";

const STRONG = "kX9mQ2vR7tY4wZ1pL8nB5cD3fG6hJ0sA/Ue+iOxM=";

const [RSA, EC] = await Promise.all([newKeys("RS256"), newKeys("ES256")]);
const RSA_PEM = RSA.publicPem;

/** The complaints of settings that cannot be used. */
function complaintsOf(env: Record<string, string>, args: string[] = []): readonly string[] {
  return assertThrows(() => loadConfig(env, args), ConfigError).complaints;
}

/** The one complaint of settings that are otherwise right. */
function complaintOf(env: Record<string, string>, args: string[] = []): string {
  const complaints = complaintsOf(env, args);
  assertEquals(complaints.length, 1, complaints.join("\n"));
  return complaints.join();
}

function production(env: Record<string, string> = {}): Record<string, string> {
  return { CHAT_ENV: "production", SECRET_KEY_BASE: STRONG, ...env };
}

Deno.test("loadConfig() falls back to the defaults of development", () => {
  assertEquals<Config>(loadConfig({}), {
    env: "development",
    host: "127.0.0.1",
    port: 4_000,
    logLevel: "info",
    drainTimeoutMs: 25_000,
    signingSalt: "chat",
    jwtLeewayMs: 5_000,
    allowedOrigins: [],
    storeUrl: "sqlite:data/chat.db",
    busUrl: "local:",
    workers: 1,
    sqliteSynchronous: "full",
    adHocChannels: true,
    maxFrameBytes: 65_536,
    maxTopics: 250,
    maxSockets: 20_000,
    sendBufferBytes: 1_048_576,
    idleTimeoutMs: 60_000,
    maxBatchBytes: 1_048_576,
    loginFailures: 120,
    presenceList: 200,
    closeRefusedJoins: true,
    drainWindowMs: 10_000,
  });
});

Deno.test("loadConfig() leaves out what is optional and not set", () => {
  const config = loadConfig({});
  assertFalse("secretKeyBase" in config);
  assertFalse("nodeName" in config);
});

Deno.test("loadConfig() reads every variable", () => {
  const env = {
    CHAT_ENV: "production",
    HOST: "::1",
    PORT: "0",
    CHAT_NODE_NAME: "chat-1@eu_west.a",
    CHAT_LOG_LEVEL: "warning",
    CHAT_DRAIN_TIMEOUT: "0",
    SECRET_KEY_BASE: STRONG,
    SIGNING_SALT: "pepper",
    CHAT_JWT_SECRET: `${STRONG}x`,
    CHAT_JWT_ALGORITHMS: "HS256",
    CHAT_JWT_ISSUER: "https://id.example",
    CHAT_JWT_AUDIENCE: "chat, chat-2",
    CHAT_JWT_LEEWAY: "60",
    CHAT_JWT_PREVIOUS_SECRET: `${STRONG}y`,
    CHAT_JWT_PREVIOUS_UNTIL: "2027-01-31T12:00:00+01:00",
    CHAT_ALLOWED_ORIGINS: "https://a.b",
    CHAT_STORE_URL: "sqlite:/var/lib/chat/chat.db",
    CHAT_SQLITE_SYNCHRONOUS: "normal",
    CHAT_BUS_URL: "rediss://user:pass@redis.example:6380/0",
    CHAT_WORKERS: "3",
    CHAT_AD_HOC_CHANNELS: "off",
    CHAT_MAX_FRAME_BYTES: "1024",
    CHAT_MAX_TOPICS: "1",
    CHAT_MAX_SOCKETS: "1000000",
    CHAT_SEND_BUFFER_BYTES: "67108864",
    CHAT_IDLE_TIMEOUT: "3600",
    CHAT_MAX_BATCH_BYTES: "2048",
    CHAT_LOGIN_FAILURES: "0",
    CHAT_PRESENCE_LIST: "10",
    CHAT_CLOSE_REFUSED_JOINS: "off",
    CHAT_DRAIN_WINDOW: "1",
  };
  const instead = ["CHAT_JWT_PUBLIC_KEY", "CHAT_JWT_JWKS_URL"];
  assertEquals([...Object.keys(env), ...instead].toSorted(), SETTINGS.map(({ name }) => name).toSorted());
  assertEquals(loadConfig(production({ CHAT_JWT_PUBLIC_KEY: RSA_PEM })).jwtPublicKey, RSA_PEM);
  assertEquals(loadConfig(production({ CHAT_JWT_JWKS_URL: "https://a.b/c" })).jwtJwksUrl, "https://a.b/c");
  assertEquals<Config>(loadConfig(env), {
    env: "production",
    host: "::1",
    port: 0,
    nodeName: "chat-1@eu_west.a",
    logLevel: "warning",
    drainTimeoutMs: 0,
    secretKeyBase: STRONG,
    signingSalt: "pepper",
    jwtSecret: `${STRONG}x`,
    jwtAlgorithms: ["HS256"],
    jwtIssuer: "https://id.example",
    jwtAudience: ["chat", "chat-2"],
    jwtLeewayMs: 60_000,
    jwtPreviousSecret: `${STRONG}y`,
    jwtPreviousUntil: Date.UTC(2027, 0, 31, 11),
    allowedOrigins: ["https://a.b"],
    storeUrl: "sqlite:/var/lib/chat/chat.db",
    busUrl: "rediss://user:pass@redis.example:6380/0",
    workers: 3,
    sqliteSynchronous: "normal",
    adHocChannels: false,
    maxFrameBytes: 1_024,
    maxTopics: 1,
    maxSockets: 1_000_000,
    sendBufferBytes: 67_108_864,
    idleTimeoutMs: 3_600_000,
    maxBatchBytes: 2_048,
    loginFailures: 0,
    presenceList: 10,
    closeRefusedJoins: false,
    drainWindowMs: 1_000,
  });
});

Deno.test("loadConfig() takes an empty variable for one that is not set", () => {
  const config = loadConfig({
    PORT: "",
    CHAT_ENV: "",
    SECRET_KEY_BASE: "",
    CHAT_ALLOWED_ORIGINS: "",
    CHAT_UNKNOWN: "",
  });
  assertEquals(config, loadConfig({}));
});

Deno.test("loadConfig() ignores the variables of others", () => {
  assertEquals(loadConfig({ PATH: "/bin", CHATTER: "1", chat_env: "x" }), loadConfig({}));
});

Deno.test("loadConfig() prefers a flag to its variable", () => {
  assertEquals(loadConfig({ PORT: "8080" }, ["--port", "9090"]).port, 9_090);
});

Deno.test("loadConfig() does not complain of a variable that a flag overrides", () => {
  assertEquals(loadConfig({ PORT: "abc" }, ["--port", "9090"]).port, 9_090);
});

Deno.test("loadConfig() takes a flag's value after a blank or an equals sign", () => {
  const config = loadConfig({}, ["--store-url=sqlite:a=b.db", "--ad-hoc-channels", "off"]);
  assertEquals([config.storeUrl, config.adHocChannels], ["sqlite:a=b.db", false]);
});

Deno.test("loadConfig() takes the last of a repeated flag", () => {
  assertEquals(loadConfig({}, ["--port", "1", "--port", "2"]).port, 2);
});

Deno.test("loadConfig() applies the rules of an environment given as a flag", () => {
  assertEquals(loadConfig({ SECRET_KEY_BASE: STRONG }, ["--env", "production"]).host, "0.0.0.0");
});

Deno.test("loadConfig() reads a timeout of decimal seconds", () => {
  assertEquals(loadConfig({ CHAT_IDLE_TIMEOUT: "1.5" }).idleTimeoutMs, 1_500);
});

Deno.test("loadConfig() reads every form of an origin", () => {
  const origins = ["*", "https://a.b", "http://a.b:8080", "//a.b:888", "//*.a.b", "http://[::1]:4000"];
  assertEquals(loadConfig({ CHAT_ALLOWED_ORIGINS: origins.join(", ") }).allowedOrigins, origins);
});

Deno.test("loadConfig() writes origins as browsers do", () => {
  const given = "HTTPS://A.b:443,https://a.b,//A.B";
  assertEquals(loadConfig({ CHAT_ALLOWED_ORIGINS: given }).allowedOrigins, ["https://a.b", "//a.b"]);
});

Deno.test("loadConfig() returns a deeply frozen object", () => {
  for (const config of [loadConfig({}), loadConfig({ CHAT_ALLOWED_ORIGINS: "*" })]) {
    assert(Object.isFrozen(config));
    assert(Object.values(config).every((value) => Object.isFrozen(value)));
  }
});

Deno.test("loadConfig() makes every complaint at once", () => {
  const env = { PORT: "abc", CHAT_ENV: "prod", CHAT_MAX_TOPICS: "0", CHAT_FOO_BAR_BAZ: "1", SECRET_KEY_BASE: "short" };
  const subjects = complaintsOf(env, ["serve", "--log-level", "loud", "--prot", "80", "--host"])
    .map((complaint) => complaint.split(" ")[0]);
  assertEquals(subjects, [
    '"serve"',
    '"--prot"',
    "--host",
    "CHAT_ENV",
    "PORT",
    "CHAT_LOG_LEVEL",
    "SECRET_KEY_BASE",
    "CHAT_MAX_TOPICS",
    '"CHAT_FOO_BAR_BAZ"',
  ]);
});

Deno.test("ConfigError lists its complaints in its message and freezes them", () => {
  const error = new ConfigError(["PORT is wrong", "HOST is wrong"]);
  assertEquals(error.message, "Cannot use these settings:\n  PORT is wrong\n  HOST is wrong");
  assert(Object.isFrozen(error.complaints));
});

Deno.test("loadConfig() says which variable is wrong, what it is and what would be right", () => {
  assertEquals(complaintOf({ PORT: "abc" }), 'PORT is "abc": must be a whole number from 0 to 65535');
});

Deno.test("loadConfig() says which flag is wrong", () => {
  assertEquals(complaintOf({}, ["--port=-1"]), 'PORT (--port) is "-1": must be a whole number from 0 to 65535');
});

for (
  const [name, ...values] of [
    ["CHAT_ENV", "prod", "Production"],
    ["HOST", "a b", "http://a.b", "127.0.0.1:4000", "[::1]"],
    ["PORT", "-1", "65536", "1.5", "1e3", "0x10", " 80", "80\n"],
    ["CHAT_NODE_NAME", "a b", "ä", "a/b", "a".repeat(65)],
    ["CHAT_LOG_LEVEL", "warn", "INFO"],
    ["CHAT_DRAIN_TIMEOUT", "301", "25s", "-1", "Infinity"],
    [
      "CHAT_ALLOWED_ORIGINS",
      "a.b",
      "https://a.b/",
      "https://*.a.b",
      "ftp://a.b",
      "//",
      "https://a.b:99999",
      "https://a.b,x",
    ],
    ["CHAT_JWT_PUBLIC_KEY", "abc", "file:", "file:/nowhere/at/all", `file:${import.meta.dirname}`],
    [
      "CHAT_JWT_JWKS_URL",
      "a.b",
      "ftp://a.b/",
      "file:///etc/keys",
      "http://a.b/keys",
      "http://127.0.0.1.a.b/",
      "http://10.0.0.1/",
      "https://u:p@a.b/",
      "https://u@a.b/",
    ],
    ["CHAT_JWT_ALGORITHMS", ",", "none", "hs256", "HS256,none", "RS256,HS256", "ES256K", "RS256 ES256"],
    ["CHAT_JWT_AUDIENCE", ",", " , "],
    ["CHAT_JWT_LEEWAY", "61", "-1", "5s"],
    [
      "CHAT_JWT_PREVIOUS_UNTIL",
      "2027-01-31",
      "2027-01-31T12:00",
      "2027-02-30T12:00Z",
      "2027-13-01T12:00Z",
      "2027-01-31T25:00Z",
      "31.1.2027",
      "tomorrow",
      "1801389600",
    ],
    ["CHAT_BUS_URL", "redis", "http://a.b", "redis://", "redis+x://a"],
    ["CHAT_WORKERS", "0", "257", "many"],
    [
      "CHAT_STORE_URL",
      "data/chat.db",
      "sqlite:",
      "sqlite: ",
      "mysql://a.b/c",
      "SQLITE",
      "postgres:",
      "POSTGRES://h/db",
    ],
    ["CHAT_SQLITE_SYNCHRONOUS", "off"],
    ["CHAT_AD_HOC_CHANNELS", "true", "1"],
    ["CHAT_MAX_FRAME_BYTES", "1023", "1048577", "64k"],
    ["CHAT_MAX_TOPICS", "0", "10001"],
    ["CHAT_MAX_SOCKETS", "0", "1000001"],
    ["CHAT_SEND_BUFFER_BYTES", "65535", "67108865"],
    ["CHAT_IDLE_TIMEOUT", "0.999", "3600.001", "60s", "-5"],
  ] as [string, ...string[]][]
) {
  Deno.test(`loadConfig() rejects a ${name} that is not right`, () => {
    for (const value of values) {
      assertMatch(complaintOf({ [name]: value }), new RegExp(`^${name} is (?:"|set).+: .*must be `, "s"));
    }
  });
}

Deno.test("loadConfig() names each origin that is not right", () => {
  const complaint = complaintOf({ CHAT_ALLOWED_ORIGINS: "https://a.b,c.d,//e.f/" });
  assertStringIncludes(complaint, ': "c.d", "//e.f/" must be like ');
});

Deno.test("loadConfig() takes DATABASE_URL and REDIS_URL where its own names are not set", () => {
  const given = { DATABASE_URL: "postgres://h/db", REDIS_URL: "redis://h" };
  const { storeUrl, busUrl } = loadConfig(given);
  assertEquals([storeUrl, busUrl], ["postgres://h/db", "redis://h"]);
  const own = loadConfig({ ...given, CHAT_STORE_URL: "sqlite:a", CHAT_BUS_URL: "local:" });
  assertEquals([own.storeUrl, own.busUrl], ["sqlite:a", "local:"]);
  assertStringIncludes(complaintOf({ REDIS_URL: "http://user:secret@h" }), "REDIS_URL is ");
});

Deno.test("loadConfig() refuses several workers with messages in memory", () => {
  assertStringIncludes(complaintOf({ CHAT_WORKERS: "2", CHAT_STORE_URL: "memory:" }), "in memory");
  assertEquals(loadConfig({ CHAT_WORKERS: "2" }).workers, 2);
});

Deno.test("loadConfig() takes the URL of a Postgres database, in production too", () => {
  for (const url of ["postgres://u:p@h/db", "postgresql://u:p@h:5432/db?schema=chat"]) {
    assertEquals(loadConfig(production({ CHAT_STORE_URL: url })).storeUrl, url);
  }
});

Deno.test("loadConfig() suggests the variable that a mistyped one was meant to be", () => {
  for (
    const [given, meant] of [
      ["CHAT_STORE_ULR", "CHAT_STORE_URL"],
      ["CHAT_LOGLEVEL", "CHAT_LOG_LEVEL"],
      ["CHAT_PORT", "PORT"],
      ["CHAT_SECRET_KEY_BASE", "SECRET_KEY_BASE"],
    ] as const
  ) assertEquals(complaintOf({ [given]: "x" }), `"${given}" is not a setting: did you mean ${meant}?`);
});

Deno.test("loadConfig() suggests nothing for a variable that is like no other", () => {
  assertEquals(
    complaintOf({ CHAT_HISTORY_LIMIT: "1" }),
    '"CHAT_HISTORY_LIMIT" is not a setting: chat --help lists them all',
  );
});

Deno.test("loadConfig() suggests the flag that a mistyped one was meant to be", () => {
  for (const given of ["--stor-url", "--store_url", "--chat-store-url", "-store-url", "--Store-Url"]) {
    assertEquals(complaintOf({}, [given, "x"]), `"${given}" is not a setting: did you mean --store-url?`);
  }
});

Deno.test("loadConfig() suggests nothing for a flag that is like no other", () => {
  assertEquals(complaintOf({}, ["--colour=red"]), '"--colour" is not a setting: chat --help lists them all');
});

Deno.test("loadConfig() takes --help and --version for unknown flags", () => {
  assertEquals(complaintsOf({}, ["--help", "--version"]).length, 2);
});

Deno.test("loadConfig() complains of an argument that is no flag", () => {
  for (const arg of ["serve", "-", "--", "", "--=x"]) {
    assertStringIncludes(complaintOf({}, [arg]), `${JSON.stringify(arg)} is unexpected`);
  }
});

Deno.test("loadConfig() complains of a flag without a value", () => {
  for (const args of [["--host"], ["--host="], ["--host", ""], ["--host", "--port", "80"]]) {
    assertEquals(complaintOf({}, args), "--host has no value: must be --host=VALUE or --host VALUE");
  }
});

Deno.test("loadConfig() takes no secret from a flag, and says where it belongs", () => {
  for (const args of [["--secret-key-base", STRONG], [`--secret-key-base=${STRONG}`], ["--secret-key-bse", STRONG]]) {
    const complaint = complaintOf({}, args);
    assertStringIncludes(complaint, "the environment must hold this secret, as SECRET_KEY_BASE");
    assertFalse(complaint.includes(STRONG));
  }
});

Deno.test("loadConfig() never shows a secret", () => {
  for (const secret of ["hunter2", "hunter2".repeat(6)]) {
    assertFalse(complaintOf(production({ SECRET_KEY_BASE: secret })).includes("hunter2"));
  }
});

Deno.test("loadConfig() never shows the value of an unknown variable", () => {
  assertFalse(complaintOf({ CHAT_SECRET_KEY_BASE: "hunter2" }).includes("hunter2"));
});

Deno.test("loadConfig() never shows the password of a URL", () => {
  for (
    const url of [
      "mysql://u:hunter2@h/db",
      "POSTGRES://h/db?password=hunter2",
      "redis://u:hunter2",
      "x://u:/@hunter2@h",
    ]
  ) {
    assertFalse(complaintOf({ CHAT_STORE_URL: url }).includes("hunter2"));
  }
  for (
    const args of [["postgres://u:hunter2@h/db"], ["--host=http://u:hunter2@h"], [
      "--allowed-origins=https://u:hunter2@h",
    ]]
  ) {
    assertFalse(complaintOf({}, args).includes("hunter2"));
  }
});

Deno.test("loadConfig() shows a value shortened and printable", () => {
  const complaint = complaintOf({ PORT: `\x1b[31m\x9b\u202e${"9".repeat(1_000)}` });
  assertMatch(complaint, /^\P{C}{1,200}$/u);
});

Deno.test("loadConfig() listens on every address in production", () => {
  assertEquals(loadConfig(production()).host, "0.0.0.0");
});

Deno.test("loadConfig() requires a secret in production, and says how to make one", () => {
  const complaint = complaintOf({ CHAT_ENV: "production" });
  assertMatch(complaint, /^SECRET_KEY_BASE is not set: .*`openssl rand -base64 48`$/);
});

Deno.test("loadConfig() requires a secret of 32 bytes, in development too", () => {
  const secret = STRONG.slice(0, 32);
  for (const env of ["development", "production"]) {
    assertEquals(loadConfig({ CHAT_ENV: env, SECRET_KEY_BASE: secret }).secretKeyBase, secret);
    const complaint = complaintOf({ CHAT_ENV: env, SECRET_KEY_BASE: secret.slice(1) });
    assertMatch(complaint, /at least 32 bytes, not 31; .*`openssl rand -base64 48`$/);
  }
});

Deno.test("loadConfig() counts a secret in bytes", () => {
  assertEquals(loadConfig({ SECRET_KEY_BASE: "é".repeat(16) }).secretKeyBase, "é".repeat(16));
});

Deno.test("loadConfig() rejects a weak secret in production", () => {
  for (
    const secret of [
      "x".repeat(64),
      "abcdefg".repeat(8),
      "changeme".repeat(4),
      "password".repeat(5),
      "correcthorse".repeat(3),
      "1234567890".repeat(4).slice(0, 37),
      "please-change-me-this-secret-key-123",
      "Super_Secret_Key_Base_0123456789_0123",
    ]
  ) {
    const complaint = complaintOf(production({ SECRET_KEY_BASE: secret }));
    assertMatch(complaint, /too easy to guess; .*`openssl rand -base64 48`$/);
  }
});

Deno.test("loadConfig() takes a weak secret in development", () => {
  assertEquals(loadConfig({ SECRET_KEY_BASE: "x".repeat(32) }).secretKeyBase, "x".repeat(32));
});

Deno.test("loadConfig() takes random secrets in production", () => {
  for (let run = 0; run < 200; run++) {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    assertEquals(loadConfig(production({ SECRET_KEY_BASE: hex })).secretKeyBase, hex);
  }
});

Deno.test("loadConfig() rejects a store in memory in production", () => {
  for (const url of ["memory:", "sqlite::memory:"]) {
    assertStringIncludes(complaintOf(production({ CHAT_STORE_URL: url })), "lose every message");
  }
});

Deno.test("loadConfig() takes a store in memory in development", () => {
  assertEquals(loadConfig({ CHAT_STORE_URL: "memory:" }).storeUrl, "memory:");
});

Deno.test("loadConfig() holds CHAT_JWT_SECRET and the previous one to the rules of SECRET_KEY_BASE", () => {
  const until = { CHAT_JWT_PREVIOUS_UNTIL: "2027-01-31T12:00:00Z" };
  for (const name of ["CHAT_JWT_SECRET", "CHAT_JWT_PREVIOUS_SECRET"]) {
    for (
      const [secret, complaint] of [
        ["hunter2", /at least 32 bytes, not 7/],
        ["hunter2".repeat(6), /too easy to guess/],
        [RSA_PEM, /CHAT_JWT_PUBLIC_KEY/],
      ] as const
    ) {
      const found = complaintOf(production({ [name]: secret, ...(name === "CHAT_JWT_SECRET" ? {} : until) }));
      assertMatch(found, complaint);
      assert(found.startsWith(`${name} is set (its value is not shown): `));
    }
  }
});

Deno.test("loadConfig() takes a public key as text, with its line breaks written as \\n, and from a file", async () => {
  const written = RSA_PEM.trim().replaceAll("\n", "\\n");
  assertEquals(loadConfig({ CHAT_JWT_PUBLIC_KEY: written }).jwtPublicKey, written);
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, RSA_PEM);
  assertEquals(loadConfig({ CHAT_JWT_PUBLIC_KEY: `file:${path}` }).jwtPublicKey, RSA_PEM);
  assertEquals(loadConfig({ CHAT_JWT_PUBLIC_KEY: `file://${path}` }).jwtPublicKey, RSA_PEM);
  await Deno.remove(path);
});

Deno.test("loadConfig() refuses a private key for the public one, and never shows it", () => {
  const complaint = complaintOf({ CHAT_JWT_PUBLIC_KEY: RSA.privatePem });
  assertEquals(
    complaint,
    "CHAT_JWT_PUBLIC_KEY is set (its value is not shown): is a private key; must be the public one",
  );
});

Deno.test("loadConfig() takes a key set over http from this machine only, and not in production", () => {
  for (const url of ["http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]/keys", "https://a.b/keys"]) {
    assertEquals(loadConfig({ CHAT_JWT_JWKS_URL: url }).jwtJwksUrl, url);
    if (url.startsWith("https")) assertEquals(loadConfig(production({ CHAT_JWT_JWKS_URL: url })).jwtJwksUrl, url);
    else assertStringIncludes(complaintOf(production({ CHAT_JWT_JWKS_URL: url })), "must be an https URL");
  }
});

Deno.test("loadConfig() never shows the query of a key set's URL", () => {
  assertFalse(complaintOf({ CHAT_JWT_JWKS_URL: "http://a.b/?key=hunter2" }).includes("hunter2"));
});

const LATER = "2027-01-31T12:00:00Z";
for (
  const [what, env, complaint] of [
    [
      "two keys",
      { CHAT_JWT_SECRET: STRONG, CHAT_JWT_PUBLIC_KEY: RSA_PEM },
      /^CHAT_JWT_SECRET and CHAT_JWT_PUBLIC_KEY are/,
    ],
    ["a key and a set", { CHAT_JWT_PUBLIC_KEY: RSA_PEM, CHAT_JWT_JWKS_URL: "https://a.b" }, /_KEY and .*_URL are set/],
    ["RS256 with a secret", { CHAT_JWT_ALGORITHMS: "RS256" }, /ALGORITHMS holds RS256: .*SECRET_KEY_BASE/],
    ["HS256 with a public key", { CHAT_JWT_ALGORITHMS: "HS256", CHAT_JWT_PUBLIC_KEY: RSA_PEM }, /holds HS256: .*RS256/],
    [
      "RS256 with an EC key",
      { CHAT_JWT_ALGORITHMS: "RS256,ES256", CHAT_JWT_PUBLIC_KEY: EC.publicPem },
      /holds RS256: /,
    ],
    ["ES384 with a P-256 key", { CHAT_JWT_ALGORITHMS: "ES384", CHAT_JWT_PUBLIC_KEY: EC.publicPem }, /holds ES384: /],
    ["HS512 with a set", { CHAT_JWT_ALGORITHMS: "HS512", CHAT_JWT_JWKS_URL: "https://a.b" }, /holds HS512: /],
    ["HS512 with a short secret", { CHAT_JWT_ALGORITHMS: "HS512" }, /^SECRET_KEY_BASE has 41 bytes: .* needs 64$/],
    ["a previous secret for ever", { CHAT_JWT_PREVIOUS_SECRET: `${STRONG}x` }, /SECRET is set without .*_UNTIL/],
    ["an end of no previous secret", { CHAT_JWT_PREVIOUS_UNTIL: LATER }, /UNTIL is set without .*_SECRET/],
    [
      "the same secret before",
      { CHAT_JWT_PREVIOUS_SECRET: STRONG, CHAT_JWT_PREVIOUS_UNTIL: LATER },
      /is the same as SECRET_KEY_BASE/,
    ],
    [
      "a previous secret with a public key",
      { CHAT_JWT_PREVIOUS_SECRET: `${STRONG}x`, CHAT_JWT_PREVIOUS_UNTIL: LATER, CHAT_JWT_PUBLIC_KEY: RSA_PEM },
      /checked with CHAT_JWT_PUBLIC_KEY/,
    ],
  ] as [string, Record<string, string>, RegExp][]
) {
  Deno.test(`loadConfig() complains of ${what}`, () => {
    const found = complaintOf(production(env));
    assertMatch(found, complaint);
    assertFalse(found.includes(STRONG));
  });
}

Deno.test("loadConfig() complains of rules for tokens that nothing checks", () => {
  const env = { CHAT_JWT_ALGORITHMS: "HS256", CHAT_JWT_ISSUER: "a", CHAT_JWT_AUDIENCE: "b" };
  const complaints = complaintsOf(env);
  assertEquals(complaints.map((complaint) => complaint.split(" ")[0]), Object.keys(env));
  for (const complaint of complaints) assertStringIncludes(complaint, "no token is checked");
});

Deno.test("loadConfig() makes one complaint of one wrong key", () => {
  for (const name of ["CHAT_JWT_PUBLIC_KEY", "CHAT_JWT_JWKS_URL", "CHAT_JWT_SECRET"]) {
    complaintOf(production({ [name]: "wrong", CHAT_JWT_ISSUER: "a" }));
  }
});

Deno.test("SETTINGS gives every setting a flag but the secrets", () => {
  const flags = new Map(SETTINGS.map(({ name, flag }) => [name, flag]));
  assertEquals([flags.get("PORT"), flags.get("CHAT_STORE_URL")], ["--port", "--store-url"]);
  const secrets = SETTINGS.filter(({ flag }) => flag === undefined).map(({ name }) => name);
  assertEquals(secrets, ["SECRET_KEY_BASE", "SIGNING_SALT", "CHAT_JWT_SECRET", "CHAT_JWT_PREVIOUS_SECRET"]);
});

Deno.test("SETTINGS is deeply frozen", () => {
  assert(Object.isFrozen(SETTINGS) && SETTINGS.every((setting) => Object.isFrozen(setting)));
});

Deno.test("helpText() names every setting, its flag and its default", () => {
  const words = helpText("1.2.3").split(/\s+/).join(" ");
  for (const { name, flag, placeholder, about, default: preset } of SETTINGS) {
    assertStringIncludes(words, flag ? `${flag} ${placeholder} ${name} ` : `(no flag) ${name} `);
    assertStringIncludes(words, `${about} (default: ${preset})`);
  }
});

Deno.test("helpText() stays within 100 columns", () => {
  for (const line of helpText("1.2.3").split("\n")) assert([...line].length <= 100, line);
});

Deno.test("helpText() says the version and the usage first and ends with the examples", () => {
  const text = helpText("1.2.3");
  assert(text.startsWith("chat 1.2.3\n\nUsage: chat [--flag value ...]\n"));
  assert(text.endsWith("\n  chat\n  CHAT_ENV=production SECRET_KEY_BASE=… chat --port 8080\n"));
});

Deno.test("helpText() has no colours and no trailing blanks", () => {
  const text = helpText("1.2.3");
  assertFalse(text.includes("\x1b") || / $/m.test(text));
});

Deno.test("loadConfig() lets the variables of a Kubernetes service called chat pass", () => {
  const env = {
    CHAT_SERVICE_HOST: "10.0.0.1",
    CHAT_SERVICE_PORT: "4000",
    CHAT_SERVICE_PORT_HTTP: "4000",
    CHAT_PORT: "tcp://10.0.0.1:4000",
    CHAT_PORT_4000_TCP: "tcp://10.0.0.1:4000",
    CHAT_PORT_4000_TCP_ADDR: "10.0.0.1",
  };
  assertEquals(loadConfig(env), loadConfig({}));
});

Deno.test("loadConfig() still complains of CHAT_PORT with a number", () => {
  assertThrows(() => loadConfig({ CHAT_PORT: "4000" }), ConfigError, "CHAT_PORT");
});
