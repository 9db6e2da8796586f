/**
 * The program run to its end, for what it does when it does not serve.
 *
 * @module
 */

import denoJson from "../../deno.json" with { type: "json" };

/** What a run left behind. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `main.ts` as `deno task start` does, allowed to write in `folder` only. */
export async function runProgram(folder: string, env: Record<string, string>, args: string[] = []): Promise<Run> {
  const flags = denoJson.tasks.start.command
    .replace(/^deno /, "").replace(/ main\.ts$/, "").replaceAll("'", "")
    .replace("--allow-write=data,/var/lib/chat", `--allow-write=${folder}`)
    .replace("--allow-read=.,/var/lib/chat", `--allow-read=.,${folder}`).split(" ");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...flags, "main.ts", ...args],
    cwd: new URL("../../", import.meta.url).pathname,
    env,
    stdin: "null",
    signal: AbortSignal.timeout(15_000),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
