/**
 * The client's side of the conversation, over all its connections: what to say when, what was missed, what it means.
 *
 *     connecting --opened--> authenticating --auth_success--> ready --closed--> connecting ... --> closed
 *
 * Pure: it is told what arrived and answers what to send and what to show; sockets, tokens and time are somebody
 * else's. Held to the same vectors as `protocol/client_session.py`.
 */

import { Follower } from "./follower.js";
import type {
  AlertMessage,
  ClientMessage,
  Credentials,
  GapMessage,
  RequestId,
  ServerMessage,
  Severity,
  Snapshot,
  Subscribe,
  Subscribed,
} from "./messages.js";

/** Where the client's side of a conversation stands. */
export type ClientState = "connecting" | "authenticating" | "ready" | "closed";

/**
 * One channel that the client wants, and its place in it.
 *
 * A connection has one subscription per channel, whatever it is called. So two names of one channel (`alerts:a` and
 * `project:a`) share one place, each message is shown once, and the filter that was asked for last counts.
 */
export interface Subscription {
  channel: string;
  minSeverity: Severity;
  /** Wanted with the open alerts first, whenever what was missed cannot be recovered. */
  snapshot: boolean;
  follower: Follower;
  /** The server's full name of the channel, once it has answered. */
  name: string;
  /** Asked, not answered yet: live messages wait for the answer, so that nothing overtakes the history. */
  asked: RequestId | undefined;
}

/** What a message from the server led to: what to send, what to show, what is missing. */
export interface Heard {
  send?: ClientMessage[];
  alert?: AlertMessage;
  /** Left out by the server, and not asked for again: `recover` does. */
  gap?: GapMessage;
  snapshot?: Snapshot;
  /** Messages were lost for good on this channel (trimmed, or another store); the reason. */
  lost?: string;
}

export class ClientConversation {
  state: ClientState = "closed";
  readonly subscriptions = new Map<string, Subscription>();
  private lastId = 0;

  /** A request id that was not used before. */
  nextId(): number {
    return ++this.lastId;
  }

  /** A connection is wanted, or being made. */
  connecting(): void {
    this.state = "connecting";
  }

  /** The socket is open: `auth` and every wanted subscription in one burst, each from its last position. */
  opened(credentials: Credentials): ClientMessage[] {
    this.state = "authenticating";
    return [{ type: "auth", ...credentials }, ...[...this.subscriptions.values()].map((wanted) => this.ask(wanted))];
  }

  /** Wants a channel, or one wanted before in another way; sent at once, or when the socket is open. */
  subscribe(channel: string, minSeverity: Severity, snapshot: boolean): ClientMessage[] {
    const wanted = this.wanted(channel, minSeverity, snapshot);
    const waits = wanted.asked !== undefined && isWanted(wanted, minSeverity, snapshot);
    // With a position it would be recovered, and see no snapshot.
    if (snapshot && !wanted.snapshot) wanted.follower = new Follower();
    wanted.minSeverity = minSeverity;
    wanted.snapshot = snapshot;
    return this.isConnected && !waits ? [this.ask(wanted)] : [];
  }

  /** Wants a channel no more. */
  unsubscribe(channel: string): ClientMessage[] {
    const known = this.subscriptions.get(channel);
    if (!known || !this.subscriptions.delete(channel) || !this.isConnected) return [];
    // At the server they were one subscription, which this ends.
    return [{ type: "unsubscribe", channel }, ...this.named(known.name).map((twin) => this.ask(twin))];
  }

  /** Wants what was left out after all. Undefined: the channel is not followed, or the store is another one. */
  recover(gap: GapMessage): ClientMessage[] | undefined {
    const wanted = this.named(gap.channel)[0];
    if (!wanted?.follower.reopen(gap.epoch, gap.prev, gap.to)) return undefined;
    return this.isConnected ? [this.ask(wanted)] : [];
  }

  /** The socket is gone; `forGood` when the server said not to come back, or we do not want to. */
  closed(forGood: boolean): void {
    this.state = forGood ? "closed" : "connecting";
    for (const wanted of this.subscriptions.values()) wanted.asked = undefined;
  }

