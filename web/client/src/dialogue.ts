/**
 * What the server's messages mean to those who wait for them: answers, subscriptions, alerts, losses.
 *
 * Pure: each call returns what is to be done now, in order. Who asked is remembered here only by the request's id. What
 * was missed and what to say about it decides `ClientConversation`. Held to the same vectors as `tocsin/dialogue.py`.
 */

import { ClientConversation, isWanted, type ClientState, type Heard, type Subscription } from "./conversation.js";
import { noCounts, type Counters, type Effect, type Told } from "./effects.js";
import { errorOf, INVALID_TOKEN, type TocsinError } from "./errors.js";
import type {
  AlertMessage,
  Answer,
  AuthSuccess,
  ClientMessage,
  Credentials,
  ErrorMessage,
  GapMessage,
  PositionMessage,
  Request,
  RequestId,
  ServerMessage,
  Severity,
  Snapshot,
  Subscribed,
} from "./messages.js";

// New tokens that were refused in a row, before we believe that the next one will be too.
const REFUSED_TOKENS_MAX = 3;

/** What is known of one connection: what was asked on it, and what the server asks for. */
class Life {
  /** The pause that the server's `bye` asks for. */
  askedMs: number | undefined;
  /** By channel: the id of its last `subscribe`, and the position that the last gap was recovered from. */
  asks = new Map<string, RequestId>();
  gaps = new Map<string, string>();
  /** By the channel's full name: up to where we have said that everything has arrived. */
  received = new Map<string, number>();
}

export class Dialogue {
  readonly counters: Counters = noCounts();
  /** The server's last greeting: client id, workspace, user, when the token ends. */
  session: AuthSuccess | undefined;
  readonly conversation = new ClientConversation();
  private readonly pending = new Set<RequestId>();
  /** Channels whose first answer somebody waits for. */
  private readonly subscribing = new Set<string>();
  private refusedTokens = 0;
  private life = new Life();
  private isOpen = false;
  private effects: Effect[] = [];

  constructor(
    private readonly hasFreshTokens: boolean,
    private readonly saysReceived = false,
  ) {}

  get state(): ClientState {
    return this.conversation.state;
  }

  /** The pause that the server has asked for on this connection. */
  get askedMs(): number | undefined {
    return this.life.askedMs;
  }

  /** A connection is being made. */
  connecting(): void {
    this.life = new Life();
    this.conversation.connecting();
  }

  /** A connection is open: authenticates and asks for every wanted channel, in one burst. */
  opened(credentials: Credentials): Effect[] {
    this.isOpen = true;
    this.send(this.conversation.opened(credentials));
    return this.take();
  }

  /** The connection is over; `fault` is for whoever waits for an answer. Subscriptions stay wanted. */
  broken(fault: TocsinError): Effect[] {
    this.counters.failedConnects += this.state === "ready" ? 0 : 1;
    this.isOpen = false;
    this.conversation.closed(false);
    this.refuseAll(fault);
    return this.take();
  }

  /** The client is over: whoever waits is told. */
  ended(fault: TocsinError): Effect[] {
    this.isOpen = false;
    this.conversation.closed(true);
    this.refuseAll(fault);
    for (const channel of this.subscribing) this.effects.push({ do: "granted", channel, answer: fault });
    this.subscribing.clear();
    return this.take();
  }

  /** Wants a channel. Undefined: it was wanted like this and answered before; else `granted` will follow. */
  subscribe(channel: string, minSeverity: Severity, snapshot: boolean): Effect[] | undefined {
    const known = this.conversation.subscriptions.get(channel);
    if (known && isWanted(known, minSeverity, snapshot) && !this.subscribing.has(channel)) return undefined;
    this.subscribing.add(channel);
    this.send(this.conversation.subscribe(channel, minSeverity, snapshot));
    return this.take();
  }

  /** Wants a channel no more. */
  unsubscribe(channel: string): Effect[] {
    this.subscribing.delete(channel);
    this.send(this.conversation.unsubscribe(channel));
    return this.take();
  }

