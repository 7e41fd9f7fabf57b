/** Spans of time as people write them: `90`, `90s`, `5m`, `1h30m`, `2d`. Without a unit they are seconds. Pure. */

const UNITS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;
const PIECE = /(\d+(?:\.\d+)?)\s*(d|h|min|m|s)/gy;

/** Seconds, or null if it is no span. */
export function secondsOf(text: string): number | null {
  const said = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(said)) return Number(said);
  let sum = 0;
  let end = 0;
  for (const piece of said.replaceAll(" ", "").matchAll(PIECE)) {
    sum += Number(piece[1]) * UNITS[piece[2]![0] as keyof typeof UNITS];
    end = piece.index + piece[0].length;
  }
  return end > 0 && end === said.replaceAll(" ", "").length ? sum : null;
}

/** The shortest way to write it: 5400 is `1h30m`. */
export function spanOf(seconds: number): string {
  if (!Number.isInteger(seconds)) return `${seconds}s`;
  let left = seconds;
  let said = "";
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) said += `${count}${unit}`;
  }
  return said || "0s";
}
