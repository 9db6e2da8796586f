/**
 * Finds what a chat must never do in the record of what clients sent, were told and saw, as Jepsen's checkers do in small.
 *
 * @module
 */

/** A message as clients see it. */
export interface Message {
  readonly id: string;
  readonly channel_id: string;
  readonly user_id: string;
  readonly content: string;
  readonly timestamp: string;
  readonly seq: number;
  readonly version: number;
  readonly nonce?: string;
  readonly reply_to?: { readonly id: string };
  readonly deleted?: true;
}

/** What a join is answered with. */
export interface JoinReply {
  readonly messages: readonly Message[];
  readonly head_seq: number;
  readonly epoch: string;
}

/** What one client saw of a channel from a join to the end of that membership. */
export interface Stream {
  readonly client: string;
  /** Absent where a message came before the join was answered. */
  readonly reply: JoinReply | undefined;
  readonly live: Message[];
}

/** What the ok reply to a push says. */
export interface Ack {
  readonly id: string;
  readonly seq: number;
  readonly timestamp: string;
}

interface Sent {
  readonly userId: string;
  readonly content: string;
  /** The highest `seq` anyone had been told of when this was sent: its own must be above. */
  readonly after: number;
  ack?: Ack;
}

/** The record of one channel: every send once, by its content, and the reply it got. */
export class Ledger {
  readonly #sent = new Map<string, Sent>();
  readonly #findings: string[] = [];
  #highest = 0;
  #acknowledged = 0;

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Notes a send, before it is made. */
  send(userId: string, content: string): void {
    if (this.#sent.has(content)) throw new Error(`the test sends ${content} twice`);
    this.#sent.set(content, { userId, content, after: this.#highest });
  }

  /** Notes an ok reply; a send may be answered again only with the same. */
  acknowledge(content: string, { id, seq, timestamp }: Ack): void {
    const sent = this.#sent.get(content);
    if (!sent) throw new Error(`the test never sent ${content}`);
    const ack = { id, seq, timestamp };
    if (sent.ack && !same(sent.ack, ack)) {
      this.#findings.push(`${content}: acknowledged as ${show(sent.ack)}, then as ${show(ack)}`);
    }
    if (!sent.ack) this.#acknowledged++;
    sent.ack = ack;
    this.#highest = Math.max(this.#highest, seq);
  }

  /**
   * Compares the record with the channel's whole history and with what clients saw; returns everything that is wrong.
   *
   * Held: numbers are dense, ids ascend, time does not run backwards; what was acknowledged is stored once and as it was told; nothing is stored
   * that was not sent; each sender's order is kept, and what was acknowledged before something else was sent comes before it; each stream is a
   * piece of the history without hole, repeat or change.
   */
  findings(history: readonly Message[], streams: readonly Stream[]): string[] {
    return [
      ...this.#findings,
      ...disorder(history),
      ...this.#lost(history),
      ...this.#invented(history),
      ...this.#reordered(history),
      ...streams.flatMap((stream) => deviations(stream, history)),
    ];
  }

  #lost(history: readonly Message[]): string[] {
    const stored = Map.groupBy(history, ({ content }) => content);
    return [...this.#sent.values()].flatMap(({ content, ack }) => {
      const copies = stored.get(content) ?? [];
      if (copies.length > 1) return [`${content}: stored ${copies.length} times`];
      const [message] = copies;
      if (!ack) return [];
      if (!message) return [`${content}: acknowledged as ${show(ack)} and not stored`];
      const { id, seq, timestamp } = message;
      return same(ack, { id, seq, timestamp })
        ? []
        : [`${content}: acknowledged as ${show(ack)}, stored as ${show(message)}`];
    });
  }

  #invented(history: readonly Message[]): string[] {
    return history.flatMap(({ content, user_id }) => {
      const sent = this.#sent.get(content);
      if (!sent) return [`${content}: stored and never sent`];
      return sent.userId === user_id ? [] : [`${content}: sent by ${sent.userId}, stored as ${user_id}'s`];
    });
  }

  #reordered(history: readonly Message[]): string[] {
    const places = new Map(history.map(({ content, seq }) => [content, seq]));
    const last = new Map<string, number>();
    return [...this.#sent.values()].flatMap(({ userId, content, after }) => {
      const seq = places.get(content);
      if (seq === undefined) return [];
      const before = last.get(userId) ?? 0;
      last.set(userId, seq);
      if (seq < before) return [`${content}: stored as ${seq}, the sender's earlier one as ${before}`];
      return seq > after ? [] : [`${content}: stored as ${seq}, sent after ${after} was acknowledged`];
    });
  }
}

/** What is wrong with a history by itself. */
function disorder(history: readonly Message[]): string[] {
  return history.flatMap((message, index) => {
    const before = history[index - 1];
    const { seq, version, id, timestamp } = message;
    const wrong: string[] = [];
    if (seq !== index + 1) wrong.push(`${show(message)}: in place ${index + 1} of the history`);
    if (version !== seq) wrong.push(`${show(message)}: version ${version}`);
    if (before && id <= before.id) wrong.push(`${show(message)}: its id is not above ${before.id}`);
    if (before && timestamp < before.timestamp) wrong.push(`${show(message)}: older than ${show(before)}`);
    return wrong;
  });
}

/** Where a stream is no piece of the history, from the first message of its join reply to its last live one. */
function deviations({ client, reply, live }: Stream, history: readonly Message[]): string[] {
  if (!reply) return [`${client}: got ${live.map(show)} before its join was answered`];
  const wrong: string[] = [];
  const expect = (message: Message, seq: number) => {
    if (same(message, history[seq - 1])) return;
    wrong.push(`${client}: saw ${show(message)} in place ${seq}, where ${show(history[seq - 1])} is stored`);
  };
  const first = reply.head_seq - reply.messages.length + 1;
  reply.messages.forEach((message, index) => expect(message, first + index));
  live.forEach((message, index) => expect(message, reply.head_seq + 1 + index));
  return wrong.slice(0, 3); // a hole shifts everything behind it
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
