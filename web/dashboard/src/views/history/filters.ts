/**
 * Which alerts of the past are shown: read from the address, so that a link shows the same to somebody else. Pure.
 *
 * The engine filters by time, state, severity, framework and rule. It has no search for words: that is done here, over
 * the pages that come (gather.ts).
 */
import { type Alert, ALERT_STATES, type AlertState, SEVERITIES, type Severity } from "../../alerts.ts";
import type { Query } from "../../api.ts";
import { passingWords, textOf } from "../../words.ts";

export interface Filters {
  /** One of SPANS, or "between" with `from` and `to`. */
  span: string;
  /** As an <input type="datetime-local"> has it, in the viewer's zone; empty: without an end. */
  from: string;
  to: string;
  severities: readonly Severity[];
  states: readonly AlertState[];
  framework: string;
  rule: string;
  /** Words that must all be somewhere in the alert. */
  text: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The last so many milliseconds, by the word in the address. */
export const SPANS: Readonly<Record<string, { title: string; ms: number }>> = {
  "1h": { title: "Last hour", ms: HOUR_MS },
  "24h": { title: "Last 24 hours", ms: DAY_MS },
  "7d": { title: "Last 7 days", ms: 7 * DAY_MS },
  "30d": { title: "Last 30 days", ms: 30 * DAY_MS },
  "90d": { title: "Last 90 days", ms: 90 * DAY_MS },
};
export const BETWEEN = "between";
const STANDARD_SPAN = "24h";

export function filtersOf(query: URLSearchParams): Filters {
  const span = query.get("span") ?? "";
  return {
    span: span === BETWEEN || Object.hasOwn(SPANS, span) ? span : STANDARD_SPAN,
    from: query.get("from") ?? "",
    to: query.get("to") ?? "",
    severities: SEVERITIES.filter((each) => query.getAll("severity").includes(each)),
    states: ALERT_STATES.filter((each) => query.getAll("state").includes(each)),
    framework: (query.get("framework") ?? "").trim(),
    rule: (query.get("rule") ?? "").trim(),
    text: query.get("q") ?? "",
  };
}

/** Whether less is shown than all of the time span. */
export function areNarrow({ severities, states, framework, rule, text }: Filters): boolean {
  return severities.length > 0 || states.length > 0 || framework !== "" || rule !== "" || text.trim() !== "";
}

export interface TimeSpan {
  from: number;
  to: number;
  /** It ends now, so what fires next belongs to it. */
  isOpen: boolean;
}

/** Milliseconds since 1970. A time that cannot be read counts as none; without a beginning it is the last 90 days. */
export function spanOf({ span, from, to }: Pick<Filters, "span" | "from" | "to">, now: number): TimeSpan {
  const known = SPANS[span];
  if (known) return { from: now - known.ms, to: now, isOpen: true };
  const [begins, ends] = [Date.parse(from), Date.parse(to)];
  const end = Number.isNaN(ends) ? now : ends;
  return { from: Number.isNaN(begins) ? end - 90 * DAY_MS : begins, to: end, isOpen: end >= now };
}

/** What is wrong with the times that were chosen, in words; null: nothing. */
export function faultOf(filters: Filters, now: number): string | null {
  if (filters.span !== BETWEEN) return null;
  const { from, to } = spanOf(filters, now);
  return from < to ? null : "It ends before it begins: choose an earlier beginning.";
}

/** The question to the engine. An open span has no end: what fires while we read belongs to it. */
export function queryFor(filters: Filters, { from, to, isOpen }: TimeSpan): Query {
  return {
    since: new Date(from).toISOString(),
    until: isOpen ? null : new Date(to).toISOString(),
    severity: filters.severities,
    state: filters.states,
    framework_id: filters.framework,
    rule_id: filters.rule,
  };
}

/** A test for the words alone. */
export function passingText(text: string): (alert: Alert) => boolean {
  const hasWords = passingWords(text);
  return (alert) => hasWords(textOf(alert));
}

/** A test for everything but the time: what the engine would answer, for an alert that was told just now. */
export function passing(filters: Filters): (alert: Alert) => boolean {
  const { severities, states, framework, rule } = filters;
  const hasWords = passingText(filters.text);
  return (alert) =>
    (severities.length === 0 || severities.includes(alert.severity)) &&
    (states.length === 0 || states.includes(alert.state)) &&
    (framework === "" || alert.framework_id === framework) &&
    (rule === "" || alert.rule_id === rule) &&
    hasWords(alert);
}