  /** What a message means here. Duplicates are dropped, gaps lead to a new `subscribe` with `recover`. */
  hear(message: ServerMessage): Heard {
    switch (message.type) {
      case "auth_success":
        this.state = "ready";
        return {};
      case "subscribed":
        return this.subscribed(message);
      case "alert":
        return this.alert(message);
      case "gap":
        return this.gap(message);
      case "snapshot":
        return this.snapshot(message);
      case "position":
        this.followers(message.channel)[0]?.follower.silence(message.epoch, message.offset);
        return {};
      case "unsubscribed":
        // Also another name of it was given up that was not known as one, because its answer was under way.
        return message.code ? {} : { send: this.followers(message.channel).map((other) => this.ask(other)) };
      default:
        return {};
    }
  }

  /** Whoever follows this channel; nobody while history is missing, which must come first. */
  followers(name: string): Subscription[] {
    const same = this.named(name);
    return same.some((wanted) => wanted.asked !== undefined) ? [] : same;
  }

  /** The subscription that this request asks for, if it is not answered yet. */
  asking(request: RequestId | undefined): Subscription | undefined {
    if (request === undefined) return undefined;
    return [...this.subscriptions.values()].find((wanted) => wanted.asked === request);
  }

  // The server handles messages in order: what follows `auth` in the same burst is judged after it.
  private get isConnected(): boolean {
    return this.state === "authenticating" || this.state === "ready";
  }

  private wanted(channel: string, minSeverity: Severity, snapshot: boolean): Subscription {
    let wanted = this.subscriptions.get(channel);
    if (!wanted) {
      wanted = { channel, minSeverity, snapshot, follower: new Follower(), name: "", asked: undefined };
      this.subscriptions.set(channel, wanted);
    }
    return wanted;
  }

  private ask(wanted: Subscription): Subscribe {
    const ask: Subscribe = { type: "subscribe", id: this.nextId(), channel: wanted.channel };
    wanted.asked = ask.id;
    const recover = wanted.follower.position();
    if (recover) ask.recover = recover;
    if (wanted.minSeverity !== "info") ask.minSeverity = wanted.minSeverity;
    if (wanted.snapshot) ask.snapshot = true;
    return ask;
  }

  private subscribed(message: Subscribed): Heard {
    const wanted = this.asking(message.id);
    if (!wanted) return {};
    wanted.asked = undefined;
    const twin = this.named(message.channel)[0];
    if (twin) wanted.follower = twin.follower;
    wanted.name = message.channel;
    const isFresh = message.reason === "fresh";
    if (wanted.snapshot && !message.recovered) wanted.follower.expectSnapshot();
    if (message.recovered || (isFresh && twin)) return {};
    const isSameStore = message.epoch === wanted.follower.epoch;
    if (isSameStore && !wanted.snapshot && wanted.follower.forgetHoles()) {
      // Only what was left out before is gone; from our own place on it may be there.
      return { lost: message.reason, send: [this.ask(wanted)] };
    }
    wanted.follower.restart(message.epoch, message.offset);
    return isFresh ? {} : { lost: message.reason };
  }

  private alert(message: AlertMessage): Heard {
    const wanted = this.followers(message.channel)[0];
    const arrival = wanted?.follower.arrive(message.epoch, message.offset, message.prev);
    if (wanted && arrival === "next") return unshown(message, wanted.follower);
    return wanted && arrival === "gap" ? { send: [this.ask(wanted)] } : {};
  }

  private gap(message: GapMessage): Heard {
    const wanted = this.followers(message.channel)[0];
    const arrival = wanted?.follower.leftOut(message.epoch, message.to, message.prev);
    if (arrival === "next") return { gap: message };
    return wanted && arrival === "gap" ? { send: [this.ask(wanted)] } : {};
  }

  private snapshot(message: Snapshot): Heard {
    const wanted = this.followers(message.channel)[0];
    wanted?.follower.show(message);
    return wanted ? { snapshot: message } : {};
  }

  /** The subscriptions that the server knows by this name. */
  named(name: string): Subscription[] {
    return [...this.subscriptions.values()].filter((wanted) => name && wanted.name === name);
  }
}

/** Whether it is wanted like this. */
export function isWanted(wanted: Subscription, minSeverity: Severity, snapshot: boolean): boolean {
  return wanted.minSeverity === minSeverity && wanted.snapshot === snapshot;
}

/** The message without alerts that a page of the snapshot showed as they were after it, or later. */
function unshown(message: AlertMessage, follower: Follower): Heard {
  const ids = message.data ? [message.data.id] : (message.alertIds ?? []);
  const fresh = ids.filter((id) => !follower.hasShown(id, message.offset));
  if (fresh.length === ids.length) return { alert: message };
  return fresh.length ? { alert: { ...message, alertIds: fresh } } : {};
}
