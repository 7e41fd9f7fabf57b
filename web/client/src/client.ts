/**
 * The client: says what it wants once, and stays at it through every outage.
 *
 *     const client = new Client({ token });
 *     client.onAlert((message) => console.log(message.event, message.data?.title));
 *     client.connect();
 *     await client.subscribe("host");
 *
 * After a break every channel continues from its last position, duplicates are dropped and gaps filled, so the program
 * sees each event once and in order, or is told that some are lost for good (`onLost`). Nothing is kept here for the
 * program: listeners are called as messages arrive. What is open now keeps an `AlertBook`.
 */

import type { ClientState } from "./conversation.js";
import { Dialogue } from "./dialogue.js";
import type { Counters, Effect, Told } from "./effects.js";
import { ClientStopped, NoAnswer, TocsinError } from "./errors.js";
import { Events } from "./events.js";
import { Grants } from "./grants.js";
import { Link } from "./link.js";
import type {
  AlertMessage,
  Answer,
  AuthSuccess,
  GapMessage,
  ItemResult,
  PositionMessage,
  ReadingInput,
  Request,
  RequestId,
  Severity,
  Subscribed,
  TriggerInput,
} from "./messages.js";
import { channelName } from "./names.js";
import { clockOf, REQUEST_MS, targetOf, type ClientOptions } from "./options.js";
import { parts } from "./parts.js";
import { Requests } from "./requests.js";
import { wakeOnReturn } from "./wake.js";

export interface SubscribeOptions {
  /** Only alerts at least so loud. */
  minSeverity?: Severity;
  /** The alerts that are open come first, and again whenever what was missed cannot be recovered. */
  snapshot?: boolean;
}

export class Client extends Events {
  private readonly dialogue: Dialogue;
  private readonly requests: Requests;
  private readonly link: Link;
  private readonly grants = new Grants();
  private readonly wall: () => number;
  /** By the channel's full name: when it was last proven that nothing was missed. */
  private readonly verified = new Map<string, number>();
  private stopWaking = (): void => {};
  private failure: ClientStopped | undefined;
  private lastWhy = "";

  constructor(options: ClientOptions) {
    super();
    const clock = clockOf(options);
    const target = targetOf(options);
    this.wall = () => clock.wall();
    this.dialogue = new Dialogue(target.hasFreshTokens, options.received);
    const perform = (effects: Effect[]): void => this.perform(effects);
    this.link = new Link(target, clock, this.dialogue, {
      perform,
      changed: (why) => this.changed(why),
      stopped: (fault) => this.stopped(fault),
    });
    const send = (request: Request) => (this.canSend() ? this.dialogue.request(request) : undefined);
    const forget = (id: RequestId): void => this.dialogue.forget(id);
    this.requests = new Requests(clock, options.requestMs ?? REQUEST_MS, send, perform, forget);
  }

  /** `connecting`, `authenticating`, `ready`, or `closed`: not wanted, or over for good. */
  get state(): ClientState {
    return this.dialogue.state;
  }

  /** The server's last greeting: client id, workspace, user, when the token ends. */
  get session(): AuthSuccess | undefined {
    return this.dialogue.session;
  }

  /** Why the client has ended by itself. */
  get fault(): ClientStopped | undefined {
    return this.failure;
  }

  /** What was wrong when the state last changed, for people; empty if nothing was. */
  get why(): string {
    return this.lastWhy;
  }

  /** Begins to connect, and stays at it; once more after an end it goes on where it was. */
  connect(): void {
    if (this.state !== "closed") return;
    this.failure = undefined;
    this.stopWaking = wakeOnReturn(() => this.wake());
    this.link.start();
  }

  /** Ends the connection. What is subscribed stays wanted, for the next `connect`. */
  close(): void {
    if (this.state !== "closed") this.link.stop(new ClientStopped("closed by this program"));
    this.failure = undefined;
  }

  /** Tries to connect now, whatever the pause; or asks now whether the server lives. */
  wake(): void {
    this.link.wake();
  }

  /** When requests can be sent. Rejects with ClientStopped when they never can. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (this.state === "ready") resolve();
        else if (this.state === "closed") reject(this.failure ?? new ClientStopped("this client is closed"));
        else return false;
        return true;
      };
      if (look()) return;
      const stop = this.onState(() => void (look() && stop()));
    });
  }

  /**
   * Follows a framework (`host`, `alerts:host`), a project (`project:7`), the whole `workspace`, or what is assigned to
   * the `user` of the token, from now on and over every break.
   *
   * Gives the server's answer; null if it was followed like this already, or is given up before the answer. Rejects
   * with what the server refuses it with: then it is not followed. Without a connection it waits for one.
   */
  subscribe(channel: string, options: SubscribeOptions = {}): Promise<Subscribed | null> {
    const name = channelName(channel);
    const effects = this.dialogue.subscribe(name, options.minSeverity ?? "info", options.snapshot ?? false);
    if (!effects) return Promise.resolve(null);
    const granted = this.grants.wait(name);
    this.perform(effects);
    return granted;
  }

  /** Follows a channel no more. */
  unsubscribe(channel: string): void {
    const name = channelName(channel);
    this.perform(this.dialogue.unsubscribe(name));
    this.grants.settle(name, null);
  }

  /** The server's name of a channel that is followed, as messages have it; empty before its first answer. */
  fullName(channel: string): string {
    return this.dialogue.conversation.subscriptions.get(channelName(channel))?.name ?? "";
  }

