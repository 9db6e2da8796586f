/**
 * The key set of an identity provider, on a real port, as good or as bad as a test wants it.
 *
 * @module
 */

import type { JWK } from "jose";

/** How a {@linkcode KeyServer} answers. */
export type Answering = (request: Request) => Response | Promise<Response>;

/** Serves a key set; `await using` ends it, and with it what still hangs. */
export class KeyServer implements AsyncDisposable {
  /** How often it was asked. */
  requests = 0;
  /** Replaces the answer. */
  answer: Answering;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = Promise.withResolvers<void>();

  constructor(...keys: readonly JWK[]) {
    this.answer = () => Response.json({ keys });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      this.requests++;
      return await this.answer(request);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/keys`;
  }

  /** Has these keys from now on. */
  rotate(...keys: readonly JWK[]): void {
    this.answer = () => Response.json({ keys });
  }

  /** Answers with nothing, as long as it lives. */
  hang(): void {
    this.answer = async () => {
      await this.#end.promise;
      return new Response();
    };
  }

  /** Sends half of an answer and never the rest. */
  stall(): void {
    this.answer = () =>
      new Response(
        new ReadableStream({
          start: async (controller) => {
            controller.enqueue(new TextEncoder().encode('{"keys":['));
            await this.#end.promise;
            controller.close();
          },
        }),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.resolve();
    await this.#server.shutdown();
  }
}
