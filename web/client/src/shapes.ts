/**
 * Can a message be read? What is counted on is looked at, everything else is let through: fields that are not known are
 * ignored, as every reader of the wire does. A word that we do not know makes a message unreadable as a whole: it is
 * not shown as something that it is not, and if it was an event, the next one shows a gap.
 */

import { ALERT_STATES, EVENT_KINDS, SEVERITIES, type ServerMessage } from "./messages.js";

type Check = (value: unknown) => boolean;
type Fields = Record<string, Check>;

const text: Check = (value) => typeof value === "string";
const number: Check = (value) => typeof value === "number";
const whole: Check = (value) => Number.isInteger(value);
const flag: Check = (value) => typeof value === "boolean";
const oneOf =
  (words: readonly string[]): Check =>
  (value) =>
    words.includes(value as string);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const record =
  (fields: Fields): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => check((value as Record<string, unknown>)[name]));

const severity = oneOf(SEVERITIES);
const state = oneOf(ALERT_STATES);
const alert = record({ id: text, framework_id: text, severity, state, title: text, triggered_at: text });
const change = record({ at: text, state: maybe(state), severity: maybe(severity) });
const result = record({ status: text, reason: text });
const place: Fields = { channel: text, epoch: text, offset: whole };
const hint: Fields = { channel: text, data: record({}) };

const FIELDS: Record<ServerMessage["type"], Fields> = {
  auth_success: { clientId: text, workspaceId: text, userId: text, expiresAt: text, ping: number },
  auth_failed: { code: whole, message: text },
  subscribed: { ...place, recovered: flag, reason: text },
  snapshot: { ...place, alerts: listOf(alert), page: whole, last: flag },
  unsubscribed: { channel: text, code: maybe(whole) },
  alert: {
    ...place,
    prev: whole,
    event: oneOf(EVENT_KINDS),
    timestamp: text,
    data: maybe(alert),
    alertIds: maybe(listOf(text)),
    change: maybe(change),
  },
  accepted: { results: listOf(result) },
  marked_read: { read: whole, unread: whole },
  position: { ...place, at: text },
  gap: { channel: text, epoch: text, prev: whole, from: whole, to: whole, count: whole, reason: text },
  broadcast: { target: text, message: text, by: text, at: text },
  workflow_updated: hint,
  alerts_refresh: hint,
  new_alert: hint,
  pattern_found: hint,
  incident: hint,
  notification: { channel: text, key: text, kind: text, alert, text, unread: whole },
  pong: {},
  error: { code: whole, message: text, temporary: flag },
  bye: { code: whole, reason: text, reconnectAfterMs: whole },
};

/** Whether this is a message that we know, with what we count on. */
export function isServerMessage(value: unknown): value is ServerMessage {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  return (
    typeof type === "string" && Object.hasOwn(FIELDS, type) && record(FIELDS[type as ServerMessage["type"]])(value)
  );
}
