/** Alerts for tests. */
import type { Alert } from "../src/alerts.ts";

export function alert(id: string, more: Partial<Alert> = {}): Alert {
  return {
    id,
    framework_id: "web",
    severity: "warning",
    state: "active",
    current_value: null,
    threshold_value: null,
    title: `Alert ${id}`,
    occurrences: 1,
    triggered_at: "2026-01-05T10:00:00.000000Z",
    last_seen_at: "2026-01-05T10:00:00.000000Z",
    notification_sent: false,
    ...more,
  };
}
