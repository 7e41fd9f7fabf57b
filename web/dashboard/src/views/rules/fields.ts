/**
 * The fields of a rule as a person edits them: how each is written, and which are asked for.
 *
 * Fields have the engine's names, so that what it refuses finds its field. Each is held as text while it is edited
 * (see draft.ts); a field that means nothing to the rule as it stands is neither shown nor sent. Pure.
 */
import { SEVERITIES } from "@tocsin/client";

import { type Kind, KINDS } from "./model.ts";

/** How a field is written: `pairs` are lines of name=value, `names` and `numbers` are separated by commas. */
export type Form = "text" | "long" | "number" | "span" | "pairs" | "names" | "numbers" | "flag" | "choice";

export interface FieldSpec {
  form: Form;
  label: string;
  hint?: string;
  /** What stands there if nothing is said, as it is edited. */
  first?: string;
  isRequired?: boolean;
  options?: readonly (string | readonly [string, string])[];
}

const COMPARISONS = [
  [">", "is above"],
  [">=", "is at least"],
  ["<", "is below"],
  ["<=", "is at most"],
  ["==", "is exactly"],
  ["!=", "is not"],
  ["between", "is between"],
  ["outside", "is outside"],
] as const;
const AGGREGATES = [
  ["last", "newest value"],
  ["avg", "mean (avg)"],
  ["min", "lowest (min)"],
  ["max", "highest (max)"],
  ["sum", "sum"],
  ["count", "number of readings (count)"],
  ["rate", "change per second (rate)"],
] as const;

export const FIELDS = {
  kind: { form: "choice", label: "Kind", options: KINDS, first: "threshold" },
  id: { form: "text", label: "Id", hint: "Letters, digits, spaces or ._-/@: – it stays as it is." },
  framework: { form: "text", label: "Framework", isRequired: true, hint: "The service that the readings are of." },
  metric: { form: "text", label: "Metric", isRequired: true },
  match: { form: "pairs", label: "Only series with", hint: "One label a line, as host=web-1. Empty: all series." },

  aggregate: { form: "choice", label: "Of these readings the", options: AGGREGATES, first: "last" },
  comparison: { form: "choice", label: "Rings when it", options: COMPARISONS, first: ">" },
  threshold: { form: "number", label: "Threshold", isRequired: true },
  upper: { form: "number", label: "Upper end", isRequired: true },
  window_s: { form: "span", label: "Over the last", hint: "5m, 1h, 2d; at most 7d." },
  recovery: { form: "number", label: "Over when back at", hint: "Empty: as soon as it is on the right side again." },

  objective: {
    form: "choice",
    label: "Objective",
    options: [
      ["percentile", "percentile: slower than promised"],
      ["error_rate", "error rate: errors of all requests"],
      ["burn_rate", "burn rate: how fast the error budget goes"],
    ],
    first: "percentile",
  },
  percentile: { form: "number", label: "Percentile", first: "95", hint: "50 to 99.9." },
  total_metric: {
    form: "text",
    label: "Metric of all requests",
    isRequired: true,
    hint: "What the errors are divided by.",
  },
  slo: { form: "number", label: "Objective (SLO)", first: "0.999", hint: "0.999 allows one error in a thousand." },
  short_window_s: { form: "span", label: "And over the short", hint: "5m: ends soon after its cause. Empty: none." },
  at_least: {
    form: "number",
    label: "From so many on",
    first: "1",
    hint: "Fewer readings, or a smaller total, say nothing.",
  },

  goals: { form: "numbers", label: "Goals", isRequired: true, hint: "1000, 10000: each rings once." },
  progress: { form: "numbers", label: "Also told at (%)", hint: "50, 90: percent of the last goal." },
  is_cumulative: { form: "flag", label: "Readings are added up", hint: "Else each says where the metric stands." },

  sensitivity: {
    form: "number",
    label: "Sensitivity",
    first: "6",
    hint: "Deviations from what is usual: 4 rings often, 10 seldom.",
  },
  direction: { form: "choice", label: "Direction", options: ["both", "up", "down"], first: "both" },
  season: {
    form: "choice",
    label: "It repeats with the",
    options: [["none", "nothing"], "hour", "day", "week"],
    first: "none",
  },
  warm_up: { form: "number", label: "Learns from", first: "100", hint: "Readings that only teach: 10 to 100000." },

  for_s: { form: "span", label: "Must hold for", hint: "Empty: rings at once." },
  keep_firing_for_s: {
    form: "span",
    label: "Goes on for",
    hint: "After it holds no more; a relapse is the same alert.",
  },
  no_data: {
    form: "choice",
    label: "When a series is silent",
    options: [
      ["keep", "nothing"],
      ["ok", "all is well: its alert ends"],
      ["alert", "an alert of its own"],
    ],
    first: "keep",
  },
  no_data_s: { form: "span", label: "Silent after", first: "5m" },

  severity: { form: "choice", label: "Severity", options: SEVERITIES, first: "warning" },
  title: {
    form: "text",
    label: "Title",
    hint: "May have {{ value }}, {{ threshold }}, {{ metric }}, {{ labels.host }} in it.",
  },
  message: { form: "long", label: "Message" },
  labels: { form: "pairs", label: "Labels of its alerts", hint: "One a line, as team=search." },
  annotations: { form: "pairs", label: "Annotations", hint: "One a line, as runbook=https://…" },

  notify: { form: "names", label: "Told to endpoints", hint: "Names, with commas. Empty: as the routing says." },
  suppression_s: { form: "span", label: "Not told again for", hint: "Empty: the engine's own window." },
  suppress_by: {
    form: "choice",
    label: "One alert for",
    options: [
      ["identity", "each series"],
      ["rule", "the whole rule"],
    ],
    first: "identity",
  },

  hours: { form: "flag", label: "Only at some hours" },
  start: { form: "text", label: "From", first: "09:00" },
  end: { form: "text", label: "To", first: "17:00", hint: "Earlier than its start: past midnight." },
  days: { form: "names", label: "Days", hint: "mon, tue, wed, thu, fri, sat, sun. Empty: every day." },
  zone: { form: "text", label: "Time zone", first: "UTC" },
  enabled: { form: "flag", label: "In force", first: "true" },
} as const satisfies Record<string, FieldSpec>;

