/** Search by words: each must be somewhere, in any order, in capitals or not. Pure. */
import type { Alert } from "./alerts.ts";

/** A test for texts in lower case. No words: all pass. */
export function passingWords(wanted: string): (text: string) => boolean {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return (text) => words.every((word) => text.includes(word));
}

const texts = new WeakMap<Alert, string>();

/** All that one may look for in an alert; put together once for each, as every letter that is typed asks all of them. */
export function textOf(alert: Alert): string {
  const known = texts.get(alert);
  if (known !== undefined) return known;
  const { title, message, framework_id, rule_id, assigned_to, acknowledged_by, resolved_by, notes } = alert;
  const labels = Object.entries(alert.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const parts = [title, message, framework_id, rule_id, assigned_to, acknowledged_by, resolved_by, notes, ...labels];
  const text = parts.filter(Boolean).join("\n").toLowerCase();
  texts.set(alert, text);
  return text;
}
