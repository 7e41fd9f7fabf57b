/** What a silence for some alerts would match by. Pure; the names as docs/quieting.md has them. */
import type { Alert } from "../../alerts.ts";

export interface Matcher {
  name: string;
  operator: "=";
  value: string;
}

/** What all of these alerts have in common, what tells them from others first. */
export function commonMatchers(alerts: readonly Alert[]): Matcher[] {
  const [first, ...others] = alerts.map(seen);
  if (!first) return [];
  return Object.entries(first)
    .filter(([name, value]) => value !== "" && others.every((other) => other[name] === value))
    .map(([name, value]) => ({ name, operator: "=", value }));
}

/** The labels of an alert as silences see them. */
function seen(alert: Alert): Record<string, string> {
  return {
    framework_id: alert.framework_id,
    alertname: alert.rule_id ?? (alert.title || alert.alert_type || "alert"),
    ...alert.labels,
    severity: alert.labels?.["severity"] ?? alert.severity,
  };
}

/** Which of them are chosen at first: where and what, not how loud. */
export function isUsual({ name }: Matcher): boolean {
  return name !== "severity";
}