export type Field = keyof typeof FIELDS;
/** A rule while it is edited: each field as text; a flag is "true" or empty. */
export type Draft = Record<Field, string>;

export const GROUPS: readonly { title: string; fields: readonly Field[]; isAside?: boolean }[] = [
  { title: "What it watches", fields: ["kind", "framework", "metric", "match"] },
  {
    title: "When it rings",
    fields: [
      ...(["aggregate", "comparison", "objective", "percentile", "total_metric", "threshold", "upper", "slo"] as const),
      ...(["window_s", "short_window_s", "at_least", "recovery", "goals", "progress", "is_cumulative"] as const),
      ...(["sensitivity", "direction", "season", "warm_up"] as const),
    ],
  },
  { title: "What it says", fields: ["title", "severity", "id", "message"] },
  { title: "How long, and silence", fields: ["for_s", "keep_firing_for_s", "no_data", "no_data_s"], isAside: true },
  {
    title: "Who is told, and how often",
    fields: ["notify", "suppression_s", "suppress_by", "labels", "annotations"],
    isAside: true,
  },
  {
    title: "Active hours, and whether it is in force",
    fields: ["hours", "start", "end", "days", "zone", "enabled"],
    isAside: true,
  },
];

export const HOURS: readonly Field[] = ["start", "end", "days", "zone"];
const RATES = ["error_rate", "burn_rate"];

const OF_KIND: Record<Kind, readonly Field[]> = {
  threshold: ["aggregate", "comparison", "threshold", "upper", "window_s", "recovery"],
  performance: [
    ...(["objective", "threshold", "window_s", "recovery", "percentile", "total_metric", "slo"] as const),
    ...(["short_window_s", "at_least"] as const),
  ],
  milestone: ["goals", "progress", "is_cumulative"],
  anomaly: ["sensitivity", "direction", "season", "warm_up"],
};
const OF_ONE_KIND = new Set(Object.values(OF_KIND).flat());
/** A milestone is reached once, at once, and stays reached. */
const NOT_OF_MILESTONES: readonly Field[] = ["for_s", "keep_firing_for_s", "no_data", "suppress_by"];

const ASKED_WHEN: Partial<Record<Field, (draft: Draft) => boolean>> = {
  upper: (draft) => isRange(draft),
  window_s: (draft) => draft.kind !== "threshold" || draft.aggregate !== "last",
  recovery: (draft) => draft.kind !== "threshold" || [">", ">=", "<", "<="].includes(draft.comparison),
  percentile: (draft) => draft.objective === "percentile",
  total_metric: (draft) => RATES.includes(draft.objective),
  slo: (draft) => draft.objective === "burn_rate",
  short_window_s: (draft) => draft.objective === "burn_rate",
  no_data_s: (draft) => draft.kind !== "milestone" && draft.no_data !== "keep",
};

function isRange({ comparison }: Draft): boolean {
  return comparison === "between" || comparison === "outside";
}

/** Whether a field means anything to the rule as it stands. */
export function isAsked(draft: Draft, field: Field): boolean {
  const kind = draft.kind as Kind;
  if (OF_ONE_KIND.has(field) && !OF_KIND[kind].includes(field)) return false;
  if (kind === "milestone" && NOT_OF_MILESTONES.includes(field)) return false;
  if (HOURS.includes(field)) return draft.hours === "true";
  return ASKED_WHEN[field]?.(draft) ?? true;
}
