import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { runProgram } from "../support/program.ts";
import { ownPostgres } from "../store/support/own_postgres.ts";

const { test } = ownPostgres();

test("the start task may do all that Postgres needs, and reads nothing of PG* from its environment", async (server) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const folder = await Deno.makeTempDir({ prefix: "chat-start-" });
  try {
    const url = await server.newDatabase();
    const env = { PORT: String(taken.addr.port), CHAT_STORE_URL: url, PGPASSWORD: "wrong", PGHOST: "nowhere.invalid" };
    // It opens its store and then finds its port taken, which ends it.
    const { code, stderr, stdout } = await runProgram(folder, env);
    assertEquals(code, 69);
    assertStringIncludes(`${stdout}${stderr}`, String(taken.addr.port));
    assertFalse(/NotCapable|permission/i.test(stderr), stderr);
    const tables = "SELECT count(*) FROM chat_schema";
    assertEquals(await server.psql(new URL(url).pathname.slice(1), tables), "1\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("the start task says why it cannot use a database, without the password", async (server) => {
  const folder = await Deno.makeTempDir({ prefix: "chat-start-" });
  try {
    const url = server.url("nothing").replace(/:[^:@]*@/, ":hunter2@");
    const { code, stderr, stdout } = await runProgram(folder, { CHAT_STORE_URL: url });
    assertEquals(code, 69);
    assertStringIncludes(`${stdout}${stderr}`, "refuses this user or password");
    assertFalse(`${stdout}${stderr}`.includes("hunter2"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
