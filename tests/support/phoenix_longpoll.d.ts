/** What phoenix.js exports for long polling. */

export class LongPoll {
  constructor(endPoint: string);
}
