/**
 * Counts of alerts as the engine has them (`GET /api/v1/analytics…`), and which ones the address asks for. Pure.
 *
 * The engine counts by hours of UTC; its days, weeks and months are those of UTC as well.
 */
import { SEVERITIES, type Severity } from "../../alerts.ts";
import type { Query } from "../../api.ts";

/** How long something took, `count` times; seconds. */
export interface Took {
  count: number;
  mean_s: number | null;
  p50_s: number | null;
  p95_s: number | null;
}

/** Alerts of some stretch of time, as they are now. Null: there is nothing that it could be told from. */
export interface Figures {
  alerts: number;
  active: number;
  acknowledged: number;
  suppressed: number;
  quieted: number;
  notified: number;
  noisy: number;
  noise_ratio: number | null;
  confirmed: number;
  false_alarms: number;
  precision: number | null;
  to_acknowledge: Took;
  to_resolve: Took;
}

export interface CountedAlerts extends Figures {
  since: string;
  until: string;
  severity: Severity | null;
}

/** How far counting is. */
export interface Counted {
  hours_waiting: number;
  changed_at: string | null;
  counted_at: string | null;
}

export interface Counts {
  by: Width;
  since: string;
  until: string;
  items: readonly CountedAlerts[];
  totals: Figures;
  fresh: Counted;
}

export interface RuleQuality extends Figures {
  rule_id: string;
  framework_id: string;
  judged: number;
  judged_needed: number;
  false_alarms_per_week: number;
  /** How long before its threshold was reached that had been predicted; null: it never was. */
  lead_s: number | null;
}

export interface RulesQuality {
  items: readonly RuleQuality[];
  is_cut: boolean;
}

export type Width = "hour" | "day" | "week" | "month";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The engine's bound for the hours of a week; less by one day, because whole hours are asked for. */
const HEAT_MAP_MAX_MS = 91 * DAY_MS;

/** How far back, by the word in the address; by what it can be counted, the usual first: what is more than fits. */
export const SPANS: Readonly<Record<string, { title: string; ms: number; widths: readonly [Width, ...Width[]] }>> = {
  "2d": { title: "Last 2 days", ms: 2 * DAY_MS, widths: ["hour", "day"] },
  "7d": { title: "Last 7 days", ms: 7 * DAY_MS, widths: ["day", "hour"] },
  "30d": { title: "Last 30 days", ms: 30 * DAY_MS, widths: ["day", "week"] },
  "90d": { title: "Last 90 days", ms: 90 * DAY_MS, widths: ["day", "week", "month"] },
  "1y": { title: "Last year", ms: 365 * DAY_MS, widths: ["week", "month", "day"] },
};
const STANDARD_SPAN = "30d";

export interface CountFilters {
  span: string;
  by: Width;
  framework: string;
  rule: string;
  severities: readonly Severity[];
}

export function countFilters(query: URLSearchParams): CountFilters {
  const said = query.get("span") ?? "";
  const fits = (span: string) => widthsOf(span).some((width) => width === query.get("by"));
  // Who asks for months and does not say of how long gets as long as months are counted for.
  const usual = fits(STANDARD_SPAN) ? STANDARD_SPAN : (Object.keys(SPANS).find(fits) ?? STANDARD_SPAN);
  const span = Object.hasOwn(SPANS, said) ? said : usual;
  const widths = widthsOf(span);
  return {
    span,
    by: widths.find((width) => width === query.get("by")) ?? widths[0],
    framework: (query.get("framework") ?? "").trim(),
    rule: (query.get("rule") ?? "").trim(),
    severities: SEVERITIES.filter((each) => query.getAll("severity").includes(each)),
  };
}

export function widthsOf(span: string): readonly [Width, ...Width[]] {
  return SPANS[span]?.widths ?? ["day"];
}

/** The engine's words for it. A beginning of whole hours is the same question for an hour, and remembered by the engine. */
export function countQuery({ span, by, framework, rule, severities }: CountFilters, now: number): Query {
  return {
    by,
    since: sinceOf(SPANS[span]?.ms ?? DAY_MS, now),
    framework_id: framework,
    rule_id: rule,
    severity: severities,
  };
}

/** The same for the hours of a week, as far back as the engine goes. */
export function heatQuery(filters: CountFilters, zone: string, now: number): Query {
  const { by: _, ...rest } = countQuery(filters, now);
  return { ...rest, zone, since: sinceOf(Math.min(SPANS[filters.span]?.ms ?? DAY_MS, HEAT_MAP_MAX_MS), now) };
}

/** The address of the same alerts of the last days, hour by hour. */
export function byHour({ framework, rule, severities }: CountFilters): URLSearchParams {
  const query = new URLSearchParams({ span: "2d", by: "hour", framework, rule });
  severities.forEach((each) => query.append("severity", each));
  return query;
}

export function isNarrow({ framework, rule, severities }: CountFilters): boolean {
  return framework !== "" || rule !== "" || severities.length > 0;
}

function sinceOf(ms: number, now: number): string {
  return new Date(Math.floor((now - ms) / HOUR_MS) * HOUR_MS).toISOString();
}
