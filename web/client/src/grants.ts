/** Who waits for a channel's first answer, by the channel's short name. */

import { TocsinError } from "./errors.js";
import type { Subscribed } from "./messages.js";

type Waiting = { resolve(answer: Subscribed | null): void; reject(fault: TocsinError): void };

export class Grants {
  private readonly waiting = new Map<string, Waiting[]>();

  wait(channel: string): Promise<Subscribed | null> {
    return new Promise((resolve, reject) => {
      this.waiting.set(channel, [...(this.waiting.get(channel) ?? []), { resolve, reject }]);
    });
  }

  /** Null: it was given up before the answer. */
  settle(channel: string, answer: Subscribed | TocsinError | null): void {
    const waiting = this.waiting.get(channel) ?? [];
    this.waiting.delete(channel);
    for (const { resolve, reject } of waiting) {
      if (answer instanceof TocsinError) reject(answer);
      else resolve(answer);
    }
  }
}
