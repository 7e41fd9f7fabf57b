/**
 * Drawings of stretches of time: stacks of severities, and lines. Plain SVG, stretched to its frame; the words stand around
 * it, and the same figures are in a table below. Lines differ by their dashes, not by their colour alone.
 */
import { type ReactNode, useId } from "react";

import { said, stackOf, type Piece } from "../history/pieces.ts";
import { number } from "../../times.ts";
import { pathsOf } from "./lines.ts";

const WIDTH = 600;
const HEIGHT = 120;
/** A line at the upper edge would be half a line. */
const AIR = 1.05;

interface FrameProps {
  title: string;
  /** The same as a sentence, for whoever does not see it. */
  says: string;
  /** What the upper edge stands for. */
  top: string;
  ends: readonly [string, string];
  legend?: ReactNode;
  /** Why there is nothing to draw, if so. */
  nothing?: string | null;
  children: ReactNode;
}

export function Chart({ title, says, top, ends, legend, nothing, children }: FrameProps) {
  const id = useId();
  if (nothing) {
    return (
      <figure className="chart" aria-labelledby={id}>
        <figcaption>
          <h3 id={id}>{title}</h3>
        </figcaption>
        <p className="nothing">{nothing}</p>
      </figure>
    );
  }
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption>
        <h3 id={id}>{title}</h3>
        {legend}
        <span className="top">{top}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={says}>
        {children}
      </svg>
      <p className="ends">
        <span>{ends[0]}</span>
        <span>{ends[1]}</span>
      </p>
    </figure>
  );
}

/** `nameOf`: what a piece is called. */
export function Stacks({ pieces, nameOf }: { pieces: readonly Piece[]; nameOf: (piece: Piece) => string }) {
  const highest = Math.max(...pieces.map(({ total }) => total));
  const step = WIDTH / (pieces.length || 1);
  return pieces.map((piece, index) => (
    <g key={piece.from} className="piece">
      <title>{`${nameOf(piece)}: ${said(piece.counts)}`}</title>
      <rect className="back" x={index * step} y={0} width={step} height={HEIGHT} />
      {stackOf(piece, highest).map(({ severity, from, height }) => (
        <rect
          key={severity}
          className={severity}
          x={index * step + step * 0.1}
          width={step * 0.8}
          y={HEIGHT * (1 - from - height)}
          height={HEIGHT * height}
        />
      ))}
    </g>
  ));
}

export interface Line {
  label: string;
  values: readonly (number | null)[];
}

/** The first one is drawn through, the second one dashed. */
export function Lines({ lines, top }: { lines: readonly Line[]; top: number }) {
  return lines.map(({ label, values }, index) => (
    <g key={label} className={`line-${index}`}>
      {pathsOf(values, top * AIR, WIDTH, HEIGHT).map((path) => (
        <path key={path} d={path} className={path.includes("L") ? undefined : "alone"} />
      ))}
    </g>
  ));
}

/** What each line is. */
export function Legend({ lines }: { lines: readonly Pick<Line, "label">[] }) {
  return (
    <span className="legend">
      {lines.map(({ label }, index) => (
        <span key={label} className={`line-${index}`}>
          <svg viewBox="0 0 24 4" aria-hidden="true">
            <path d="M0 2h24" />
          </svg>
          {label}
        </span>
      ))}
    </span>
  );
}

/** Part of a whole, drawn beside its figure. */
export function Share({ share, kind = "neutral" }: { share: number; kind?: "neutral" | "good" | "bad" }) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return (
    <svg className={`share ${kind}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect className="back" width={100} height={8} />
      <rect width={width} height={8} />
    </svg>
  );
}

/** `most 41 (Tue, 3 Nov)`. */
export function most(values: readonly (number | null)[], nameAt: (index: number) => string, unit = ""): string {
  const highest = Math.max(...values.map((value) => value ?? 0));
  const at = values.indexOf(highest);
  return at < 0 ? "nothing" : `most ${number(highest)}${unit} (${nameAt(at)})`;
}
