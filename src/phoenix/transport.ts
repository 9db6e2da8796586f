/**
 * What a connection speaks through.
 *
 * @module
 */

/** What carries frames to and from one client. */
export interface Transport {
  /** Takes a frame for the client; drops it where the client is gone. Never throws, never waits. */
  send(data: string | Uint8Array<ArrayBuffer>): void;
  /** Ends the transport; `code` is a WebSocket close code and never 1000, after which phoenix.js up to 1.8.15 stays away. */
  close(code: number, reason: string): void;
}
