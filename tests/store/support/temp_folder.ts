/**
 * A folder for the files of one test.
 *
 * @module
 */

/** Removed with what is in it at the end of `using`. */
export class TempFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "chat-store-" });

  /** The database of the test. */
  get database(): string {
    return `${this.path}/chat.db`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
