/** What is known of one connection: what was asked on it, and what the server asks for. Pure. */

import type { RequestId, Position } from "./messages.js";

export class Life {
  /** The pause that the server's `bye` asks for. */
  askedMs: number | undefined;
  /** By channel: the id of its last `subscribe`, and the position that the last gap was recovered from. */
  readonly asks = new Map<string, RequestId>();
  private readonly gaps = new Map<string, string>();
  /** By the channel's full name: up to where we have said that everything has arrived. */
  private readonly received = new Map<string, number>();

  /** The channel whose last `subscribe` had this id. */
  askedWith(id: RequestId): string | undefined {
    return [...this.asks].find(([, asked]) => asked === id)?.[0];
  }

  /** Whether a gap behind this position is met for the first time: the same again cannot be recovered. */
  isNewGap(channel: string, position: Position | undefined): boolean {
    const place = position ? `${position.offset}:${position.epoch}` : "";
    if (this.gaps.get(channel) === place) return false;
    this.gaps.set(channel, place);
    return true;
  }

  /** Whether it is news that everything up to here has arrived. */
  isNewReceived(name: string, offset: number): boolean {
    if (offset <= (this.received.get(name) ?? 0)) return false;
    this.received.set(name, offset);
    return true;
  }

  /** Something was left out: no more is said of this channel until it is asked for anew. */
  leftOut(name: string): void {
    this.received.set(name, Infinity);
  }

  askedAnew(name: string): void {
    this.received.delete(name);
  }
}
