/** When alerts fired, as stacks of severities over time; each piece narrows the time span to itself. */
import { engineNow } from "../../engineclock.ts";
import type { Alert } from "../../alerts.ts";
import { setQuery } from "../../place.ts";
import { fieldOf, local } from "../../times.ts";
import { BETWEEN, type TimeSpan } from "./filters.ts";
import { type Piece, piecesOf, said, stackOf, sumOf } from "./pieces.ts";

const WIDTH = 600;
const HEIGHT = 100;
const MINUTE_MS = 60_000;

export function Timeline({ alerts, span }: { alerts: readonly Alert[]; span: TimeSpan }) {
  if (alerts.length === 0) return null;
  const zoneOffsetMs = new Date(span.from).getTimezoneOffset() * MINUTE_MS;
  const pieces = piecesOf(alerts, span.from, span.to, zoneOffsetMs);
  const highest = Math.max(...pieces.map(({ total }) => total));
  const now = new Date(engineNow());
  return (
    <figure className="timeline">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words(pieces, now)}>
        {pieces.map((piece, index) => (
          <Stack key={piece.from} piece={piece} index={index} count={pieces.length} highest={highest} now={now} />
        ))}
      </svg>
      <figcaption>
        <span>{local(new Date(span.from), now)}</span>
        <span>{said(sumOf(pieces))}</span>
        <span>{span.isOpen ? "now" : local(new Date(span.to), now)}</span>
      </figcaption>
    </figure>
  );
}

function words(pieces: readonly Piece[], now: Date): string {
  const worst = pieces.reduce((most, piece) => (piece.total > most.total ? piece : most));
  const when = `${local(new Date(worst.from), now)} to ${local(new Date(worst.to), now)}`;
  return `Alerts over time: ${said(sumOf(pieces))}. Most between ${when}: ${said(worst.counts)}.`;
}

interface StackProps {
  piece: Piece;
  index: number;
  count: number;
  highest: number;
  now: Date;
}

function Stack({ piece, index, count, highest, now }: StackProps) {
  const step = WIDTH / count;
  const [from, to] = [new Date(piece.from), new Date(piece.to)];
  return (
    <g className="piece" onClick={() => setQuery({ span: BETWEEN, from: fieldOf(from), to: fieldOf(to) }, "push")}>
      <title>{`${local(from, now)} to ${local(to, now)}: ${said(piece.counts)}`}</title>
      <rect className="back" x={index * step} y={0} width={step} height={HEIGHT} />
      {stackOf(piece, highest).map((block) => (
        <rect
          key={block.severity}
          className={block.severity}
          x={index * step + step * 0.1}
          width={step * 0.8}
          y={HEIGHT * (1 - block.from - block.height)}
          height={HEIGHT * block.height}
        />
      ))}
    </g>
  );
}
