/**
 * The channels of one `useAlertWebSocket`, whatever client it has just now: that of its option, and those that were
 * asked for with `subscribe`. A new client is made for another `url`, and at StrictMode's second mount; it gets them all.
 */

import type { Client } from "../client.js";
import { ClientStopped } from "../errors.js";
import { channelName } from "../names.js";

export class Channels {
  private readonly asked = new Set<string>();
  private option: string | undefined;
  private client: Client | undefined;

  /** `fail` is told what a channel was refused with. */
  constructor(private readonly fail: (fault: Error) => void) {}

  /** Everything that is wanted is followed with this client, until what this gives back is called. */
  attach(client: Client): () => void {
    this.client = client;
    for (const name of new Set([...this.asked, ...(this.option ? [this.option] : [])])) this.start(name);
    return () => (this.client = undefined);
  }

  /** Follows the option's channel, until what this gives back is called; who has asked for it keeps it. */
  hold(channel: string | undefined): () => void {
    if (!channel) return () => {};
    const name = channelName(channel);
    this.option = name;
    this.start(name);
    return () => {
      if (this.option !== name) return;
      this.option = undefined;
      if (!this.asked.has(name)) this.client?.unsubscribe(name);
    };
  }

  subscribe(channel: string): void {
    const name = channelName(channel);
    this.asked.add(name);
    this.start(name);
  }

  /** Also the option's: it stays away until the option is another one. */
  unsubscribe(channel: string): void {
    const name = channelName(channel);
    this.asked.delete(name);
    if (this.option === name) this.option = undefined;
    this.client?.unsubscribe(name);
  }

  private start(name: string): void {
    const { client } = this;
    client?.subscribe(name).catch((fault: Error) => {
      // A client that ends says so by itself; one that was closed, or is another one by now, has nothing to complain of.
      if (!(fault instanceof ClientStopped) && this.client === client) this.fail(fault);
    });
  }
}
