/** When alerts fired: how many of each severity in each piece of a time span. Pure. */
import { type Alert, SEVERITIES, type Severity } from "../../alerts.ts";

export interface Piece {
  /** From here on, milliseconds since 1970. */
  from: number;
  to: number;
  counts: Record<Severity, number>;
  total: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
// What a person calls a piece of time; the least of them that makes no more pieces than there is room for.
const WIDTHS_MS = [
  ...[1, 5, 15, 30].map((count) => count * MINUTE_MS),
  ...[1, 3, 6, 12].map((count) => count * HOUR_MS),
  ...[1, 7, 30].map((count) => count * DAY_MS),
];
export const PIECES_MAX = 60;

export function widthFor(lengthMs: number): number {
  const longest = lengthMs / (PIECES_MAX - 1);
  return WIDTHS_MS.find((width) => width >= longest) ?? Math.ceil(longest / DAY_MS) * DAY_MS;
}

/** All pieces of the span, also those without alerts. They begin at round times of the viewer's zone. */
export function piecesOf(alerts: readonly Alert[], from: number, to: number, zoneOffsetMs: number): Piece[] {
  const width = widthFor(to - from);
  const start = Math.floor((from - zoneOffsetMs) / width) * width + zoneOffsetMs;
  const pieces: Piece[] = [];
  for (let at = start; at < to; at += width) {
    pieces.push({ from: at, to: at + width, counts: { info: 0, warning: 0, error: 0, critical: 0 }, total: 0 });
  }
  for (const alert of alerts) {
    const piece = pieces[Math.floor((Date.parse(alert.triggered_at) - start) / width)];
    if (!piece) continue;
    piece.counts[alert.severity] += 1;
    piece.total += 1;
  }
  return pieces;
}

export interface Block {
  severity: Severity;
  /** Shares of the drawing's height, from its lower edge. */
  from: number;
  height: number;
}

/** A piece as a stack, the loudest at the bottom, where it is seen best; `highest`: the total of the highest piece. */
export function stackOf(piece: Piece, highest: number): Block[] {
  let from = 0;
  return [...SEVERITIES].reverse().flatMap((severity) => {
    const height = piece.counts[severity] / (highest || 1);
    if (height === 0) return [];
    const block = { severity, from, height };
    from += height;
    return [block];
  });
}

/** `3 critical, 1 info`: the loudest first. */
export function said(counts: Record<Severity, number>): string {
  const parts = [...SEVERITIES].reverse().filter((severity) => counts[severity] > 0);
  return parts.map((severity) => `${counts[severity]} ${severity}`).join(", ") || "none";
}

export function sumOf(pieces: readonly Piece[]): Record<Severity, number> {
  const sum = { info: 0, warning: 0, error: 0, critical: 0 };
  for (const { counts } of pieces) for (const severity of SEVERITIES) sum[severity] += counts[severity];
  return sum;
}
