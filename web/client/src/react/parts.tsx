/** Small parts that the components share. Severity is a shape, a colour and a word, never the colour alone. */

import type { Severity } from "../messages.js";
import { useNow } from "./now.js";

const SHAPES: Record<Severity, string> = {
  info: "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1z",
  warning: "M8 1 15.5 14.5h-15z",
  error: "M8 .5 15.5 8 8 15.5.5 8z",
  critical: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
};

/** A circle, a triangle, a diamond, an octagon: told apart without colours, and named for who sees neither. */
export function SeverityMark({ severity }: { severity: Severity }) {
  return (
    <svg className={`tocsin-mark tocsin-${severity}`} viewBox="0 0 16 16" width="16" height="16" role="img">
      <title>{severity}</title>
      <path d={SHAPES[severity]} fill="currentColor" />
    </svg>
  );
}

/** A time in the viewer's zone; in UTC for whoever points at it. */
export function Moment({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time className="tocsin-time" dateTime={at} title={date.toISOString()}>
      {date.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" })}
    </time>
  );
}

/** How long ago it was last proven that nothing was missed. */
export function Verified({ at }: { at: () => number | undefined }) {
  const now = useNow();
  const verifiedAt = at();
  if (verifiedAt === undefined) return <span className="tocsin-verified">not verified yet</span>;
  return <span className="tocsin-verified">verified {ago(now - verifiedAt)} ago</span>;
}

/** `4 s`, `12 min`, `3 h`, `2 d`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1e3));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}
