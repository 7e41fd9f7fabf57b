/** Where the points of a graph lie. Pure. */

export interface Point {
  at: number;
  value: number;
}

export interface Range {
  from: number;
  to: number;
  low: number;
  high: number;
}

/** What a graph has to show: all of its points, and the threshold, with a little air above and below. */
export function rangeOf(points: readonly Point[], threshold: number | null): Range {
  let [low, high] = threshold === null ? [Infinity, -Infinity] : [threshold, threshold];
  for (const { value } of points) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return { from: points[0]?.at ?? 0, to: points.at(-1)?.at ?? 1, low: low - air, high: high + air };
}

export function linesOf(points: readonly Point[], range: Range, width: number, height: number) {
  const length = range.to - range.from || 1;
  const x = (at: number) => round(((at - range.from) / length) * width);
  const y = (value: number) => round(height - ((value - range.low) / (range.high - range.low)) * height);
  const steps = points.map((point, index) => `${index === 0 ? "M" : "L"}${x(point.at)} ${y(point.value)}`);
  // One point alone would be invisible.
  return { path: points.length === 1 ? `${steps.join("")}h${width}` : steps.join(""), x, y };
}

export function barsOf<B extends { value: number }>(bars: readonly B[], width: number, height: number) {
  const highest = Math.max(...bars.map((bar) => bar.value), 0) || 1;
  const step = width / (bars.length || 1);
  return bars.map((bar, index) => {
    const tall = round((Math.max(0, bar.value) / highest) * height);
    return { bar, x: round(index * step + step * 0.1), width: round(step * 0.8), y: height - tall, height: tall };
  });
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10;
}
