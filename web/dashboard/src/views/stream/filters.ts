/**
 * Which alerts are shown: read from the address, so that a link shows the same to somebody else. Pure.
 */
import { type Alert, ALERT_STATES, type AlertState, isOpen, SEVERITIES, type Severity } from "../../alerts.ts";

export interface Filters {
  /** None: all of them. */
  severities: readonly Severity[];
  state: "open" | "all" | AlertState;
  framework: string;
  /** Words that must all be somewhere in the alert. */
  text: string;
  /** Only what is assigned to me, or acknowledged by me. */
  isMine: boolean;
}

export const STATE_CHOICES = ["open", ...ALERT_STATES, "all"] as const;

export function filtersOf(query: URLSearchParams): Filters {
  const state = query.get("state");
  return {
    severities: SEVERITIES.filter((each) => query.getAll("severity").includes(each)),
    state: STATE_CHOICES.find((each) => each === state) ?? "open",
    framework: query.get("framework") ?? "",
    text: query.get("q") ?? "",
    isMine: query.get("mine") === "1",
  };
}

export function areAny(filters: Filters): boolean {
  const { severities, state, framework, text, isMine } = filters;
  return severities.length > 0 || state !== "open" || framework !== "" || text.trim() !== "" || isMine;
}

/** A test for one alert, prepared once for all of them. */
export function passing(filters: Filters, user: string): (alert: Alert) => boolean {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const { severities, framework, isMine } = filters;
  return (alert) =>
    isInState(alert, filters.state) &&
    (severities.length === 0 || severities.includes(alert.severity)) &&
    (framework === "" || alert.framework_id === framework) &&
    (!isMine || alert.assigned_to === user || alert.acknowledged_by === user) &&
    words.every((word) => textOf(alert).includes(word));
}

function isInState(alert: Alert, state: Filters["state"]): boolean {
  if (state === "all") return true;
  return state === "open" ? isOpen(alert) : alert.state === state;
}

const texts = new WeakMap<Alert, string>();

/** All that one may look for; put together once for each alert, as typing asks all of them again with every letter. */
function textOf(alert: Alert): string {
  const known = texts.get(alert);
  if (known !== undefined) return known;
  const labels = Object.entries(alert.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const parts = [
    alert.title,
    alert.message,
    alert.framework_id,
    alert.rule_id,
    alert.assigned_to,
    alert.notes,
    ...labels,
  ];
  const text = parts.filter(Boolean).join("\n").toLowerCase();
  texts.set(alert, text);
  return text;
}

/** How many alerts of each severity are open, whatever else is filtered. */
export function countsOf(alerts: readonly Alert[]): Record<Severity, number> {
  const counts: Record<Severity, number> = { info: 0, warning: 0, error: 0, critical: 0 };
  for (const alert of alerts) if (isOpen(alert)) counts[alert.severity] += 1;
  return counts;
}

export function frameworksOf(alerts: readonly Alert[]): string[] {
  return [...new Set(alerts.map((alert) => alert.framework_id))].sort();
}
