/** Times as people read them: in the viewer's zone, and how long ago. Pure. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `42 s`, `5 min`, `3 h`, `2 d`: one figure, rounded down, as a clock would show it. */
export function duration(ms: number): string {
  const length = Math.max(0, ms);
  if (length < MINUTE_MS) return `${Math.floor(length / SECOND_MS)} s`;
  if (length < HOUR_MS) return `${Math.floor(length / MINUTE_MS)} min`;
  if (length < 2 * DAY_MS) return `${Math.floor(length / HOUR_MS)} h`;
  return `${Math.floor(length / DAY_MS)} d`;
}

const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const hourAndMinute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndMinute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** As `local`, of times that nobody knows to the second. */
export function toTheMinute(at: Date, now: Date): string {
  return (at.toDateString() === now.toDateString() ? hourAndMinute : dayAndMinute).format(at);
}

/** In the viewer's zone; of today only the time. */
export function local(at: Date, now: Date): string {
  return at.toDateString() === now.toDateString() ? clockTime.format(at) : dayAndTime.format(at);
}

export function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A value as it is shown: at most four significant digits, no trailing noise. */
const figures = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const powers = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4, notation: "scientific" });

// Beyond these nobody counts the digits, and there may be three hundred of them.
const READABLE = { least: 1e-6, most: 1e15 };
// Where a column has no room for more: `1.235 M`, `1.23E-5`.
const BRIEF = { least: 1e-3, most: 1e6 };
// Not those of the viewer's language: in British English a million is "m".
const PREFIXES = [
  { from: 1e12, letter: "T" },
  { from: 1e9, letter: "G" },
  { from: 1e6, letter: "M" },
];

export function number(value: number): string {
  if (!isWithin(value, READABLE)) return powers.format(value);
  return Math.abs(value) >= 10_000 ? whole.format(value) : figures.format(value);
}

/** `1 alert`, `12 alerts`. */
export function several(count: number, one: string): string {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** As `number`, of at most nine characters or so. */
export function brief(value: number): string {
  if (isWithin(value, BRIEF)) return number(value);
  const prefix = PREFIXES.find(({ from }) => Math.abs(value) >= from);
  if (!prefix || !isWithin(value, READABLE)) return powers.format(value);
  return `${figures.format(value / prefix.from)} ${prefix.letter}`;
}

function isWithin(value: number, { least, most }: { least: number; most: number }): boolean {
  const size = Math.abs(value);
  return size === 0 || (size >= least && size < most);
}

/** What a `datetime-local` field holds: the viewer's wall clock, to the minute. */
export function fieldOf(at: Date): string {
  const two = (figure: number) => String(figure).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The moment that a `datetime-local` field names; null: none. */
export function momentOf(field: string): Date | null {
  const at = new Date(field);
  return field === "" || Number.isNaN(at.getTime()) ? null : at;
}
