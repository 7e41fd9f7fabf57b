/** Where an interval around a line runs, and points of a calibration. Pure. */
import type { CalibrationBin, HourAhead } from "./predictions.ts";

export interface Band {
  /** A closed path around what is likely. */
  area: string;
  line: string;
  /** Of a value, from above. */
  y: (value: number) => number;
}

const AIR = 0.06;

/** `threshold` is seen as well, however far away it is. */
export function bandOf(hours: readonly HourAhead[], threshold: number, width: number, height: number): Band {
  const lowest = Math.min(threshold, ...hours.map(({ low }) => low));
  const highest = Math.max(threshold, ...hours.map(({ high }) => high));
  const air = (highest - lowest || 1) * AIR;
  const range = highest - lowest + 2 * air;
  const y = (value: number) => round(height - ((value - lowest + air) / range) * height);
  const step = width / Math.max(1, hours.length - 1);
  const path = (points: readonly [number, number][]) =>
    points.map(([x, value], index) => `${index === 0 ? "M" : "L"}${round(x)} ${y(value)}`).join("");
  const upper = hours.map(({ high }, index) => [index * step, high] as [number, number]);
  const lower = hours.map(({ low }, index) => [index * step, low] as [number, number]).reverse();
  return {
    area: hours.length === 0 ? "" : `${path([...upper, ...lower])}Z`,
    line: path(hours.map(({ expected }, index) => [index * step, expected])),
    y,
  };
}

export interface Dot {
  x: number;
  y: number;
  radius: number;
  bin: CalibrationBin & { said: number; came: number };
}

/** What was said to the right, what came upwards; the more predictions, the larger. On the diagonal both are the same. */
export function dotsOf(bins: readonly CalibrationBin[], size: number): Dot[] {
  const known = bins.filter((bin): bin is Dot["bin"] => bin.said !== null && bin.came !== null);
  const most = Math.max(1, ...known.map(({ count }) => count));
  return known.map((bin) => ({
    x: round(bin.said * size),
    y: round((1 - bin.came) * size),
    radius: round(size * (0.015 + 0.035 * Math.sqrt(bin.count / most))),
    bin,
  }));
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10;
}