  /** Asks for what was left out. Undefined: the channel is not followed any more, or the store is another one. */
  recover(gap: GapMessage): Effect[] | undefined {
    const asks = this.conversation.recover(gap);
    if (!asks) return undefined;
    this.send(asks);
    return this.take();
  }

  /** Sends a request, whose `answer` will follow; its id is the answer's. Only while ready. */
  request(request: Request): { id: RequestId; effects: Effect[] } {
    const id = this.conversation.nextId();
    this.pending.add(id);
    this.counters.requests += 1;
    this.send([{ ...request, id }]);
    return { id, effects: this.take() };
  }

  /** Nobody waits for this answer any more. */
  forget(id: RequestId): void {
    this.pending.delete(id);
  }

  /** Takes one message of the server; null if it could not be read. */
  hear(message: ServerMessage | null): Effect[] {
    this.counters.messagesReceived += 1;
    // A newer server's message or word. If it was an event, the next one shows a gap.
    if (message === null) this.counters.unreadable += 1;
    else this.understand(message);
    return this.take();
  }

  private understand(message: ServerMessage): void {
    switch (message.type) {
      case "auth_success":
        return this.ready(message);
      case "auth_failed":
        return this.authFailed(message.message);
      case "alert":
        return this.alert(message);
      case "gap":
        return this.leftOut(message);
      case "subscribed":
        return this.subscribed(message);
      case "snapshot":
        return this.snapshot(message);
      case "position":
        return this.position(message);
      case "error":
        return this.refused(message);
      case "bye":
        this.life.askedMs = message.reconnectAfterMs;
        return;
      case "broadcast":
        return this.tell("broadcast", message);
      case "notification":
        return this.tell("notification", message);
      case "workflow_updated":
      case "alerts_refresh":
      case "new_alert":
      case "pattern_found":
      case "incident":
        return this.tell("hint", message);
      case "accepted":
      case "marked_read":
      case "pong":
        return this.answered(message.id, message);
      default:
        this.send(this.conversation.hear(message).send);
    }
  }

  private ready(message: AuthSuccess): void {
    const isRefresh = this.state === "ready";
    this.conversation.hear(message);
    this.session = message;
    this.refusedTokens = 0;
    if (isRefresh) {
      this.counters.refreshes += 1;
    } else {
      this.counters.reconnects += this.counters.connects > 0 ? 1 : 0;
      this.counters.connects += 1;
    }
    this.effects.push({ do: "greeted", isRefresh });
  }

  private authFailed(said: string): void {
    this.refusedTokens += 1;
    const isFinal = !this.hasFreshTokens || this.refusedTokens >= REFUSED_TOKENS_MAX;
    this.hangUp(`the token was refused: ${said}`, isFinal ? INVALID_TOKEN : undefined);
  }

  private alert(message: AlertMessage): void {
    const isFollowed = [...this.conversation.subscriptions.values()].some(
      (wanted) => wanted.name === message.channel && wanted.asked === undefined,
    );
    let heard = this.conversation.hear(message);
    const wasGap = Boolean(heard.send?.length);
    if (wasGap) heard = this.gap(message, heard);
    this.send(heard.send);
    if (heard.alert) {
      this.counters.alertsReceived += 1;
      this.tell("alert", heard.alert);
    } else if (isFollowed && !heard.send?.length) {
      this.counters.duplicates += 1;
    }
  }

  /** Open alerts are handed on one by one, too, as events of the word `open`. */
  private snapshot(message: Snapshot): void {
    if (!this.conversation.hear(message).snapshot) return;
    this.tell("snapshot", message);
    const { channel, epoch, offset } = message;
    for (const data of message.alerts) {
      this.counters.alertsShown += 1;
      const timestamp = data.last_seen_at;
      this.tell("alert", { type: "alert", channel, epoch, offset, prev: offset, event: "open", data, timestamp });
    }
  }

  private position(message: PositionMessage): void {
    this.conversation.hear(message);
    const wanted = this.conversation.named(message.channel)[0];
    if (wanted) this.sayReceived(wanted);
    if (this.conversation.followers(message.channel).length) this.tell("position", message);
  }

