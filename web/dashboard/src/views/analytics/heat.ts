/** When alerts come, by the hour of the week: how much of the most there is in each. Pure. */
import type { Counted } from "./counts.ts";

/** Seven rows, Monday first, of 24 hours of `zone`; `hours`: how many such hours there were. */
export interface HeatMap {
  zone: string;
  since: string;
  until: string;
  alerts: readonly (readonly number[])[];
  hours: readonly (readonly number[])[];
  fresh: Counted;
}

export const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
/** As many as one tells apart at a glance. */
export const LEVELS = 5;

export interface Cell {
  weekday: number;
  hour: number;
  alerts: number;
  /** How many such hours there were. */
  times: number;
  /** Alerts in each such hour, on average. */
  rate: number;
  /** 0: none; LEVELS: as many as in the worst hour. */
  level: number;
}

export function cellsOf({ alerts, hours }: Pick<HeatMap, "alerts" | "hours">): Cell[][] {
  const rate = (weekday: number, hour: number) => {
    const times = hours[weekday]?.[hour] ?? 0;
    return times === 0 ? 0 : (alerts[weekday]?.[hour] ?? 0) / times;
  };
  const rates = WEEKDAYS.map((_, weekday) => Array.from({ length: 24 }, (__, hour) => rate(weekday, hour)));
  const highest = Math.max(...rates.flat());
  return rates.map((row, weekday) =>
    row.map((each, hour) => ({
      weekday,
      hour,
      alerts: alerts[weekday]?.[hour] ?? 0,
      times: hours[weekday]?.[hour] ?? 0,
      rate: each,
      level: each === 0 ? 0 : Math.max(1, Math.ceil((each / highest) * LEVELS)),
    })),
  );
}

/** The hour with the most; null: there were no alerts. */
export function worstOf(cells: readonly (readonly Cell[])[]): Cell | null {
  const [first, ...rest] = cells.flat();
  if (!first) return null;
  const worst = rest.reduce((most, cell) => (cell.rate > most.rate ? cell : most), first);
  return worst.rate > 0 ? worst : null;
}

/** `Tuesday 9:00 to 10:00`. */
export function hourOfWeek({ weekday, hour }: Pick<Cell, "weekday" | "hour">): string {
  return `${WEEKDAYS[weekday] ?? ""} ${hour}:00 to ${hour + 1}:00`;
}
