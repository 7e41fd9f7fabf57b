/** Stretches of time that alerts are counted by: all of them, also those without alerts, as the drawings need them. Pure. */
import type { CountedAlerts, Counts, Figures, Width } from "./counts.ts";
import type { Piece } from "../history/pieces.ts";

const HOUR_MS = 3_600_000;
const LENGTH_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS } as const;

export interface Stretch {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  /** Null: there were no alerts. */
  figures: CountedAlerts | null;
}

/** The engine leaves out what has no alerts. */
export function stretchesOf({ by, since, until, items }: Counts): Stretch[] {
  const counted = new Map(items.map((item) => [Date.parse(item.since), item]));
  const stretches: Stretch[] = [];
  const end = Date.parse(until);
  for (let from = Date.parse(since); from < end;) {
    const to = endOf(by, from);
    stretches.push({ from, to, figures: counted.get(from) ?? null });
    from = to;
  }
  return stretches;
}

function endOf(by: Width, from: number): number {
  if (by !== "month") return from + LENGTH_MS[by];
  const month = new Date(from);
  return Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1);
}

/** How many of each severity, in the same stretches. */
export function piecesOf(stretches: readonly Stretch[], bySeverity: readonly CountedAlerts[]): Piece[] {
  const pieces = stretches.map(({ from, to }) => ({ from, to, counts: none(), total: 0 }));
  const places = new Map(pieces.map((piece) => [piece.from, piece]));
  for (const { since, severity, alerts } of bySeverity) {
    const piece = places.get(Date.parse(since));
    if (!piece || !severity) continue;
    piece.counts[severity] += alerts;
    piece.total += alerts;
  }
  return pieces;
}

/** The only one of several that has alerts; null: there is none, or more than one. */
export function onlyOf(stretches: readonly Stretch[]): Stretch | null {
  const [first, second] = stretches.filter(({ figures }) => figures !== null);
  return first && !second && stretches.length > 1 ? first : null;
}

function none(): Piece["counts"] {
  return { info: 0, warning: 0, error: 0, critical: 0 };
}

/** One figure of each stretch; null where it cannot be told. */
export function valuesOf(
  stretches: readonly Stretch[],
  figure: (figures: Figures) => number | null,
): (number | null)[] {
  return stretches.map(({ figures }) => figures && figure(figures));
}

const DATES: Readonly<Record<Exclude<Width, "hour">, Intl.DateTimeFormat>> = {
  day: new Intl.DateTimeFormat(undefined, { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" }),
  week: new Intl.DateTimeFormat(undefined, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" }),
  month: new Intl.DateTimeFormat(undefined, { timeZone: "UTC", month: "long", year: "numeric" }),
};
const HOURS = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/** What a stretch is called: hours by the viewer's clock, days, weeks and months by their UTC names. */
export function nameOf(by: Width, from: number): string {
  const at = new Date(from);
  if (by === "hour") return HOURS.format(at);
  return by === "week" ? `Week of ${DATES.week.format(at)}` : DATES[by].format(at);
}
