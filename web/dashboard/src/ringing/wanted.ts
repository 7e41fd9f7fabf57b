/** Which events ring, and what matters in one number. Pure. */
import { type Alert, type AlertMessage, SEVERITIES, type Severity } from "../alerts.ts";

/** What somebody has to look after and nobody does: active, and not kept quiet. */
export function pressing(alerts: readonly Alert[]): { count: number; worst: Severity | null } {
  let [count, worst] = [0, -1];
  for (const { state, quieted_by, severity } of alerts) {
    if (state !== "active" || quieted_by) continue;
    count += 1;
    worst = Math.max(worst, SEVERITIES.indexOf(severity));
  }
  return { count, worst: SEVERITIES[worst] ?? null };
}

const RINGING: ReadonlySet<string> = new Set(["fired", "repeated", "raised", "reopened", "escalated"]);

/** The alert that an event rings for; null: it does not. */
export function ringsFor(message: AlertMessage, from: Severity): Alert | null {
  const alert = message.data;
  if (!alert || !RINGING.has(message.event) || alert.quieted_by || alert.state !== "active") return null;
  return SEVERITIES.indexOf(alert.severity) >= SEVERITIES.indexOf(from) ? alert : null;
}
