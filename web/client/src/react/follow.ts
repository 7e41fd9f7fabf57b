/**
 * What components follow of a client, shared: one subscription and one book for each channel, however many look at it.
 * A component that is taken away and put back at once (as React's StrictMode does) leaves no trace on the wire.
 */

import { AlertBook } from "../book.js";
import type { Client } from "../client.js";
import { Listeners } from "../listeners.js";
import { SEVERITIES, type Severity } from "../messages.js";
import { channelName } from "../names.js";

export class Follow {
  readonly book = new AlertBook();
  /** What the server refused the subscription with. */
  fault: Error | undefined;
  private readonly faults = new Listeners<void>();
  private readonly wants = new Set<{ minSeverity: Severity }>();
  private stop: (() => void) | undefined;

  constructor(
    private readonly client: Client,
    readonly channel: string,
  ) {}

  /** When it was last proven that nothing was missed, in wall-clock milliseconds. */
  get verifiedAt(): number | undefined {
    return this.client.verifiedAt(this.client.fullName(this.channel));
  }

  /** Follows the channel as long as somebody uses it; what this gives back ends that. */
  use(minSeverity: Severity): () => void {
    const want = { minSeverity };
    this.wants.add(want);
    this.start();
    return () => {
      this.wants.delete(want);
      queueMicrotask(() => this.endIfUnused());
    };
  }

  /** Calls back when the alerts change, or the subscription is refused. */
  onChange(listener: () => void): () => void {
    const stops = [this.book.onChange(listener), this.faults.add(listener)];
    return () => stops.forEach((stop) => stop());
  }

  private start(): void {
    this.stop ??= this.book.follow(this.client, (name) => name === this.client.fullName(this.channel));
    // One subscription has one filter: the widest that is wanted. Each component shows its own part.
    const ranks = [...this.wants].map((want) => SEVERITIES.indexOf(want.minSeverity));
    const minSeverity = SEVERITIES[Math.min(...ranks)] ?? "info";
    this.client.subscribe(this.channel, { minSeverity, snapshot: true }).then(
      () => this.settle(undefined),
      (fault: Error) => this.settle(fault),
    );
  }

  private settle(fault: Error | undefined): void {
    this.fault = fault;
    this.faults.tell();
  }

  private endIfUnused(): void {
    if (this.wants.size || !this.stop) return;
    this.stop();
    this.stop = undefined;
    this.client.unsubscribe(this.channel);
    this.book.clear();
  }
}

const follows = new WeakMap<Client, Map<string, Follow>>();

/** The one of this client and channel; it does nothing before it is used. */
export function followOf(client: Client, channel: string): Follow {
  const name = channelName(channel);
  const ofClient = follows.get(client) ?? new Map<string, Follow>();
  follows.set(client, ofClient);
  const follow = ofClient.get(name) ?? new Follow(client, name);
  ofClient.set(name, follow);
  return follow;
}