  /** With each proof of silence: rare enough to be cheap, and then everything before it has arrived. */
  private sayReceived(wanted: Subscription): void {
    const offset = wanted.follower.position()?.offset ?? 0;
    if (!this.saysReceived || offset <= (this.life.received.get(wanted.name) ?? 0)) return;
    this.life.received.set(wanted.name, offset);
    this.send([{ type: "received", channel: wanted.name, offset }]);
  }

  private leftOut(message: GapMessage): void {
    let heard = this.conversation.hear(message);
    if (heard.send?.length) heard = this.gap(message, heard);
    this.send(heard.send);
    if (!heard.gap) return;
    this.counters.leftOut += heard.gap.count;
    // What was left out has not arrived: no more is said of this channel until it is asked for anew.
    this.life.received.set(message.channel, Infinity);
    this.tell("gap", heard.gap);
  }

  /** Recovers, once: if the same gap is there again, what is in it cannot be read, and we go on behind it. */
  private gap(message: AlertMessage | GapMessage, heard: Heard): Heard {
    this.counters.gaps += 1;
    const [wanted] = this.conversation.named(message.channel);
    if (!wanted) return heard;
    const position = wanted.follower.position();
    const place = position ? `${position.offset}:${position.epoch}` : "";
    if (this.life.gaps.get(wanted.channel) !== place) {
      this.life.gaps.set(wanted.channel, place);
      return heard;
    }
    wanted.asked = undefined;
    wanted.follower.skip(message.epoch, message.prev);
    this.lost(wanted.channel, "unreadable");
    return this.conversation.hear(message);
  }

  private subscribed(message: Subscribed): void {
    const wanted = this.conversation.asking(message.id);
    const heard = this.conversation.hear(message);
    if (!wanted) return;
    if (heard.lost !== undefined) this.lost(wanted.channel, heard.lost);
    this.life.received.delete(message.channel);
    this.send(heard.send);
    this.grant(wanted.channel, message);
  }

  /** The server refused a request, or a subscription (perhaps after `subscribed`: its history cannot be read). */
  private refused(message: ErrorMessage): void {
    if (message.id === undefined) return;
    const fault = errorOf(message);
    if (this.pending.has(message.id)) return this.answered(message.id, fault);
    const channel = [...this.life.asks].find(([, asked]) => asked === message.id)?.[0];
    if (channel !== undefined && this.conversation.subscriptions.has(channel)) this.withdrawn(channel, fault);
  }

  private withdrawn(channel: string, fault: TocsinError): void {
    const isNew = this.subscribing.has(channel);
    // A channel that we had: come back after a pause and recover it.
    if (!isNew && fault.temporary) return this.hangUp(`${channel}: ${fault.message}`);
    // Said also of what is new here: it may be followed under another name, which must go on.
    this.send(this.conversation.unsubscribe(channel));
    if (isNew) this.grant(channel, fault);
    else this.lost(channel, fault.message);
  }

  private answered(id: RequestId | undefined, answer: Answer | TocsinError): void {
    if (id !== undefined && this.pending.delete(id)) this.effects.push({ do: "answer", id, answer });
  }

  private refuseAll(fault: TocsinError): void {
    for (const id of this.pending) this.answered(id, fault);
  }

  private grant(channel: string, answer: Subscribed | TocsinError): void {
    if (this.subscribing.delete(channel)) this.effects.push({ do: "granted", channel, answer });
  }

  private lost(channel: string, reason: string): void {
    this.counters.lost += 1;
    this.tell("lost", { channel, reason });
  }

  private tell<Word extends keyof Told>(word: Word, value: Told[Word]): void {
    this.effects.push({ do: "tell", word, value } as Effect);
  }

  private hangUp(reason: string, code?: number): void {
    this.effects.push({ do: "hangUp", ended: { reason, code } });
  }

  private send(messages: readonly ClientMessage[] = []): void {
    if (!this.isOpen) return;
    for (const message of messages) {
      if (message.type === "subscribe") this.life.asks.set(message.channel, message.id);
      this.effects.push({ do: "send", message });
    }
  }

  private take(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }
}
