/** How frameworks are, and what is recommended (`GET /api/v1/insights`, `/api/v1/recommendations`). Pure. */
import { number } from "../../times.ts";

export interface Contribution {
  because: string | null;
  source: string;
  points: number;
  text: string;
  category: string | null;
  alert_ids: readonly string[];
}

export interface Insight {
  framework_id: string;
  /** 2026-01-31, of UTC. */
  day: string;
  at: string;
  /** 0 to 100; null: nothing is known. */
  health: number | null;
  risk: number | null;
  categories: readonly { category: string; health: number | null }[];
  pulled_down: readonly Contribution[];
  risks: readonly Contribution[];
  trends: readonly { days: number; change: number | null; note: string | null }[];
  note: string | null;
  explanation: { text: string; model: string; at: string } | null;
}

export interface DayScore {
  day: string;
  health: number | null;
  risk: number | null;
}

export interface FrameworkInsight {
  insight: Insight;
  /** Newest first. */
  scores: readonly DayScore[];
  recommendations: readonly Recommendation[];
}

export const MEASURES = {
  raise_threshold: "move the threshold",
  add_hysteresis: "add hysteresis",
  wait: "wait before it rings",
  widen_window: "widen the window",
  silence: "silence",
  add_escalation: "add an escalation",
} as const;

export interface Recommendation {
  id: string;
  measure: keyof typeof MEASURES;
  framework_id: string;
  rule_id: string;
  rule_version: number;
  title: string;
  reason: string;
  /** A merge patch of the rule, or the object that would be made. */
  change: Record<string, unknown>;
  /** What of the rule the change would replace. */
  was: Record<string, unknown>;
  promise: {
    basis: "readings" | "alerts";
    since: string;
    until: string;
    before: { fired: number; notified: number };
    after: { fired: number; notified: number };
    note: string | null;
  };
  evidence: readonly string[];
  /** Why it cannot be done at a click. */
  cannot: string | null;
  /** The rule is another one by now than the one that was tried; `cannot` says what comes of it. */
  is_outdated: boolean;
  state: "open" | "applied" | "dismissed" | "gone";
  found_at: string;
  decided_at: string | null;
  decided_by: string | null;
  notes: string | null;
}

/** Whether a change is one of the rule; else an object is made beside it. */
export function changesRule({ measure }: Pick<Recommendation, "measure">): boolean {
  return measure !== "silence" && measure !== "add_escalation";
}

/** `would have sent 14 instead of 212`; of somebody who is told sooner it is more. */
export function promiseOf({ promise: { before, after } }: Pick<Recommendation, "promise">): string {
  return `would have sent ${number(after.notified)} instead of ${number(before.notified)}`;
}

export type Verdict = "good" | "notable" | "bad" | "neutral";

/** Under 70 somebody has to look: where the engine rings for its own health. Under 90 is the page's own word. */
export function verdictOf(health: number | null): { kind: Verdict; word: string } {
  if (health === null) return { kind: "neutral", word: "unknown" };
  if (health < 70) return { kind: "bad", word: "poor" };
  return health < 90 ? { kind: "notable", word: "fair" } : { kind: "good", word: "good" };
}

/** `3.5 up in 7 days`; why not, if it cannot be told. */
export function trendOf({ days, change, note }: Insight["trends"][number]): string {
  if (change === null) return `${days} days: ${note ?? "not known"}`;
  if (change === 0) return `${days} days: as before`;
  return `${days} days: ${number(Math.abs(change))} ${change > 0 ? "better" : "worse"} than before`;
}

const DAY_MS = 86_400_000;

/** Each day from the oldest score to the newest one, the oldest first; unknown on those that the engine did not score. */
export function daysOf(scores: readonly DayScore[]): DayScore[] {
  const known = new Map(scores.map((score) => [score.day, score]));
  const [newest, oldest] = [scores[0], scores.at(-1)];
  if (!newest || !oldest) return [];
  const days: DayScore[] = [];
  for (let at = Date.parse(oldest.day); at <= Date.parse(newest.day); at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push(known.get(day) ?? { day, health: null, risk: null });
  }
  return days;
}

/** A score as it is shown. */
export function scoreOf(score: number | null): string {
  return score === null ? "–" : number(score);
}

/** Rows of what a change makes different: the field, as it is, as it would be. `now` null: nothing is there yet. */
export function differences(
  change: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>> | null,
): { field: string; before: string; after: string }[] {
  return Object.entries(change).map(([field, after]) => ({
    field,
    before: now ? valueOf(now[field]) : "",
    after: valueOf(after),
  }));
}

function valueOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
