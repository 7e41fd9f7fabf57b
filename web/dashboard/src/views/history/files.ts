/**
 * Alerts as a file: CSV (RFC 4180) for a spreadsheet, or JSON as the engine tells them. Pure.
 *
 * What stands in an alert comes from machines and people anywhere. A spreadsheet takes a cell that begins with one of
 * = + - @, tab or carriage return for a formula, which may send the sheet's content elsewhere when it is opened; such a
 * text gets an apostrophe in front, as OWASP advises ("CSV Injection"). Numbers are ours and stay numbers.
 */
import type { Alert } from "../../alerts.ts";

const COLUMNS = [
  "id",
  "triggered_at",
  "severity",
  "state",
  "framework_id",
  "title",
  "message",
  "current_value",
  "threshold_value",
  "occurrences",
  "last_seen_at",
  "rule_id",
  "alert_type",
  "labels",
  "assigned_to",
  "acknowledged_at",
  "acknowledged_by",
  "resolved_at",
  "resolved_by",
  "notes",
  "notes_by",
  "project_id",
  "step_id",
] as const satisfies readonly (keyof Alert)[];

/** With a byte order mark: without one a spreadsheet takes UTF-8 for something else. */
export function csvOf(alerts: readonly Alert[]): string {
  const rows = alerts.map((alert) => COLUMNS.map((name) => cell(alert[name])).join(","));
  return `\ufeff${[COLUMNS.join(","), ...rows].join("\r\n")}\r\n`;
}

export function jsonOf(alerts: readonly Alert[]): string {
  return `${JSON.stringify(alerts, null, 2)}\n`;
}

const IS_FORMULA = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

export function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const harmless = IS_FORMULA.test(text) || /^[\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) || harmless !== text ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** `alerts-2026-11-22T23-05-00Z.csv`: when it was made. */
export function nameOf(now: Date, form: "csv" | "json"): string {
  return `alerts-${now.toISOString().slice(0, 19).replaceAll(":", "-")}Z.${form}`;
}
