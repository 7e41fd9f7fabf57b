/** The metric over time, the lines that it is held against, and when the rule would have rung. */
import { engineNow } from "../../engineclock.ts";
import { useId } from "react";

import { local, number } from "../../times.ts";
import type { Point } from "../../ui/index.ts";
import { linesOf, rangeOf } from "../../ui/shape.ts";
import type { Ringing } from "./outlook.ts";

const WIDTH = 600;
const HEIGHT = 160;
/** A short alert would be thinner than a hair. */
const MARK_MIN = 3;

interface RingGraphProps {
  label: string;
  points: readonly Point[];
  limits: readonly number[];
  ringings: readonly Ringing[];
}

export function RingGraph({ label, points, limits, ringings }: RingGraphProps) {
  const id = useId();
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return <p className="hint">No readings of this series in this time.</p>;
  // The lines belong into the picture as well.
  const range = rangeOf([...points, ...limits.map((value) => ({ at: last.at, value }))], null);
  const { path, x, y } = linesOf(points, range, WIDTH, HEIGHT);
  const now = new Date(engineNow());
  const limit = limits.length > 0 ? `, held against ${limits.map(number).join(" and ")}` : "";
  return (
    <figure className="graph ring-graph">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
        <title id={id}>{`${label}: ${number(last.value)} at the end${limit}; ${rungSaid(ringings.length)}`}</title>
        {ringings.map(({ from, to }) => (
          <rect
            key={from}
            className="ringing"
            y={0}
            height={HEIGHT}
            {...stretch(x(from), to === null ? WIDTH : x(to))}
          />
        ))}
        {limits.map((value) => (
          <line key={value} className="threshold" x1={0} x2={WIDTH} y1={y(value)} y2={y(value)} />
        ))}
        <path className="line" d={path} />
      </svg>
      <figcaption>
        <span>{local(new Date(first.at), now)}</span>
        <span>
          {label}
          {limits.length > 0 && <span className="limit"> limit {limits.map(number).join(", ")}</span>}
        </span>
        <span>{local(new Date(last.at), now)}</span>
      </figcaption>
    </figure>
  );
}

function stretch(from: number, to: number): { x: number; width: number } {
  const begin = Math.max(0, Math.min(from, WIDTH - MARK_MIN));
  return { x: begin, width: Math.max(MARK_MIN, to - begin) };
}

function rungSaid(times: number): string {
  return times === 0 ? "it would not have rung" : `it would have rung ${times === 1 ? "once" : `${times} times`}`;
}
