/**
 * What time it is for the engine, which decides when a silence ends and how long a token is good.
 *
 * A browser's clock may be an hour wrong, and nobody notices: "30 minutes" would be 90, a good token would have ended.
 * Each answer of the engine carries its time to the second; what is less than a few seconds is left alone.
 */

/** A header names whole seconds: half of one is added, and it may be half a second off. */
const HALF_MS = 500;
/** Clocks that are kept by the network differ by less; ages in seconds must not jump for that. */
const NOTICED_MS = 3_000;

let aheadMs = 0;
let isKnown = false;
const listeners = new Set<() => void>();

/** Milliseconds since 1970, as the engine counts them. */
export function engineNow(): number {
  return Date.now() + aheadMs;
}

/** What a moment by the browser's clock is by the engine's. */
export function engineTimeOf(at: number): number {
  return at + aheadMs;
}

/** Whether the engine has told its time yet. */
export function isEngineTimeKnown(): boolean {
  return isKnown;
}

/** Tells when it is known, and when it turns out to be another one. */
export function onEngineTime(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The `Date` of an answer to what was asked at `askedAt`, by our clock. */
export function hearEngineTime(date: string | null, askedAt: number): void {
  const said = Date.parse(date ?? "");
  if (Number.isNaN(said)) return;
  const answeredAt = Date.now();
  const ahead = said + HALF_MS - (askedAt + answeredAt) / 2;
  const doubt = NOTICED_MS + (answeredAt - askedAt) / 2;
  // What was measured before is not made worse by an answer that took long.
  const isSame = isKnown && Math.abs(ahead - aheadMs) <= doubt;
  if (isSame) return;
  isKnown = true;
  aheadMs = Math.abs(ahead) <= doubt ? 0 : ahead;
  for (const listener of listeners) listener();
}
