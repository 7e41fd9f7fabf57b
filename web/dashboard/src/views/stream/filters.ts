/**
 * Which alerts are shown: read from the address, so that a link shows the same to somebody else. Pure.
 */
import { type Alert, ALERT_STATES, type AlertState, isOpen, SEVERITIES, type Severity } from "../../alerts.ts";
import { passingWords, textOf } from "../../words.ts";

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
  const hasWords = passingWords(filters.text);
  const { severities, framework, isMine } = filters;
  return (alert) =>
    isInState(alert, filters.state) &&
    (severities.length === 0 || severities.includes(alert.severity)) &&
    (framework === "" || alert.framework_id === framework) &&
    (!isMine || alert.assigned_to === user || alert.acknowledged_by === user) &&
    hasWords(textOf(alert));
}

function isInState(alert: Alert, state: Filters["state"]): boolean {
  if (state === "all") return true;
  return state === "open" ? isOpen(alert) : alert.state === state;
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
