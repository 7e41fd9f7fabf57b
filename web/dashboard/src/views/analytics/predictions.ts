/** Predictions as the engine says them (`GET /api/v1/predictions`), and in words. Pure. */
import { number } from "../../times.ts";

export interface HourAhead {
  at: string;
  expected: number;
  low: number;
  high: number;
  /** Up to its end. */
  by: number;
}

/** When a threshold is reached next, by one series of a rule. */
export interface Breach {
  what: "breach";
  metric: string;
  labels: Record<string, string>;
  comparison: string;
  threshold: number;
  probability: number;
  expected_at: string | null;
  earliest_at: string | null;
  latest_at: string | null;
  trend_at: string | null;
  hours: readonly HourAhead[];
  /** How many it was learnt on. */
  days: number;
}

/** How many alerts a day brings. */
export interface DayCount {
  what: "count";
  expected: number;
  low: number;
  high: number;
  probability: number;
  days: number;
}

export interface Prediction<F = Breach | DayCount> {
  id: string;
  kind: "breach" | "count";
  state: "open" | "scored" | "unscored" | "refused" | "over";
  framework_id: string | null;
  rule_id: string | null;
  made_at: string;
  since: string;
  until: string;
  forecast: F | null;
  reason: string | null;
}

export interface CalibrationBin {
  low: number;
  high: number;
  count: number;
  said: number | null;
  came: number | null;
}

export interface Accuracy {
  kind: Prediction["kind"];
  scored: number;
  brier: number | null;
  wape_percent: number | null;
  coverage_percent: number | null;
  warned: number;
  missed: number;
  false_alarms: number;
  lead_s: number | null;
  calibration: readonly CalibrationBin[];
}

export interface AccuracyReport {
  since: string;
  until: string;
  kinds: readonly Accuracy[];
  unscored: number;
}

export interface Sorted {
  breaches: readonly Prediction<Breach>[];
  counts: readonly Prediction<DayCount>[];
  refused: readonly Prediction[];
}

/** What is likeliest first; counts from the whole to its parts. */
export function sorted(items: readonly Prediction[]): Sorted {
  const breaches = items.filter((each): each is Prediction<Breach> & { forecast: Breach } => isOf(each, "breach"));
  const counts = items.filter((each): each is Prediction<DayCount> & { forecast: DayCount } => isOf(each, "count"));
  return {
    breaches: breaches.toSorted((one, other) => other.forecast.probability - one.forecast.probability),
    counts: counts.toSorted(
      (one, other) => breadthOf(one) - breadthOf(other) || other.forecast.expected - one.forecast.expected,
    ),
    refused: items.filter(({ state }) => state === "refused"),
  };
}

function isOf({ state, forecast }: Prediction, what: "breach" | "count"): boolean {
  return state === "open" && forecast?.what === what;
}

function breadthOf({ framework_id, rule_id }: Prediction): number {
  return rule_id ? 2 : framework_id ? 1 : 0;
}

/** `disk (web)`, `web`, `everything`. */
export function whoseOf({ framework_id, rule_id }: Pick<Prediction, "framework_id" | "rule_id">): string {
  if (!rule_id) return framework_id ?? "everything";
  return framework_id ? `${rule_id} (${framework_id})` : rule_id;
}

/** `disk_percent{host="db-2"} > 90`. */
export function crossingOf({ metric, labels, comparison, threshold }: Breach): string {
  const said = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return `${metric}${said.length > 0 ? `{${said.join(", ")}}` : ""} ${comparison} ${number(threshold)}`;
}

/** What had to be known and is not, how often: rules with the same reason together. */
export function reasonsOf(refused: readonly Prediction[]): { reason: string; whose: readonly string[] }[] {
  const found = new Map<string, string[]>();
  for (const each of refused) {
    const reason = each.reason ?? "";
    found.set(reason, [...(found.get(reason) ?? []), whoseOf(each)]);
  }
  return [...found].map(([reason, whose]) => ({ reason, whose }));
}
