/** The words of alerts, as docs/protocol.md has them. */

export const SEVERITIES = ["info", "warning", "error", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

export const STATES = ["active", "acknowledged", "resolved", "expired"] as const;
export type AlertState = (typeof STATES)[number];

export type QuietedBy = "maintenance" | "silenced" | "muted_hours" | "flapping" | "storm";

export interface Escalated {
  chain: string;
  step: number;
  round: number;
  at: string;
}

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
  alert_type?: string;
  message?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  dedup_key?: string;
  project_id?: string;
  step_id?: string;
  assigned_to?: string;
  active_since?: string;
  escalated?: Escalated;
  acknowledged_at?: string;
  acknowledged_by?: string;
  resolved_at?: string;
  resolved_by?: string;
  notes?: string;
  notes_by?: string;
  quieted_by?: QuietedBy;
  quieted_ref?: string;
  quieted_until?: string;
}

export function isOpen(alert: Pick<Alert, "state">): boolean {
  return alert.state === "active" || alert.state === "acknowledged";
}
