/**
 * Requests and whoever waits for their answers: at most so many, each for a bounded time. One that is made while there
 * is no connection waits for the next one. Decided against sending a request again after a break: it may have been
 * stored, and only the program knows whether twice is harmless.
 */

import type { Clock } from "./clock.js";
import type { Effect } from "./effects.js";
import { NoAnswer, TocsinError } from "./errors.js";
import type { Answer, Request, RequestId } from "./messages.js";

// Far more than a person causes, and about 10 MB at most with the largest of them.
export const REQUESTS_MAX = 256;

interface Waiting {
  request: Request;
  resolve(answer: Answer): void;
  reject(fault: TocsinError): void;
  cancel(): void;
  id?: RequestId;
}

/** How a request gets out: its id and what is to be done; undefined while there is no connection. */
export type Send = (request: Request) => { id: RequestId; effects: Effect[] } | undefined;

export class Requests {
  private readonly all = new Set<Waiting>();

  constructor(
    private readonly clock: Clock,
    private readonly withinMs: number,
    private readonly send: Send,
    private readonly perform: (effects: Effect[]) => void,
    private readonly forget: (id: RequestId) => void,
  ) {}

  get size(): number {
    return this.all.size;
  }

  /** The server's answer. Rejects with the error that it gave, NoAnswer, or that the connection broke. */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.all.size >= REQUESTS_MAX) {
        return reject(new TocsinError(`${REQUESTS_MAX} requests wait for their answers: send fewer at once`, 0, true));
      }
      const waiting: Waiting = { request, resolve, reject, cancel: () => {} };
      waiting.cancel = this.clock.after(this.withinMs, () => this.late(waiting));
      this.all.add(waiting);
      this.push(waiting);
    });
  }

  /** There is a connection: what waited for it is sent, in order. */
  ready(): void {
    for (const waiting of this.all) if (waiting.id === undefined) this.push(waiting);
  }

  answer(id: RequestId, answer: Answer | TocsinError): void {
    const waiting = [...this.all].find((one) => one.id === id);
    if (waiting) this.settle(waiting, answer);
  }

  /** No more connections will come. */
  end(fault: TocsinError): void {
    for (const waiting of this.all) this.settle(waiting, fault);
  }

  private push(waiting: Waiting): void {
    const sent = this.send(waiting.request);
    if (!sent) return;
    waiting.id = sent.id;
    this.perform(sent.effects);
  }

  private late(waiting: Waiting): void {
    const told =
      waiting.id === undefined
        ? "nothing was sent, there is no connection"
        : "it may have been stored; send the same again";
    if (waiting.id !== undefined) this.forget(waiting.id);
    this.settle(waiting, new NoAnswer(`no answer within ${this.withinMs / 1e3} s: ${told}`));
  }

  private settle(waiting: Waiting, answer: Answer | TocsinError): void {
    this.all.delete(waiting);
    waiting.cancel();
    if (answer instanceof TocsinError) waiting.reject(answer);
    else waiting.resolve(answer);
  }
}
