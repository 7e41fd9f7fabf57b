/**
 * The messages of the wire, one type each: the same words as `protocol/messages.py`, which is where they are declared.
 * Envelope fields are camelCase, fields of alerts, triggers and readings snake_case. Times are RFC 3339 in UTC.
 */

/** How loud an alert is, from the quietest to the loudest. */
export const SEVERITIES = ["info", "warning", "error", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Where an alert is in its life. */
export const ALERT_STATES = ["active", "acknowledged", "resolved", "expired"] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/** What happened to an alert. `open` is on no wire: so an alert of a snapshot is handed on, which has no event. */
export const EVENT_KINDS = [
  "open",
  "fired",
  "repeated",
  "raised",
  "receipt",
  "acknowledged",
  "unacknowledged",
  "assigned",
  "commented",
  "escalated",
  "reopened",
  "resolved",
  "expired",
  "quieted",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What keeps an open alert from ringing. */
export type QuietedBy = "maintenance" | "silenced" | "muted_hours" | "flapping" | "storm";

export type RequestId = number | string;

/** A place in a stream: the epoch (identity of the store) and the last offset that the client has. */
export interface Position {
  epoch: string;
  offset: number;
}

/** An alert as stored and told. */
export interface Alert {
  id: string;
  framework_id: string;
  severity: Severity;
  state: AlertState;
  current_value: number | null;
  threshold_value: number | null;
  title: string;
  occurrences: number;
  triggered_at: string;
  last_seen_at: string;
  notification_sent: boolean;
  rule_id?: string;
  alert_rule_id?: string;
  alert_type?: string;
  message?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  dedup_key?: string;
  project_id?: string;
  step_id?: string;
  assigned_to?: string;
  /** Of which incident it is part; known where alerts are read over HTTP. */
  incident_id?: string;
  active_since?: string;
  escalated?: { chain: string; step: number; round: number; at: string };
  acknowledged_at?: string;
  acknowledged_by?: string;
  resolved_at?: string;
  resolved_by?: string;
  notes?: string;
  notes_by?: string;
  /** Somebody says that it should not have rung. */
  noise?: boolean;
  quieted_by?: QuietedBy;
  quieted_ref?: string;
  quieted_until?: string;
}

/** What a bulk change did to each of its alerts. Without `state` that is as it was; `assigned_to` null: to nobody. */
export interface Change {
  at: string;
  state?: AlertState;
  by?: string;
  notes?: string;
  assigned_to?: string | null;
  severity?: Severity;
  noise?: boolean;
}

/** What a suppression window swallowed, told by the `receipt` at its end. */
export interface Suppressed {
  count: number;
  first_at: string;
  last_at: string;
  worst_value: number | null;
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

/** What alerts have in common; `GET /api/v1/patterns` has them all. */
export interface Pattern {
  id: string;
  kind: "recurring" | "co_occurrence" | "sequence" | "escalating" | "flapping" | "noisy";
  state: "new" | "confirmed" | "dismissed";
  framework: string | null;
  sources: { framework: string; rule_id: string | null; name: string }[];
  summary: string;
  /** The share of occasions on which it holds, at least. */
  confidence: number;
  support: number;
  occasions: number;
  lift: number;
  /** Ids of some alerts that prove it, the newest first. */
  evidence: string[];
  first_at: string;
  last_at: string;
  found_at: string;
  since: string;
  /** Minutes after midnight UTC; 0: Monday. */
  times: { since: number; until: number; weekday: number | null } | null;
  within_s: number | null;
  typical_s: number | null;
  said: { by: string; at: string; notes: string | null } | null;
  version: number;
}

/** An incident was opened, or has changed: `event` was the last thing that happened to it. */
export interface IncidentNews {
  id: string;
  event: string;
  state: "open" | "acknowledged" | "resolved" | "merged";
  title: string;
  severity: Severity;
  alerts: number;
  openAlerts: number;
  alertId: string | null;
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
