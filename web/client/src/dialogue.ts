/**
 * What the server's messages mean to those who wait for them: answers, subscriptions, alerts, losses.
 *
 * Pure: each call returns what is to be done now, in order. Who asked is remembered here only by the request's id. What
 * was missed and what to say about it decides `ClientConversation`. Held to the same vectors as `tocsin/dialogue.py`.
 */

import { ClientConversation, isWanted, type ClientState, type Heard, type Subscription } from "./conversation.js";
import type { Counters, Effect } from "./effects.js";
import { errorOf, INVALID_TOKEN, type TocsinError } from "./errors.js";
import { Life } from "./life.js";
import type {
  AlertMessage,
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
import { Outbox } from "./outbox.js";

// New tokens that were refused in a row, before we believe that the next one will be too.
const REFUSED_TOKENS_MAX = 3;

export class Dialogue {
  /** The server's last greeting: client id, workspace, user, when the token ends. */
  session: AuthSuccess | undefined;
  readonly conversation = new ClientConversation();
  private readonly out = new Outbox();
  private refusedTokens = 0;
  private life = new Life();

  constructor(
    private readonly hasFreshTokens: boolean,
    private readonly saysReceived = false,
  ) {}

  get state(): ClientState {
    return this.conversation.state;
  }

  get counters(): Counters {
    return this.out.counters;
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
    this.out.isOpen = true;
    this.send(this.conversation.opened(credentials));
    return this.out.take();
  }

  /** The connection is over; `fault` is for whoever waits for an answer. Subscriptions stay wanted. */
  broken(fault: TocsinError): Effect[] {
    this.counters.failedConnects += this.state === "ready" ? 0 : 1;
    this.out.isOpen = false;
    this.conversation.closed(false);
    this.out.refuseRequests(fault);
    return this.out.take();
  }

  /** The client is over: whoever waits is told. */
  ended(fault: TocsinError): Effect[] {
    this.out.isOpen = false;
    this.conversation.closed(true);
    this.out.refuseAll(fault);
    return this.out.take();
  }

  /** Wants a channel. Undefined: it was wanted like this and answered before; else `granted` will follow. */
  subscribe(channel: string, minSeverity: Severity, snapshot: boolean): Effect[] | undefined {
    const known = this.conversation.subscriptions.get(channel);
    if (known && isWanted(known, minSeverity, snapshot) && !this.out.subscribing.has(channel)) return undefined;
    this.out.subscribing.add(channel);
    this.send(this.conversation.subscribe(channel, minSeverity, snapshot));
    return this.out.take();
  }

  /** Wants a channel no more. */
  unsubscribe(channel: string): Effect[] {
    this.out.subscribing.delete(channel);
    this.send(this.conversation.unsubscribe(channel));
    return this.out.take();
  }

  /** Asks for what was left out. Undefined: the channel is not followed any more, or the store is another one. */
  recover(gap: GapMessage): Effect[] | undefined {
    const asks = this.conversation.recover(gap);
    if (!asks) return undefined;
    this.send(asks);
    return this.out.take();
  }

  /** Sends a request, whose `answer` will follow; its id is the answer's. Only while ready. */
  request(request: Request): { id: RequestId; effects: Effect[] } {
    const id = this.conversation.nextId();
    this.out.pending.add(id);
    this.counters.requests += 1;
    this.send([{ ...request, id }]);
    return { id, effects: this.out.take() };
  }

  /** Nobody waits for this answer any more. */
  forget(id: RequestId): void {
    this.out.pending.delete(id);
  }

  /** Takes one message of the server; null if it could not be read. */
  hear(message: ServerMessage | null): Effect[] {
    this.counters.messagesReceived += 1;
    // A newer server's message or word. If it was an event, the next one shows a gap.
    if (message === null) this.counters.unreadable += 1;
    else this.understand(message);
    return this.out.take();
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
        return this.out.tell("broadcast", message);
      case "notification":
        return this.out.tell("notification", message);
      case "workflow_updated":
      case "alerts_refresh":
      case "new_alert":
      case "pattern_found":
      case "incident":
        return this.out.tell("hint", message);
      case "accepted":
      case "marked_read":
      case "pong":
        return this.out.answer(message.id, message);
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
    this.out.push({ do: "greeted", isRefresh });
  }

  private authFailed(said: string): void {
    this.refusedTokens += 1;
    const isFinal = !this.hasFreshTokens || this.refusedTokens >= REFUSED_TOKENS_MAX;
    this.out.hangUp(`the token was refused: ${said}`, isFinal ? INVALID_TOKEN : undefined);
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
      this.out.tell("alert", heard.alert);
    } else if (isFollowed && !heard.send?.length) {
      this.counters.duplicates += 1;
    }
  }

  /** Open alerts are handed on one by one, too, as events of the word `open`. */
  private snapshot(message: Snapshot): void {
    if (!this.conversation.hear(message).snapshot) return;
    this.out.tell("snapshot", message);
    const { channel, epoch, offset } = message;
    for (const data of message.alerts) {
      this.counters.alertsShown += 1;
      const timestamp = data.last_seen_at;
      this.out.tell("alert", { type: "alert", channel, epoch, offset, prev: offset, event: "open", data, timestamp });
    }
  }

  private position(message: PositionMessage): void {
    this.conversation.hear(message);
    const wanted = this.conversation.named(message.channel)[0];
    if (wanted) this.sayReceived(wanted);
    if (this.conversation.followers(message.channel).length) this.out.tell("position", message);
  }

  /** With each proof of silence: rare enough to be cheap, and then everything before it has arrived. */
  private sayReceived(wanted: Subscription): void {
    const offset = wanted.follower.position()?.offset ?? 0;
    if (!this.saysReceived || !this.life.isNewReceived(wanted.name, offset)) return;
    this.send([{ type: "received", channel: wanted.name, offset }]);
  }

  private leftOut(message: GapMessage): void {
    let heard = this.conversation.hear(message);
    if (heard.send?.length) heard = this.gap(message, heard);
    this.send(heard.send);
    if (!heard.gap) return;
    this.counters.leftOut += heard.gap.count;
    this.life.leftOut(message.channel);
    this.out.tell("gap", heard.gap);
  }

  /** Recovers, once: if the same gap is there again, what is in it cannot be read, and we go on behind it. */
  private gap(message: AlertMessage | GapMessage, heard: Heard): Heard {
    this.counters.gaps += 1;
    const [wanted] = this.conversation.named(message.channel);
    if (!wanted) return heard;
    if (this.life.isNewGap(wanted.channel, wanted.follower.position())) return heard;
    wanted.asked = undefined;
    wanted.follower.skip(message.epoch, message.prev);
    this.out.lost(wanted.channel, "unreadable");
    return this.conversation.hear(message);
  }

  private subscribed(message: Subscribed): void {
    const wanted = this.conversation.asking(message.id);
    const heard = this.conversation.hear(message);
    if (!wanted) return;
    if (heard.lost !== undefined) this.out.lost(wanted.channel, heard.lost);
    this.life.askedAnew(message.channel);
    this.send(heard.send);
    this.out.grant(wanted.channel, message);
  }

  /** The server refused a request, or a subscription (perhaps after `subscribed`: its history cannot be read). */
  private refused(message: ErrorMessage): void {
    if (message.id === undefined) return;
    const fault = errorOf(message);
    if (this.out.pending.has(message.id)) return this.out.answer(message.id, fault);
    const channel = this.life.askedWith(message.id);
    if (channel !== undefined && this.conversation.subscriptions.has(channel)) this.withdrawn(channel, fault);
  }

  private withdrawn(channel: string, fault: TocsinError): void {
    const isNew = this.out.subscribing.has(channel);
    // A channel that we had: come back after a pause and recover it.
    if (!isNew && fault.temporary) return this.out.hangUp(`${channel}: ${fault.message}`);
    // Said also of what is new here: it may be followed under another name, which must go on.
    this.send(this.conversation.unsubscribe(channel));
    if (isNew) this.out.grant(channel, fault);
    else this.out.lost(channel, fault.message);
  }

  private send(messages: readonly ClientMessage[] = []): void {
    if (!this.out.isOpen) return;
    for (const message of messages) if (message.type === "subscribe") this.life.asks.set(message.channel, message.id);
    this.out.send(messages);
  }
}
