/** The part of phoenix.js that the tests use; the package has no types of its own. */

export interface SocketOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly reconnectAfterMs?: (tries: number) => number;
  readonly rejoinAfterMs?: (tries: number) => number;
  /** From 1.8 on; earlier versions do not know it. */
  readonly authToken?: string;
}

export interface PhoenixFrame {
  readonly join_ref: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

export class Socket {
  constructor(endPoint: string, options?: SocketOptions);
  connect(): void;
  disconnect(callback?: () => void): void;
  isConnected(): boolean;
  onOpen(callback: () => void): string;
  onClose(callback: (event: CloseEvent) => void): string;
  onError(callback: (error: unknown) => void): string;
  /** Every frame, also those that no channel object takes. */
  onMessage(callback: (frame: PhoenixFrame) => void): string;
  channel(topic: string, params?: object | (() => object)): Channel;
  /** Not for applications: stops the timers of a socket that is not coming back. */
  clearHeartbeats(): void;
}

export class Channel {
  /** Not for applications: phoenix.js lets it run on after `disconnect`. */
  readonly rejoinTimer: { reset(): void };
  onMessage: (event: string | null, payload: unknown) => unknown;
  join(): Push;
  leave(): Push;
  push(event: string, payload: object): Push;
}

export class Push {
  receive(status: "ok" | "error" | "timeout", callback: (response: Record<string, unknown>) => void): Push;
  /** Not for applications: stops the timer of a push that nobody waits for any more. */
  cancelTimeout(): void;
}
