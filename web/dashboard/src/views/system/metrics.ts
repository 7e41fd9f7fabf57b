/**
 * The engine's figures as its `/metrics` tells them (Prometheus' text format 0.0.4), and what the page shows of them.
 * Pure.
 */

export interface Sample {
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** By name; a histogram's buckets are samples of `<name>_bucket`. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Lines that are no samples are left out: comments, and what a later version may add. */
export function samplesOf(text: string): Samples {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const sample = { labels: labelsOf(labels), value: figureOf(value) };
    const known = found.get(name);
    if (known) known.push(sample);
    else found.set(name, [sample]);
  }
  return found;
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(LABEL)].map(([, name = "", value = ""]) => [name, unescaped(value)] as const);
  return Object.fromEntries(pairs);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}

function figureOf(text: string): number {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}

/** The sum over all labels, and all names; null: the engine tells none of them. */
export function total(samples: Samples, ...names: readonly string[]): number | null {
  const found = names.flatMap((name) => samples.get(name) ?? []);
  return found.length > 0 ? found.reduce((sum, { value }) => sum + value, 0) : null;
}

export interface Bucket {
  /** Not longer than this; Infinity: than anything. */
  upTo: number;
  count: number;
}

/** How many fell into each bucket by itself (the text counts them up), smallest first; [] if it is not told. */
export function bucketsOf(samples: Samples, name: string): Bucket[] {
  const told = (samples.get(`${name}_bucket`) ?? []).map(({ labels, value }) => ({
    upTo: figureOf(labels["le"] ?? "+Inf"),
    value,
  }));
  told.sort((one, other) => one.upTo - other.upTo);
  return told.map(({ upTo, value }, index) => ({ upTo, count: value - (told[index - 1]?.value ?? 0) }));
}

/** What came between two looks; all of it if the engine was started anew in between. */
export function since(before: readonly Bucket[], now: readonly Bucket[]): Bucket[] {
  const counts = now.map(({ upTo, count }, index) => ({ upTo, count: count - (before[index]?.count ?? 0) }));
  return counts.some(({ count }) => count < 0) ? [...now] : counts;
}

export function countOf(buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, { count }) => sum + count, 0);
}

/** The upper bound of what this share took; null: there is none, or it is beyond the last bucket. */
export function quantile(buckets: readonly Bucket[], share: number): number | null {
  const wanted = countOf(buckets) * share;
  let seen = 0;
  for (const { upTo, count } of buckets) {
    seen += count;
    if (seen > 0 && seen >= wanted) return Number.isFinite(upTo) ? upTo : null;
  }
  return null;
}

/** Without the empty buckets at both ends; one of them stays beside what there is, so that one sees where it ends. */
export function trimmed(buckets: readonly Bucket[]): Bucket[] {
  const first = buckets.findIndex(({ count }) => count > 0);
  const last = buckets.findLastIndex(({ count }) => count > 0);
  return first < 0 ? [] : buckets.slice(Math.max(0, first - 1), last + 2);
}

export interface HitRate {
  kind: string;
  lookups: number;
  /** 0 to 1; null: nobody has asked yet. */
  rate: number | null;
}

export function hitRates(samples: Samples): HitRate[] {
  const [hits, misses] = ["cache_hits_total", "cache_misses_total"].map((name) => byLabel(samples, name, "cache_type"));
  const kinds = new Set([...(hits?.keys() ?? []), ...(misses?.keys() ?? [])]);
  return [...kinds].map((kind) => {
    const found = hits?.get(kind) ?? 0;
    const lookups = found + (misses?.get(kind) ?? 0);
    return { kind, lookups, rate: lookups > 0 ? found / lookups : null };
  });
}

function byLabel(samples: Samples, name: string, label: string): Map<string, number> {
  return new Map((samples.get(name) ?? []).map(({ labels, value }) => [labels[label] ?? "", value]));
}

/** `0.25 ms`, `15 ms`, `2.5 s`: of seconds. */
export function span(seconds: number): string {
  if (!Number.isFinite(seconds)) return "longer";
  return seconds < 1 ? `${Number((seconds * 1_000).toPrecision(3))} ms` : `${Number(seconds.toPrecision(3))} s`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

export function bytes(count: number): string {
  let [left, unit] = [count, 0];
  while (left >= 1_000 && unit < UNITS.length - 1) [left, unit] = [left / 1_000, unit + 1];
  return `${Number(left.toPrecision(3))} ${UNITS[unit]}`;
}
