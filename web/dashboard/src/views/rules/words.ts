/** What a rule does, as a sentence; the page's own words for the engine's. Pure. */
import { number } from "../../times.ts";
import type { Rule, SeriesState } from "./model.ts";
import { spanOf } from "./spans.ts";

const COMPARED: Record<string, string> = {
  ">": "is above",
  ">=": "is at least",
  "<": "is below",
  "<=": "is at most",
  "==": "is exactly",
  "!=": "is not",
};
const AGGREGATED: Record<string, string> = {
  avg: "the mean of",
  min: "the lowest of",
  max: "the highest of",
  sum: "the sum of",
  count: "the number of readings of",
  rate: "the change per second of",
};

export const STATE_WORDS: Record<SeriesState, string> = {
  idle: "quiet",
  pending: "pending",
  firing: "rings",
  keeping: "ends soon",
  no_data: "silent",
};

/** "Rings when the mean of cpu_percent over 5m is above 90, for 2m." */
export function sentenceOf(rule: Rule): string {
  const held = figure(rule["for_s"]) > 0 ? `, for ${spanOf(figure(rule["for_s"]))}` : "";
  return `Rings ${whenOf(rule)}${held}.`;
}

function whenOf(rule: Rule): string {
  if (rule.kind === "milestone") return `once when ${rule.metric} reaches ${listed(rule["goals"] as number[])}`;
  if (rule.kind === "anomaly")
    return `when ${rule.metric} is unlike its own past (sensitivity ${said(rule["sensitivity"])})`;
  if (rule.kind === "performance") return `when ${objectiveOf(rule)} is above ${said(rule["threshold"])}`;
  return `when ${aggregateOf(rule)} ${comparedWith(rule)}`;
}

function objectiveOf(rule: Rule): string {
  const over = ` over ${spanOf(figure(rule["window_s"]))}`;
  if (rule["objective"] === "percentile") return `p${said(rule["percentile"])} of ${rule.metric}${over}`;
  const rate = `${rule.metric} of ${String(rule["total_metric"])}${over}`;
  return rule["objective"] === "burn_rate" ? `the burn rate of ${rate}` : `the rate of ${rate}`;
}

function aggregateOf(rule: Rule): string {
  const of = AGGREGATED[String(rule["aggregate"])];
  return of ? `${of} ${rule.metric} over ${spanOf(figure(rule["window_s"]))}` : rule.metric;
}

function comparedWith(rule: Rule): string {
  const [comparison, low] = [String(rule["comparison"]), said(rule["threshold"])];
  if (comparison === "between") return `is between ${low} and ${said(rule["upper"])}`;
  if (comparison === "outside") return `is outside of ${low} to ${said(rule["upper"])}`;
  return `${COMPARED[comparison] ?? comparison} ${low}`;
}

function listed(goals: readonly number[]): string {
  return goals.map(number).join(", ");
}

function figure(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function said(value: unknown): string {
  return typeof value === "number" ? number(value) : String(value);
}
