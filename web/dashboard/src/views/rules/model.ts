/** Rules as the engine shows them (`GET /api/v1/rules`), and what it says of them. Times ending in `_s` are seconds. */
import type { ItemResult, Severity } from "@tocsin/client";

export const KINDS = ["threshold", "performance", "milestone", "anomaly"] as const;
export type Kind = (typeof KINDS)[number];

/** A rule with its kind's own fields; what is shown beside them says which version it is, and whose. */
export interface Rule {
  kind: Kind;
  id: string;
  framework: string;
  metric: string;
  title: string;
  severity: Severity;
  enabled: boolean;
  version: number;
  /** `config`: it comes from the configuration (tocsin.toml, or what watches the host and the engine), and is changed there. */
  origin: string;
  updated_at: string | null;
  updated_by: string | null;
  archived_at: string | null;
  [field: string]: unknown;
}

export const SERIES_STATES = ["idle", "pending", "firing", "keeping", "no_data"] as const;
export type SeriesState = (typeof SERIES_STATES)[number];

/** What a rule sees of one series now. */
export interface SeriesSeen {
  framework_id: string;
  labels: Record<string, string>;
  state: SeriesState;
  value: number | null;
  limit: number | null;
  last_at: string | null;
  since: string | null;
  until: string | null;
  alert_id: string | null;
  no_data_alert_id: string | null;
  reached: string[];
}

export interface Version {
  version: number;
  at: string;
  by: string;
  verb: string;
  archived: boolean;
  object: Record<string, unknown> | null;
}

export interface BacktestEvent {
  at: string;
  event: string;
  severity: Severity;
  title: string;
  value: number | null;
  threshold: number | null;
  labels: Record<string, string>;
  swallowed: number;
  quieted_by: string | null;
  notifies: boolean;
}

export interface Suppressed {
  reason: string;
  first_at: string;
  last_at: string;
  count: number;
}

/** What a rule would have told. */
export interface Backtest {
  readings: number;
  reasons: Record<string, number>;
  told: Record<string, number>;
  events: BacktestEvent[];
  more: number;
  notified: number;
  suppressed: Suppressed[];
  note: string | null;
  resolution?: string | null;
}

export interface Tried {
  backtest: Backtest;
  sent: ItemResult | null;
}

/** A reading, or what a minute or hour of them came to. */
export interface Reading {
  at: string;
  labels: Record<string, string>;
  value: number;
}

export interface SeriesInfo {
  metric: string;
  labels: Record<string, string>;
  last_at: string | null;
  last_value: number | null;
}

export interface BulkResult {
  id: string;
  status: "done" | "missing" | "conflict" | "refused";
  message?: string;
}

export interface ImportResults {
  results: { id: string; action: "create" | "change" | "unchanged" }[];
  left_out: { group: string; rule: string; part: string; reason: string }[];
}
