/** How people are told, where notifications go, and what became of them: the words of docs/notifications.md. Pure. */
import type { Alert, Severity } from "../../alerts.ts";

/** How a person can be told. */
export const PERSONAL = ["in_app", "email", "slack"] as const;
export type Personal = (typeof PERSONAL)[number];
export const CHANNEL_SAYS: Record<string, string> = {
  in_app: "in the app",
  email: "mail",
  slack: "Slack",
  webhook: "webhook",
  apprise: "Apprise",
};

interface Kept {
  id: string;
  version: number;
  updated_at: string | null;
  updated_by: string | null;
}

export interface User extends Kept {
  name: string;
  email: string;
  slack_id: string;
  zone: string;
  role: string;
}

export interface QuietHours {
  start: string;
  end: string;
  days: string[];
}

export interface Digest {
  frequency: "off" | "hourly" | "daily";
  hour: number;
  up_to: Severity;
}

/** A report by mail about the week before. `frameworks`: about these only; empty: all. */
export interface WeeklyReport {
  day: string;
  hour: number;
  frameworks: string[];
}

export interface Preference extends Kept {
  channels: Partial<Record<Severity, Personal[]>>;
  quiet_hours: QuietHours | null;
  quiet_below: Severity;
  digest: Digest;
  weekly_report: WeeklyReport | null;
  zone: string | null;
  /** What the engine thinks of it: a digest that would always be empty, say. */
  advice?: string[];
  unknown?: string[];
}

/** What holds for a severity without an entry. */
const USUAL: Record<Severity, readonly Personal[]> = {
  critical: ["in_app", "email"],
  error: ["in_app", "email"],
  warning: ["in_app"],
  info: ["in_app"],
};

export interface PreferenceDraft {
  channels: Record<Severity, Personal[]>;
  hasQuietHours: boolean;
  quiet_hours: QuietHours;
  quiet_below: Severity;
  digest: Digest;
  hasReport: boolean;
  weekly_report: WeeklyReport;
  zone: string;
}

export function preferenceDraft(kept: Preference | null): PreferenceDraft {
  const of = (severity: Severity) => [...(kept?.channels[severity] ?? USUAL[severity])];
  return {
    channels: { critical: of("critical"), error: of("error"), warning: of("warning"), info: of("info") },
    hasQuietHours: Boolean(kept?.quiet_hours),
    quiet_hours: kept?.quiet_hours ?? { start: "22:00", end: "07:00", days: [] },
    quiet_below: kept?.quiet_below ?? "critical",
    digest: kept?.digest ?? { frequency: "off", hour: 8, up_to: "warning" },
    hasReport: Boolean(kept?.weekly_report),
    weekly_report: kept?.weekly_report ?? { day: "mon", hour: 8, frameworks: [] },
    zone: kept?.zone ?? "",
  };
}

export function preferenceBody(draft: PreferenceDraft, user: string) {
  return {
    id: user,
    channels: draft.channels,
    quiet_hours: draft.hasQuietHours ? draft.quiet_hours : null,
    quiet_below: draft.quiet_below,
    digest: draft.digest,
    weekly_report: draft.hasReport ? draft.weekly_report : null,
    zone: draft.zone.trim() || null,
  };
}

export function preferenceFaults(draft: PreferenceDraft): Partial<Record<keyof PreferenceDraft, string>> {
  const { start, end } = draft.quiet_hours;
  if (!draft.hasQuietHours) return {};
  if (!start || !end) return { quiet_hours: "Say when they begin and end." };
  return start === end ? { quiet_hours: "They begin and end at the same time: choose two." } : {};
}

/** With or without a channel, in the order in which they are always written. */
export function turned(channels: readonly Personal[], channel: Personal): Personal[] {
  return PERSONAL.filter((each) => (each === channel) !== channels.includes(each));
}

export type EndpointChannel = "webhook" | "slack" | "email" | "apprise";
export const ENDPOINT_CHANNELS: readonly EndpointChannel[] = ["webhook", "slack", "email", "apprise"];
export const FORMATS = ["tocsin", "alertmanager", "pagerduty", "cloudevents"] as const;

export interface Health {
  circuit: "closed" | "open";
  failures_in_a_row: number;
  waiting: number;
  sent: number;
  failed: number;
  held_until: string | null;
  last_sent_at: string | null;
  last_failed_at: string | null;
  last_cause: string;
}

export interface Endpoint extends Kept {
  name: string;
  channel: EndpointChannel;
  url: string;
  address: string;
  format: (typeof FORMATS)[number];
  min_severity: Severity;
  frameworks: string[];
  enabled: boolean;
  title: string;
  message: string;
  secrets: { since: string; until: string | null }[];
  unreachable: string;
  why_off: string;
  /** Only in the answer that made it. */
  secret?: string;
  health?: Health | null;
}

