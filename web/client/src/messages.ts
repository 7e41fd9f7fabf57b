/**
 * The messages of the wire, one type each: the same words as `protocol/messages.py`, which is where they are declared.
 * Envelope fields are camelCase, fields of alerts, triggers and readings snake_case. Times are RFC 3339 in UTC.
 */

import type { Alert, Change, EventKind, IncidentNews, Pattern, Severity, Suppressed } from "./alerts.js";

export * from "./alerts.js";

export type RequestId = number | string;

/** A place in a stream: the epoch (identity of the store) and the last offset that the client has. */
export interface Position {
  epoch: string;
  offset: number;
}

/** What became of one item of a request; `reason` says why in one word, the same as in metrics and logs. */
export interface ItemResult {
  status: string;
  reason: string;
  alertId: string | null;
  offset: number | null;
  message?: string;
}

/** An alert that somebody asks for. Without `severity` it is `warning`, or what its rule says. */
export interface TriggerInput {
  framework_id: string;
  rule_id?: string;
  alert_type?: string;
  current_value?: number;
  threshold_value?: number;
  comparison?: ">" | ">=" | "<" | "<=" | "==" | "!=" | "between" | "outside";
  severity?: string;
  title?: string;
  message?: string;
  labels?: Record<string, string>;
  dedup_key?: string;
  project_id?: string;
  step_id?: string;
  assigned_to?: string;
}

/** One measured value of one metric of a framework; `at` defaults to the time of arrival. */
export interface ReadingInput {
  framework_id: string;
  metric: string;
  value: number;
  at?: string;
  labels?: Record<string, string>;
}

/** Who speaks: a token, or a one-use ticket that was made with one. */
export type Credentials = { token: string } | { ticket: string };

export type ClientMessage =
  | ({ type: "auth"; id?: RequestId } & Credentials)
  | { type: "refresh"; token: string; id?: RequestId }
  | Subscribe
  | { type: "unsubscribe"; channel: string; id?: RequestId }
  | { type: "received" | "seen"; channel: string; offset: number }
  | (Request & { id?: RequestId });

/** What is answered to whoever asked. */
export type Request =
  | { type: "trigger"; alerts: TriggerInput[] }
  | { type: "reading"; readings: ReadingInput[] }
  | { type: "acknowledge" | "resolve"; alertId?: string; alertIds?: string[]; notes?: string; noise?: boolean }
  | { type: "read"; keys?: string[] }
  | { type: "ping" };

export interface Subscribe {
  type: "subscribe";
  id: number;
  channel: string;
  recover?: Position;
  minSeverity?: Severity;
  snapshot?: boolean;
}

/** The server's greeting: the token is good until `expiresAt`. */
export interface AuthSuccess {
  type: "auth_success";
  clientId: string;
  workspaceId: string;
  userId: string;
  expiresAt: string;
  ping: number;
  id?: RequestId;
}

/** You are on the channel. If `recovered`, everything after your position follows in order, then live messages. */
export interface Subscribed extends Position {
  type: "subscribed";
  channel: string;
  recovered: boolean;
  reason: string;
  id?: RequestId;
}

/** A page of the open alerts, newest first, as of `offset`. */
export interface Snapshot extends Position {
  type: "snapshot";
  channel: string;
  alerts: Alert[];
  page: number;
  last: boolean;
}

/** Something happened to an alert; or, with `alertIds` and `change` instead of `data`, to many. */
export interface AlertMessage extends Position {
  type: "alert";
  channel: string;
  prev: number;
  event: EventKind;
  timestamp: string;
  data?: Alert;
  by?: string;
  suppressed?: Suppressed;
  alertIds?: string[];
  change?: Change;
}

/** `count` messages were left out for you, because you read too slowly; the next one follows. */
export interface GapMessage {
  type: "gap";
  channel: string;
  epoch: string;
  prev: number;
  from: number;
  to: number;
  count: number;
  reason: string;
}

/** Proof of silence: up to `offset` you were told everything, as of `at`. */
export interface PositionMessage extends Position {
  type: "position";
  channel: string;
  at: string;
}

/** An operator's word to whoever is connected now. */
export interface Broadcast {
  type: "broadcast";
  to: "client" | "framework" | "workspace" | "user" | "project";
  target: string;
  message: string;
  by: string;
  at: string;
}

/** Somebody is notified in the app, on his stream; he says to have read its `key`. */
export interface Notification {
  type: "notification";
  channel: string;
  key: string;
  kind: string;
  alert: Alert;
  text: string;
  unread: number;
  more?: number;
}

/** Hints that a page may want to look again; the record is the `alert`. */
export type Hint =
  | { type: "incident"; channel: string; data: IncidentNews }
  | { type: "workflow_updated"; channel: string; data: { projectId: string; itemId: string | null } }
  | { type: "alerts_refresh"; channel: string; data: { projectId: string | null; type: string } }
  | {
      type: "new_alert";
      channel: string;
      data: { id: string; title: string; message: string; priority: string; projectId: string };
    }
  | { type: "pattern_found"; channel: string; data: Pattern };

export type Answer =
  | { type: "accepted"; results: ItemResult[]; id?: RequestId }
  | { type: "marked_read"; read: number; unread: number; id?: RequestId }
  | { type: "pong"; id?: RequestId };

/** A request was refused; nothing else changed. `temporary`: the same again a moment later may work. */
export interface ErrorMessage {
  type: "error";
  code: number;
  message: string;
  temporary: boolean;
  id?: RequestId;
}

export type ServerMessage =
  | AuthSuccess
  | { type: "auth_failed"; code: number; message: string; id?: RequestId }
  | Subscribed
  | Snapshot
  | { type: "unsubscribed"; channel: string; code?: number; id?: RequestId }
  | AlertMessage
  | Answer
  | PositionMessage
  | GapMessage
  | Broadcast
  | Hint
  | Notification
  | ErrorMessage
  | { type: "bye"; code: number; reason: string; reconnectAfterMs: number };
