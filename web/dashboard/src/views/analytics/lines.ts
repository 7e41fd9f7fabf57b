/** Where lines run that may have gaps. Pure. */

/** A path for each unbroken run of values, from 0 at the lower edge to `top` at the upper; each in the middle of its step. */
export function pathsOf(values: readonly (number | null)[], top: number, width: number, height: number): string[] {
  const step = width / (values.length || 1);
  const paths: string[] = [];
  let run: string[] = [];
  function end(): void {
    // One value alone would be invisible: a line of no length has round ends.
    if (run.length === 1) run.push("h0");
    if (run.length > 0) paths.push(run.join(""));
    run = [];
  }
  values.forEach((value, index) => {
    if (value === null) return end();
    const y = round(height - (Math.min(value, top) / (top || 1)) * height);
    run.push(`${run.length === 0 ? "M" : "L"}${round(step * (index + 0.5))} ${y}`);
  });
  end();
  return paths;
}

/** What lines have to show: up to the highest of their values. */
export function topOf(...lines: readonly (readonly (number | null)[])[]): number {
  return Math.max(0, ...lines.flat().map((value) => value ?? 0));
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10;
}