export interface EndpointDraft {
  id: string;
  name: string;
  channel: EndpointChannel;
  /** Slack only: through a bot, or an incoming webhook. */
  isBot: boolean;
  url: string;
  address: string;
  secret: string;
  format: (typeof FORMATS)[number];
  min_severity: Severity;
  frameworks: string;
  title: string;
  message: string;
}

export function endpointDraft(kept: Endpoint | null, channel: EndpointChannel): EndpointDraft {
  return {
    id: kept?.id ?? "",
    name: kept?.name ?? "",
    channel: kept?.channel ?? channel,
    isBot: kept !== null && kept.channel === "slack" && kept.address !== "",
    url: kept?.url ?? "",
    address: kept?.address ?? "",
    secret: "",
    format: kept?.format ?? "tocsin",
    min_severity: kept?.min_severity ?? "info",
    frameworks: kept?.frameworks.join(", ") ?? "",
    title: kept?.title ?? "",
    message: kept?.message ?? "",
  };
}

/** Which of the fields a channel has. */
export function fieldsOf({ channel, isBot, format }: Pick<EndpointDraft, "channel" | "isBot" | "format">) {
  const isSlackBot = channel === "slack" && isBot;
  return {
    url: channel === "webhook" || channel === "apprise" || (channel === "slack" && !isBot),
    address: channel === "email" || isSlackBot,
    secret: channel === "webhook" || isSlackBot,
    needsSecret: isSlackBot || (channel === "webhook" && format === "pagerduty"),
    format: channel === "webhook",
  };
}

export function endpointFaults(draft: EndpointDraft, isNew: boolean): Partial<Record<keyof EndpointDraft, string>> {
  const has = fieldsOf(draft);
  const faults: Partial<Record<keyof EndpointDraft, string>> = {};
  if (isNew && !draft.id.trim()) faults.id = "Give it a short name, such as pager.";
  // PagerDuty's address is PagerDuty's by itself.
  if (has.url && draft.format !== "pagerduty" && !draft.url.trim()) faults.url = "Say where it is.";
  if (has.address && !draft.address.trim()) faults.address = "Say where it is.";
  if (isNew && has.needsSecret && !draft.secret) faults.secret = "This needs its key or token.";
  return faults;
}

/** Fields that the channel has not are empty; no secret means the present one. */
export function endpointBody(draft: EndpointDraft): Record<string, unknown> {
  const has = fieldsOf(draft);
  const { channel, min_severity, title, message } = draft;
  return {
    id: draft.id.trim(),
    name: draft.name.trim(),
    channel,
    url: has.url ? draft.url.trim() : "",
    address: has.address ? draft.address.trim() : "",
    ...(has.secret && draft.secret && { secret: draft.secret }),
    format: has.format ? draft.format : "tocsin",
    min_severity,
    frameworks: [...new Set(draft.frameworks.split(/[\s,]+/).filter(Boolean))],
    title,
    message,
  };
}

/** Where it goes, as far as that is shown. */
export function targetOf({ url, address }: Pick<Endpoint, "url" | "address">): string {
  return [address, url].filter(Boolean).join(" at ") || "–";
}

/** What is wrong with it now, in the engine's words; null: nothing that we know. */
export function troubleOf({ enabled, why_off, unreachable, health }: Endpoint): string | null {
  if (!enabled) return why_off || null;
  if (health?.circuit === "open") return `it keeps failing, and is tried every 30 s (${health.last_cause})`;
  return unreachable || null;
}

export const DELIVERY_STATES = ["queued", "sent", "delivered", "failed", "suppressed", "acknowledged", "read"] as const;

export interface Delivery {
  key: string;
  channel: string;
  recipient: string;
  change: string;
  state: (typeof DELIVERY_STATES)[number];
  why: string | null;
  attempts: number;
  at: string;
  updated_at: string;
  explanation: string;
}

export interface Wanted {
  state: string;
  channel: string;
  recipient: string;
}

export function found(lines: readonly Delivery[], { state, channel, recipient }: Wanted): Delivery[] {
  return lines.filter(
    (line) =>
      (!state || line.state === state) &&
      (!channel || line.channel === channel) &&
      (!recipient || line.recipient.toLowerCase().includes(recipient.toLowerCase())),
  );
}

export interface Told {
  key: string;
  kind: string;
  at: string;
  is_read: boolean;
  alert: Alert | null;
}

/** The list with some of it read; `keys` null: all of it. */
export function asRead(items: readonly Told[], keys: readonly string[] | null): Told[] {
  return items.map((each) => (keys === null || keys.includes(each.key) ? { ...each, is_read: true } : each));
}
