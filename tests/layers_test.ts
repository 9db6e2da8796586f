import { assertEquals } from "@std/assert";

/** What each layer may import from `src/`: the architecture, as a table. A file of no folder is a layer of its own. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  errors: [],
  deadline: [],
  jwt_algorithms: [],
  jwt_settings: ["jwt_algorithms"],
  config: ["errors", "jwt_algorithms", "jwt_settings"],
  auth: ["errors", "deadline", "jwt_algorithms"],
  limit: ["errors", "deadline"],
  store: ["errors", "deadline"],
  pubsub: ["errors", "deadline"],
  telemetry: ["errors"],
  phoenix: ["errors", "auth"],
  chat: ["errors", "deadline", "auth", "limit", "store", "pubsub", "phoenix", "telemetry"],
  http: ["errors", "deadline", "auth", "limit", "store", "pubsub", "phoenix", "chat", "telemetry"],
};

/** The composition: may import everything. */
const COMPOSITION = ["service", "worker", "workers"];

/** Third-party code and where it belongs. */
const THIRD_PARTY: Record<string, RegExp> = {
  "hono": /^src\/http\//,
  "jose": /^src\/auth\//,
  "@logtape/logtape": /^src\/telemetry\//,
  "redis": /^src\/(limit|pubsub)\/redis_/,
  "@std/ulid": /^src\/store\//,
  "node:crypto": /^src\/(auth\/|store\/|jwt_algorithms\.ts$)/,
  "postgres": /^src\/store\/postgres_/,
  "node:sqlite": /^src\/store\/sqlite_/,
};

const root = new URL("../", import.meta.url).pathname;

function* sources(folder = "src"): Generator<string> {
  for (const entry of Deno.readDirSync(root + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

function layerOf(path: string): string {
  return path.split("/")[1]?.replace(/\.ts$/, "") ?? "";
}

interface Import {
  readonly from: string;
  readonly specifier: string;
}

function importsOf(path: string): Import[] {
  const text = Deno.readTextFileSync(root + path).replaceAll(/\/\*[^]*?\*\//g, "");
  const found = text.matchAll(/(?:from|import\(|new URL\()\s*"([^"]+)"/g);
  return [...found].map(([, specifier = ""]) => ({ from: path, specifier }));
}

const imports = [...sources()].flatMap(importsOf);

Deno.test("layers: a layer imports only what the architecture lets it", () => {
  const wrong = imports.filter(({ from, specifier }) => {
    if (!specifier.startsWith(".") || COMPOSITION.includes(layerOf(from))) return false;
    const to = new URL(specifier, `file:///${from}`).pathname.slice(1);
    const [layer, target] = [layerOf(from), layerOf(to)];
    return to.startsWith("src/") && target !== layer && !MAY_IMPORT[layer]?.includes(target) &&
      !to.startsWith("src/web/");
  });
  assertEquals(wrong, []);
});

Deno.test("layers: third-party code stays where it belongs", () => {
  const wrong = imports.filter(({ from, specifier }) => {
    if (specifier.startsWith(".")) return false;
    const [name] = Object.keys(THIRD_PARTY).filter((name) => specifier === name || specifier.startsWith(`${name}/`));
    return name === undefined || !THIRD_PARTY[name]?.test(from);
  });
  assertEquals(wrong, []);
});

Deno.test("layers: adapters are named only by what chooses them", () => {
  const chooses = /^src\/(store\/|pubsub\/|limit\/redis_|service\.ts)/;
  const wrong = imports.filter(({ from, specifier }) =>
    /\/(sqlite|memory|postgres|redis)_/.test(specifier) && !chooses.test(from)
  );
  assertEquals(wrong, []);
});

Deno.test("layers: every layer of the table exists", () => {
  const layers = new Set([...sources()].map(layerOf));
  assertEquals([...layers].filter((layer) => !COMPOSITION.includes(layer)).sort(), Object.keys(MAY_IMPORT).sort());
});

Deno.test("layers: only the process reads the environment and signals", () => {
  const wrong = [...sources()].filter((path) =>
    /Deno\.(env|addSignalListener|exit)\b/.test(Deno.readTextFileSync(root + path))
  );
  assertEquals(wrong, []);
});
