/**
 * What the messages speak of: alerts, what happens to them, and what was found in them. The same words as the engine's own,
 * in snake_case. Times are RFC 3339 in UTC.
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
