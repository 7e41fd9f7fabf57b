/** The words of quieting, as docs/quieting.md has them; and the plain functions of its view. Pure. */
import { duration } from "../../times.ts";

export const OPERATORS = ["=", "!=", "=~", "!~"] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Matcher {
  name: string;
  operator: Operator;
  value: string;
}

export type QuietState = "pending" | "active" | "expired";

/** What is shown with every object. */
export interface Kept {
  id: string;
  version: number;
  state: QuietState;
  created_at: string | null;
  updated_at: string | null;
  updated_by: string | null;
  archived_at: string | null;
}

export interface Silence extends Kept {
  matchers: Matcher[];
  starts_at: string;
  ends_at: string;
  author: string;
  comment: string;
}

export interface Weekly {
  start: string;
  end: string;
  days: string[];
  zone: string;
}

export interface Maintenance extends Kept {
  title: string;
  frameworks: string[];
  matchers: Matcher[];
  starts_at: string | null;
  ends_at: string | null;
  weekly: Weekly | null;
}

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

/** `host=~"web-.*"`: as Alertmanager and `tocsin silences add` write it. */
export function matcherText({ name, operator, value }: Matcher): string {
  return `${name}${operator}${JSON.stringify(value)}`;
}

/** What is wrong with it; null: nothing. Pasted text is taken whole, with or without quotes around the value. */
export function matcherOf(text: string): Matcher | null {
  const [, name, operator, value] = /^\s*([^\s=!~"{},]+)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) return null;
  return { name, operator: operator as Operator, value: unquoted(value) };
}

function unquoted(text: string): string {
  if (!/^".*"$/s.test(text)) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, (_, letter: string) => (letter === "n" ? "\n" : letter));
}

/** Those that say something: an empty row of the form is none. */
export function filled(matchers: readonly Matcher[]): Matcher[] {
  return matchers.filter((each) => each.name.trim() !== "").map((each) => ({ ...each, name: each.name.trim() }));
}

/** As the engine sees it (`at least one must not match an empty label`), as far as it can be seen without RE2. */
export function matchersFault(matchers: readonly Matcher[]): string | undefined {
  const said = filled(matchers);
  if (matchers.some((each) => each.name.trim() === "" && each.value !== "")) return "A value needs a label before it.";
  if (said.length === 0) return "Say which alerts: a label and its value, such as host = web-1.";
  const meansAll = said.every(({ operator, value }) => operator === (value === "" ? "=" : "!="));
  return meansAll ? "At least one must say what a label is, or everything is silenced." : undefined;
}

export const LENGTHS = {
  "30m": ["30 minutes", 30],
  "2h": ["2 hours", 120],
  "8h": ["8 hours", 480],
  "1d": ["1 day", 1_440],
  "7d": ["7 days", 10_080],
} as const satisfies Record<string, readonly [string, number]>;
export type Length = keyof typeof LENGTHS | "until";

const MINUTE_MS = 60_000;

export function endOf(startsAt: number, length: Exclude<Length, "until">): Date {
  return new Date(startsAt + LENGTHS[length][1] * MINUTE_MS);
}

/** `sat, sun 22:00–06:00 (Europe/Berlin)` */
export function weeklyText({ days, start, end, zone }: Weekly): string {
  return `${days.length === 0 ? "every day" : days.join(", ")} ${start}–${end} (${zone})`;
}

/** How much is left, or how long until it begins: `45 min left`, `in 2 h`. */
export function restText({ state, starts_at, ends_at }: Pick<Silence, "state" | "starts_at" | "ends_at">, now: number) {
  if (state === "pending") return `in ${duration(Date.parse(starts_at) - now)}`;
  if (state === "expired") return `${duration(now - Date.parse(ends_at))} ago`;
  return `${duration(Date.parse(ends_at) - now)} left`;
}

const RANK: Record<QuietState, number> = { active: 0, pending: 1, expired: 2 };

/** Active ones first, those that end soonest on top; then those to come; what is over last, the newest first. */
export function ordered<Q extends Pick<Kept, "state"> & { starts_at: string | null; ends_at: string | null }>(
  items: readonly Q[],
): Q[] {
  return [...items].sort((a, b) => RANK[a.state] - RANK[b.state] || keyOf(a) - keyOf(b));
}

function keyOf(item: Pick<Kept, "state"> & { starts_at: string | null; ends_at: string | null }): number {
  const at = Date.parse((item.state === "pending" ? item.starts_at : item.ends_at) ?? "");
  if (Number.isNaN(at)) return Number.MAX_SAFE_INTEGER;
  return item.state === "expired" ? -at : at;
}

/** When the next of them begins or ends; null: nothing of that is to come. */
export function nextChange(
  items: readonly { starts_at: string | null; ends_at: string | null }[],
  now: number,
): number | null {
  const moments = items.flatMap(({ starts_at, ends_at }) => [starts_at, ends_at]).map((at) => Date.parse(at ?? ""));
  const coming = moments.filter((at) => at > now);
  return coming.length === 0 ? null : Math.min(...coming);
}
