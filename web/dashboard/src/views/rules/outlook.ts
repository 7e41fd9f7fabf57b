/** The preview of a rule: which series it would have rung about, when, and what its graph shows. Pure. */
import { several } from "../../times.ts";
import type { Point } from "../../ui/index.ts";
import type { Body } from "./draft.ts";
import type { Backtest, BacktestEvent, Reading, SeriesInfo } from "./model.ts";

export type Labels = Record<string, string>;

/** From when to when it would have rung; `to` null: it still would. Milliseconds since 1970. */
export interface Ringing {
  from: number;
  to: number | null;
}

const BEGINS = ["fired", "reopened"];
const ENDS = ["resolved", "expired"];

/** Whether what was told of `labels` is about this series: an alert has its series' labels, and may have more. */
export function isAbout(labels: Labels, series: Labels): boolean {
  return Object.entries(series).every(([name, value]) => labels[name] === value);
}

export function ringings(events: readonly BacktestEvent[], series: Labels): Ringing[] {
  const found: Ringing[] = [];
  for (const { event, at, labels } of events) {
    if (!isAbout(labels, series)) continue;
    const last = found.at(-1);
    if (BEGINS.includes(event)) found.push({ from: Date.parse(at), to: null });
    else if (ENDS.includes(event) && last && last.to === null) last.to = Date.parse(at);
  }
  return found;
}

/** The series that a rule looks at, the one that it would have rung about most often first. */
export function watched(all: readonly SeriesInfo[], rule: Body, found: Backtest | null): Labels[] {
  const match = (rule["match"] ?? {}) as Labels;
  const mine = all.filter((series) => series.metric === rule["metric"] && isAbout(series.labels, match));
  const rings = (labels: Labels) =>
    (found?.events ?? []).filter(({ event, labels: told }) => BEGINS.includes(event) && isAbout(told, labels)).length;
  return mine.map(({ labels }) => labels).sort((one, other) => rings(other) - rings(one));
}

export function nameOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return pairs.join(", ") || "without labels";
}

/** Exactly this series, oldest first; what an added-up milestone looks at is the sum so far. */
export function pointsOf(readings: readonly Reading[], series: Labels, rule: Body): Point[] {
  const size = Object.keys(series).length;
  const points = readings
    .filter(({ labels }) => Object.keys(labels).length === size && isAbout(labels, series))
    .map(({ at, value }) => ({ at: Date.parse(at), value }))
    .sort((one, other) => one.at - other.at);
  if (rule["kind"] !== "milestone" || !rule["is_cumulative"]) return points;
  let sum = 0;
  return points.map(({ at, value }) => ({ at, value: (sum += value) }));
}

const SAME_UNIT = ["last", "avg", "min", "max"];

/** The lines that a rule holds the readings against; none where it compares something else (a rate, a count, a score). */
export function limitsOf(rule: Body, points: readonly Point[]): number[] {
  if (rule["kind"] === "milestone") return goalsInSight(rule["goals"] as number[], points);
  if (rule["kind"] === "anomaly") return [];
  const isRate = rule["kind"] === "performance" && (rule["objective"] ?? "percentile") !== "percentile";
  const isOther = rule["kind"] === "threshold" && !SAME_UNIT.includes((rule["aggregate"] as string) ?? "last");
  if (isRate || isOther) return [];
  return [rule["threshold"], rule["upper"]].filter((value): value is number => typeof value === "number");
}

/** Those that are reached, and the next one: a far goal would make a flat line of everything. */
function goalsInSight(goals: readonly number[], points: readonly Point[]): number[] {
  const highest = Math.max(...points.map(({ value }) => value), 0);
  return goals.filter(
    (goal, place) => goal <= highest || goals[place - 1] === undefined || goals[place - 1]! <= highest,
  );
}

/** `3 alerts, 2 notifications; 14 readings would have been kept quiet.` */
export function summary({ told, notified, suppressed, readings, more }: Backtest): string {
  if (readings === 0) return "There are no readings of this metric in this time: nothing can be said yet.";
  const fired = (told["fired"] ?? 0) + (told["reopened"] ?? 0);
  if (fired === 0) return `It would not have rung: ${several(readings, "reading")} looked at.`;
  const quiet = suppressed.reduce((sum, each) => sum + each.count, 0);
  const kept = quiet > 0 ? ` ${several(quiet, "reading")} more would have been kept quiet.` : "";
  const cut = more > 0 ? ` ${several(more, "event")} more are not listed.` : "";
  return `It would have rung ${fired === 1 ? "once" : `${fired} times`}, with ${several(notified, "notification")}.${kept}${cut}`;
}
