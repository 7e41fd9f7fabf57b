/** Which readings belong to an alert, and as what they are drawn. Pure. */
import type { Alert } from "../../alerts.ts";
import type { Point } from "../../ui/shape.ts";

export interface Reading {
  at: string;
  value: number;
  labels: Record<string, string>;
}

const BEFORE_MS = 30 * 60_000;
const AFTER_MS = 15 * 60_000;
// Further back the graph would say nothing of now.
const LENGTH_MAX_MS = 6 * 3_600_000;

/** From half an hour before it rang to now, or to a while after it was over; six hours at most, the newest. */
export function windowOf(
  alert: Pick<Alert, "triggered_at" | "resolved_at">,
  now: Date,
): { since: string; until: string } {
  const end = alert.resolved_at ? Math.min(Date.parse(alert.resolved_at) + AFTER_MS, now.getTime()) : now.getTime();
  const start = Math.max(Date.parse(alert.triggered_at) - BEFORE_MS, end - LENGTH_MAX_MS);
  return { since: new Date(start).toISOString(), until: new Date(end).toISOString() };
}

/** Of a metric with several series, those that have nothing but the alert's labels (null: all); oldest first. */
export function pointsOf(readings: readonly Reading[], labels: Record<string, string> | null): Point[] {
  return readings
    .filter((reading) => !labels || Object.entries(reading.labels).every(([name, value]) => labels[name] === value))
    .map((reading) => ({ at: Date.parse(reading.at), value: reading.value }))
    .sort((one, other) => one.at - other.at);
}
