/**
 * A small disk for one test.
 *
 * @module
 */

/** A file system in memory, unmounted and removed at the end of `using`. */
export class Tmpfs implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "chat-disk-" });

  constructor(size: string) {
    mount("-t", "tmpfs", "-o", `size=${size}`, "none", this.path);
  }

  /** Mounts it again with other options, such as `ro`. */
  remount(options: string): void {
    mount("-o", `remount,${options}`, this.path);
  }

  [Symbol.dispose](): void {
    run("umount", "--lazy", this.path); // lazy: what a failed test left open must not leave the disk behind
    Deno.removeSync(this.path);
  }
}

/** Why this machine cannot mount one; undefined where it can. */
export const noTmpfs: string | undefined = (() => {
  try {
    using _disk = new Tmpfs("1m");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
})();

function mount(...args: string[]): void {
  run("mount", ...args);
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim().split("\n")[0]);
}
