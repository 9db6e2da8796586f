/**
 * How the instances of one chat talk to each other.
 *
 * @module
 */

/** Takes a message of another instance; `from` is that instance's name. It does not throw: where it does, the bus goes on without it. */
export type Receive = (message: string, from: string) => void;

/** Where something may have been missed: on these topics, or anywhere. */
export type GapTopics = readonly string[] | "all";

/** What a bus has counted since it was opened. */
export interface BusStats {
  /** Posts handed to the network; one holds all messages of a turn. */
  posts: number;
  /** Messages handed to receivers. */
  received: number;
  /** Holes found in the numbers of a sender, and returns of the link. */
  gaps: number;
  /** Messages given up before they left: the link was down, its buffer full, or the message too large. */
  dropped: number;
  /** Posts that came and were no posts of an instance of this version, or came twice. */
  ignored: number;
}

/**
 * Carries messages between instances, at most once: it may lose them, and then says so by {@linkcode Bus.onGap}. What matters is in the store.
 *
 * The messages of one sender on one topic arrive in the order in which they were published; nothing else is promised of order.
 */
export interface Bus extends AsyncDisposable {
  /** This instance's name on the bus. */
  readonly instance: string;
  /** False while messages may not get through; it heals by itself. */
  readonly healthy: boolean;
  readonly stats: Readonly<BusStats>;

  /**
   * Hands the messages on a topic to `receive`, which replaces an earlier one.
   *
   * Resolves when it is active, and where the link is down at once: then a gap is told when it is back. Never rejects.
   */
  subscribe(topic: string, receive: Receive): Promise<void>;

  /** Ends a subscription, from this moment on; does nothing where there is none. Never rejects. */
  unsubscribe(topic: string): Promise<void>;

  /**
   * Sends a message to every other instance that has subscribed to the topic, never to this one.
   *
   * Everything published in one turn of the event loop travels together. Never throws and never waits: what cannot be sent is dropped and counted,
   * and the others are told of a gap as soon as they can be.
   */
  publish(topic: string, message: string): void;

  /**
   * Hears that something may have been missed: a numbered post of some sender did not come, or the link was down and is back.
   *
   * One handler, which replaces an earlier one. Messages that are behind the hole follow after it was told.
   */
  onGap(handle: (topics: GapTopics) => void): void;

  /** Resolves where messages get through; rejects with `unavailable`, within seconds. */
  ping(): Promise<void>;
}

/** Starts to count. */
export function newStats(): BusStats {
  return { posts: 0, received: 0, gaps: 0, dropped: 0, ignored: 0 };
}
