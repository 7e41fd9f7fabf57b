/** Rules that many people want, to begin from: what is left to say is what and how much. Pure. */
import type { Draft } from "./fields.ts";

export interface Template {
  name: string;
  title: string;
  says: string;
  draft: Partial<Draft>;
}

const PERFORMANCE = { kind: "performance", severity: "error" } as const;

export const TEMPLATES: readonly Template[] = [
  {
    name: "high",
    title: "Too high, or too low",
    says: "The newest value of a metric is above a threshold.",
    draft: { kind: "threshold", title: "{{ metric }} is {{ value }}" },
  },
  {
    name: "lasting",
    title: "Too high for a while",
    says: "The mean of five minutes is above a threshold; single spikes do not ring.",
    draft: {
      kind: "threshold",
      aggregate: "avg",
      window_s: "5m",
      for_s: "2m",
      severity: "error",
      title: "{{ metric }} is {{ value }} over 5 min",
    },
  },
  {
    name: "corridor",
    title: "Outside of a range",
    says: "A value leaves the range in which it belongs.",
    draft: { kind: "threshold", comparison: "outside", title: "{{ metric }} is {{ value }}: out of its range" },
  },
  {
    name: "silent",
    title: "Gone silent",
    says: "A series that was there sends nothing for five minutes.",
    draft: {
      kind: "threshold",
      aggregate: "count",
      comparison: "<",
      threshold: "0",
      window_s: "5m",
      no_data: "alert",
      no_data_s: "5m",
      severity: "error",
      title: "{{ metric }} of {{ framework }} is silent",
    },
  },
  {
    name: "slow",
    title: "Slower than promised",
    says: "The 95th percentile of five minutes is above a threshold.",
    draft: { ...PERFORMANCE, window_s: "5m", at_least: "5", title: "{{ metric }} p95 is above {{ threshold }}" },
  },
  {
    name: "errors",
    title: "Too many errors",
    says: "Errors of all requests in five minutes are above 5 %.",
    draft: {
      ...PERFORMANCE,
      objective: "error_rate",
      threshold: "0.05",
      window_s: "5m",
      at_least: "100",
      title: "{{ framework }}: too many errors",
    },
  },
  {
    name: "budget",
    title: "The error budget burns",
    says: "Two windows: a month's budget would be gone in two days. It ends soon after its cause.",
    draft: {
      ...PERFORMANCE,
      objective: "burn_rate",
      threshold: "14.4",
      slo: "0.999",
      window_s: "1h",
      short_window_s: "5m",
      at_least: "100",
      severity: "critical",
      title: "{{ framework }}: the error budget burns",
    },
  },
  {
    name: "goal",
    title: "A goal is reached",
    says: "Once for each goal, and on the way there.",
    draft: {
      kind: "milestone",
      goals: "1000, 10000",
      progress: "50, 90",
      is_cumulative: "true",
      severity: "info",
      title: "{{ goal }} {{ metric }}",
    },
  },
  {
    name: "odd",
    title: "Unlike itself",
    says: "A series deviates from its own past; no threshold needed.",
    draft: { kind: "anomaly", title: "{{ metric }} is unusual: {{ value }}" },
  },
];
