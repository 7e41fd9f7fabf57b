/**
 * What is to be done, in order, until it is taken; and who waits: for the answer to a request, or for a channel's first
 * one. Pure. What the server's messages mean decides `Dialogue`.
 */

import { noCounts, type Counters, type Effect, type Told } from "./effects.js";
import type { TocsinError } from "./errors.js";
import type { Answer, ClientMessage, RequestId, Subscribed } from "./messages.js";

export class Outbox {
  readonly counters: Counters = noCounts();
  /** Without a connection nothing is sent; who waits is told all the same. */
  isOpen = false;
  /** Requests without an answer. */
  readonly pending = new Set<RequestId>();
  /** Channels whose first answer somebody waits for. */
  readonly subscribing = new Set<string>();
  private effects: Effect[] = [];

  /** Everything since the last time. */
  take(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }

  push(effect: Effect): void {
    this.effects.push(effect);
  }

  send(messages: readonly ClientMessage[]): void {
    if (this.isOpen) for (const message of messages) this.push({ do: "send", message });
  }

  tell<Word extends keyof Told>(word: Word, value: Told[Word]): void {
    this.push({ do: "tell", word, value } as Effect);
  }

  lost(channel: string, reason: string): void {
    this.counters.lost += 1;
    this.tell("lost", { channel, reason });
  }

  hangUp(reason: string, code?: number): void {
    this.push({ do: "hangUp", ended: { reason, code } });
  }

  answer(id: RequestId | undefined, answer: Answer | TocsinError): void {
    if (id !== undefined && this.pending.delete(id)) this.push({ do: "answer", id, answer });
  }

  grant(channel: string, answer: Subscribed | TocsinError): void {
    if (this.subscribing.delete(channel)) this.push({ do: "granted", channel, answer });
  }

  refuseRequests(fault: TocsinError): void {
    for (const id of this.pending) this.answer(id, fault);
  }

  refuseAll(fault: TocsinError): void {
    this.refuseRequests(fault);
    for (const channel of this.subscribing) this.grant(channel, fault);
  }
}
