/**
 * Small drawings of numbers: a line over time with its threshold, and bars.
 *
 * Plain SVG, stretched to its frame, with a sentence for whoever does not see it. `shape.ts` does the arithmetic.
 */
import { engineNow } from "../engineclock.ts";
import { useId } from "react";

import { local, number } from "../times.ts";
import { barsOf, linesOf, type Point, rangeOf } from "./shape.ts";

const WIDTH = 600;
const HEIGHT = 120;

interface GraphProps {
  /** What it shows: "latency_ms of web". */
  label: string;
  /** Oldest first; `at` milliseconds since 1970. */
  points: readonly Point[];
  threshold?: number | null;
  /** Moments worth a mark, such as when an alert fired. */
  marks?: readonly number[];
}

export function Graph({ label, points, threshold = null, marks = [] }: GraphProps) {
  const id = useId();
  const last = points.at(-1);
  const first = points[0];
  if (!last || !first) return <p className="hint">No readings in this time.</p>;
  const range = rangeOf(points, threshold);
  const { path, x, y } = linesOf(points, range, WIDTH, HEIGHT);
  const [low, high] = [range.low, range.high].map(number);
  const limit = threshold === null ? "" : `, threshold ${number(threshold)}`;
  const now = new Date(engineNow());
  return (
    <figure className="graph">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
        <title id={id}>{`${label}: ${number(last.value)} at the end, between ${low} and ${high}${limit}`}</title>
        {marks.map((at) => (
          <line key={at} className="mark" x1={x(at)} x2={x(at)} y1={0} y2={HEIGHT} />
        ))}
        {threshold !== null && <line className="threshold" x1={0} x2={WIDTH} y1={y(threshold)} y2={y(threshold)} />}
        <path className="line" d={path} />
      </svg>
      <figcaption>
        <span>{local(new Date(first.at), now)}</span>
        <span>
          {label}: {number(last.value)}
          {threshold !== null && <span className="limit"> of {number(threshold)}</span>}
        </span>
        <span>{local(new Date(last.at), now)}</span>
      </figcaption>
    </figure>
  );
}

export interface Bar {
  label: string;
  value: number;
}

/** A histogram; `unit` stands behind each figure. */
export function Bars({ label, bars, unit = "" }: { label: string; bars: readonly Bar[]; unit?: string }) {
  const shapes = barsOf(bars, WIDTH, HEIGHT);
  const said = bars.map((bar) => `${bar.label}: ${number(bar.value)}${unit}`).join(", ");
  return (
    <figure className="graph bars">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${label}. ${said}`}>
        {shapes.map(({ bar, ...rectangle }) => (
          <rect key={bar.label} {...rectangle}>
            <title>{`${bar.label}: ${number(bar.value)}${unit}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption>
        <span>{bars[0]?.label}</span>
        <span>{label}</span>
        <span>{bars.at(-1)?.label}</span>
      </figcaption>
    </figure>
  );
}
