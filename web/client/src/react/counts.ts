/** What there is of alerts, in numbers. Pure. */

import { isOpen } from "../book.js";
import { SEVERITIES, type Alert, type Severity } from "../messages.js";

export interface AlertCounts {
  /** `active` and `acknowledged` together. */
  open: number;
  active: number;
  acknowledged: number;
  /** Open, but kept from ringing: by a silence, maintenance, muted hours, flapping or a storm. */
  quieted: number;
  /** Of the open ones. */
  bySeverity: Record<Severity, number>;
  /** The loudest that nobody looks after and that rings; undefined: there is none. */
  worst: Severity | undefined;
  /** When the oldest of those that nobody looks after was triggered. */
  oldestActiveAt: string | undefined;
}

/** Counts alerts that come newest first. */
export function countAlerts(alerts: Iterable<Alert>): AlertCounts {
  const counts: AlertCounts = {
    open: 0,
    active: 0,
    acknowledged: 0,
    quieted: 0,
    bySeverity: { info: 0, warning: 0, error: 0, critical: 0 },
    worst: undefined,
    oldestActiveAt: undefined,
  };
  for (const alert of alerts) if (isOpen(alert)) count(alert, counts);
  return counts;
}

function count(alert: Alert, counts: AlertCounts): void {
  counts.open += 1;
  counts.bySeverity[alert.severity] += 1;
  if (alert.quieted_by) counts.quieted += 1;
  if (alert.state === "acknowledged") {
    counts.acknowledged += 1;
    return;
  }
  counts.active += 1;
  counts.oldestActiveAt = alert.triggered_at;
  if (!alert.quieted_by) counts.worst = louder(alert.severity, counts.worst);
}

function louder(one: Severity, other: Severity | undefined): Severity {
  return other && SEVERITIES.indexOf(other) > SEVERITIES.indexOf(one) ? other : one;
}
