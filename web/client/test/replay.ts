/** Plays a conversation that was recorded with the Python client to this one, step by step. */

import assert from "node:assert/strict";
import { encode as oracle } from "@msgpack/msgpack";
import { Backoff } from "../src/backoff.js";
import { decode, type WireForm } from "../src/codec.js";
import { Dialogue } from "../src/dialogue.js";
import type { Effect, Ended } from "../src/effects.js";
import { ClientStopped, ConnectionLost, mayReconnect, TocsinError } from "../src/errors.js";
import { refreshAfterMs } from "../src/freshness.js";
import type { AlertMessage, GapMessage, Request, Severity } from "../src/messages.js";

type Json = Record<string, unknown>;

export interface Vector {
  name: string;
  options: { fresh_tokens: boolean; received: boolean };
  steps: Step[];
  counters: Record<string, number>;
}

interface Step extends Json {
  open?: { token: string };
  hear?: unknown;
  subscribe?: { channel: string; min_severity: Severity; snapshot: boolean };
  unsubscribe?: string;
  recover?: GapMessage;
  request?: Request;
  wait_s?: number;
  broken?: { reason: string; code: number | null; chance: number };
}

const WALL_MS = Date.parse("2026-01-01T00:00:00Z");
const OUTCOMES = ["send", "told", "answers", "known", "asked", "refresh_after_s", "hang_up", "stopped", "pause_s"];

export class Replay {
  readonly dialogue: Dialogue;
  private readonly backoff = new Backoff(0);
  private now = 0;
  private readyAt: number | undefined;
  private verdict: Ended | undefined;
  private seen: Json = {};

  constructor(
    private readonly vector: Vector,
    private readonly form: WireForm,
  ) {
    this.dialogue = new Dialogue(vector.options.fresh_tokens, vector.options.received);
    this.dialogue.connecting();
  }

  /** Throws for the first step that ends differently. */
  play(): void {
    for (const [number, step] of this.vector.steps.entries()) {
      this.seen = {};
      this.act(step);
      const wanted = Object.fromEntries(OUTCOMES.filter((name) => name in step).map((name) => [name, step[name]]));
      const where = `${this.vector.name}, step ${number}: ${JSON.stringify(step).slice(0, 200)}`;
      assert.deepEqual(plain(this.seen), wanted, where);
      assert.deepEqual([this.dialogue.state, this.places()], [step["state"], step["places"] ?? {}], where);
    }
    const counted = Object.entries(this.dialogue.counters).map(([name, count]) => [snake(name), count]);
    assert.deepEqual(Object.fromEntries(counted), this.vector.counters, this.vector.name);
  }

  private act(step: Step): void {
    const { dialogue } = this;
    if (step.open) this.take(dialogue.opened({ token: step.open.token }));
    else if ("hear" in step) this.hear(step.hear);
    else if (step.subscribe) this.subscribe(step.subscribe);
    else if (step.unsubscribe !== undefined) this.take(dialogue.unsubscribe(step.unsubscribe));
    else if (step.recover) this.recover(step.recover);
    else if (step.request) this.take(dialogue.request(step.request).effects);
    else if (step.wait_s !== undefined) this.now += step.wait_s * 1e3;
    else if (step.broken) this.broken(step.broken);
    else assert.fail(`no such step: ${JSON.stringify(step)}`);
  }

  private subscribe({ channel, min_severity, snapshot }: NonNullable<Step["subscribe"]>): void {
    const effects = this.dialogue.subscribe(channel, min_severity, snapshot);
    this.seen["known"] = effects === undefined;
    this.take(effects ?? []);
  }

  private recover(gap: GapMessage): void {
    const effects = this.dialogue.recover(gap);
    this.seen["asked"] = effects !== undefined;
    this.take(effects ?? []);
  }

  private hear(said: unknown): void {
    const data = this.form === "json" ? JSON.stringify(said) : oracle(said);
    const effects = this.dialogue.hear(decode(data, this.form));
    this.take(effects);
    for (const effect of effects) {
      if (effect.do === "greeted" && !effect.isRefresh) this.readyAt = this.now;
      if (effect.do === "greeted" && this.vector.options.fresh_tokens) this.noteRefresh();
    }
  }

  private noteRefresh(): void {
    assert(this.dialogue.session);
    const afterMs = refreshAfterMs(this.dialogue.session, WALL_MS + this.now);
    this.seen["refresh_after_s"] = afterMs === undefined ? null : afterMs / 1e3;
  }

  private broken({ reason, code, chance }: NonNullable<Step["broken"]>): void {
    const ended = this.verdict ?? { reason, code: code ?? undefined };
    const lastedMs = this.readyAt === undefined ? 0 : this.now - this.readyAt;
    this.verdict = this.readyAt = undefined;
    this.take(this.dialogue.broken(new ConnectionLost(ended.reason)));
    if (!mayReconnect(ended.code)) {
      this.take(this.dialogue.ended(new ClientStopped(ended.reason, ended.code)));
      this.seen["stopped"] = { reason: ended.reason, close_code: ended.code };
      return;
    }
    this.backoff.ended(this.now, lastedMs);
    this.seen["pause_s"] = (this.backoff.delayMs(this.now, chance, this.dialogue.askedMs) ?? NaN) / 1e3;
    this.dialogue.connecting();
  }

  /** Notes what is to be done, in the words of the vectors. */
  private take(effects: Effect[]): void {
    for (const effect of effects) {
      if (effect.do === "send") this.add("send", effect.message);
      else if (effect.do === "tell") this.told(effect);
      else if (effect.do === "answer") this.answered(`#${effect.id}`, effect.answer);
      else if (effect.do === "granted") this.answered(effect.channel, effect.answer);
      else if (effect.do === "hangUp") {
        this.verdict = effect.ended;
        this.seen["hang_up"] = { reason: effect.ended.reason, code: effect.ended.code ?? null };
      }
    }
  }

  private told(effect: Extract<Effect, { do: "tell" }>): void {
    switch (effect.word) {
      case "alert":
        return this.add("told", { alert: shortly(effect.value) });
      case "notification":
        return this.add("told", { notification: { key: effect.value.key } });
      case "gap":
      case "lost":
      case "broadcast":
        return this.add("told", { [effect.word]: effect.value });
    }
  }

  private add(name: string, value: unknown): void {
    this.seen[name] = [...((this.seen[name] as unknown[] | undefined) ?? []), value];
  }

  private answered(name: string, answer: object): void {
    const answers = (this.seen["answers"] as Json | undefined) ?? {};
    this.seen["answers"] = { ...answers, [name]: answer instanceof TocsinError ? faultOf(answer) : answer };
  }

  private places(): Json {
    const all = [...this.dialogue.conversation.subscriptions.values()];
    return Object.fromEntries(all.map(({ channel, follower }) => [channel, placeOf(follower.position())]));
  }
}

function shortly({ channel, epoch, offset, event, data, alertIds }: AlertMessage): Json {
  return { channel, epoch, offset, event, ids: data ? [data.id] : alertIds };
}

function faultOf(fault: TocsinError): Json {
  const { name, code, temporary } = fault;
  return name === "TocsinError" ? { fault: name, code, temporary } : { fault: name };
}

function placeOf(position: { epoch: string; offset: number } | undefined): unknown {
  return position ? [position.epoch, position.offset] : null;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** As it is written: without what is undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