  /** Asks for what a gap left out; it comes behind what was shown meanwhile. False: it cannot be asked for any more. */
  recover(gap: GapMessage): boolean {
    const effects = this.dialogue.recover(gap);
    this.perform(effects ?? []);
    return effects !== undefined;
  }

  /** Wall-clock milliseconds of the last proof that nothing was missed on a channel (full name, as in messages). */
  verifiedAt(channel: string): number | undefined {
    return this.verified.get(channel);
  }

  /** Says that this user looks after an alert, or several; idempotent. `noise`: whether it should not have rung. */
  acknowledge(alertId: string, notes?: string, noise?: boolean): Promise<ItemResult>;
  acknowledge(alertIds: string[], notes?: string, noise?: boolean): Promise<ItemResult[]>;
  acknowledge(ids: string | string[], notes?: string, noise?: boolean): Promise<ItemResult | ItemResult[]> {
    return this.change("acknowledge", ids, { notes, noise });
  }

  /** Says that an alert, or several, is over; idempotent. `noise`: whether it should not have rung. */
  resolve(alertId: string, notes?: string, noise?: boolean): Promise<ItemResult>;
  resolve(alertIds: string[], notes?: string, noise?: boolean): Promise<ItemResult[]>;
  resolve(ids: string | string[], notes?: string, noise?: boolean): Promise<ItemResult | ItemResult[]> {
    return this.change("resolve", ids, { notes, noise });
  }

  /** Rings. The result comes when it is on stable storage. */
  async trigger(trigger: TriggerInput): Promise<ItemResult> {
    return only(await this.triggerMany([trigger]));
  }

  /** Rings for each; one result each, in order. */
  triggerMany(triggers: TriggerInput[]): Promise<ItemResult[]> {
    return this.submit(triggers, (alerts) => ({ type: "trigger", alerts }));
  }

  /** Sends a measured value, to be held against the framework's rules. */
  async reading(reading: ReadingInput): Promise<ItemResult> {
    return only(await this.readings([reading]));
  }

  readings(readings: ReadingInput[]): Promise<ItemResult[]> {
    return this.submit(readings, (part) => ({ type: "reading", readings: part }));
  }

  /** Says which notifications this user has read, by their keys (without: all). How many are unread yet. */
  async markRead(keys?: string[]): Promise<{ read: number; unread: number }> {
    return expected(await this.requests.ask({ type: "read", keys }), "marked_read");
  }

  /** Says that a person has seen everything of the message's channel up to it. Throws NoAnswer without a connection. */
  seen(message: { channel: string; offset: number }): void {
    if (!this.canSend()) throw new NoAnswer("nothing was sent, there is no connection");
    this.link.send({ type: "seen", channel: message.channel, offset: message.offset });
  }

  /** Milliseconds until the engine answered. */
  async ping(): Promise<number> {
    const began = performance.now();
    await this.requests.ask({ type: "ping" });
    return performance.now() - began;
  }

  /** Counts since the start, and `waiting`: requests without an answer now. */
  statistics(): Counters & { waiting: number } {
    return { ...this.dialogue.counters, waiting: this.requests.size };
  }

  private async change(
    type: "acknowledge" | "resolve",
    ids: string | string[],
    said: { notes?: string; noise?: boolean },
  ) {
    if (Array.isArray(ids)) return this.submit(ids, (alertIds) => ({ type, alertIds, ...said }));
    return only(expected(await this.requests.ask({ type, alertId: ids, ...said }), "accepted").results);
  }

  private async submit<Item>(items: Item[], make: (part: Item[]) => Request): Promise<ItemResult[]> {
    const results: ItemResult[] = [];
    for (const part of parts(items, make)) {
      results.push(...expected(await this.requests.ask(make(part)), "accepted").results);
    }
    return results;
  }

  private canSend(): boolean {
    return this.state === "ready" && this.link.hasRoom;
  }

  private changed(why: string): void {
    this.lastWhy = why;
    this.states.tell([this.state, why]);
  }

  private stopped(fault: ClientStopped): void {
    this.failure = fault;
    this.stopWaking();
    this.requests.end(fault);
  }

  private perform(effects: Effect[]): void {
    for (const effect of effects) this.performOne(effect);
  }

  private performOne(effect: Effect): void {
    switch (effect.do) {
      case "send":
        return this.link.send(effect.message);
      case "tell":
        return this.tell(effect);
      case "answer":
        return this.requests.answer(effect.id, effect.answer);
      case "granted":
        return this.grants.settle(effect.channel, effect.answer);
      case "greeted":
        this.link.greeted(effect.isRefresh);
        return this.requests.ready();
      case "hangUp":
        return this.link.hangUp(effect.ended);
    }
  }

  private tell<Word extends keyof Told>(effect: { word: Word; value: Told[Word] }): void {
    if (effect.word === "alert" || effect.word === "position") {
      this.verified.set((effect.value as AlertMessage | PositionMessage).channel, this.wall());
    }
    this.told[effect.word].tell(effect.value);
  }
}

function only(results: ItemResult[]): ItemResult {
  const [result] = results;
  if (!result) throw new TocsinError("the server answered without a result");
  return result;
}

function expected<Type extends Answer["type"]>(answer: Answer, type: Type): Extract<Answer, { type: Type }> {
  if (answer.type === type) return answer as Extract<Answer, { type: Type }>;
  throw new TocsinError(`the server answered ${answer.type} instead of ${type}`);
}
