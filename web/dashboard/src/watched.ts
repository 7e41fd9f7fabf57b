/**
 * What no event tells, asked again every few seconds, but only while somebody looks: not in a hidden tab, and not
 * before the last question was answered, so an engine that is slow is not asked twice at once.
 */
import { useEffect, useRef } from "react";

import { type Asked, useAsked } from "./asked.ts";
import { engineNow } from "./engineclock.ts";
import { useIsSeen } from "./seen.ts";

export { useAgainOnSight } from "./seen.ts";

// Figures that change all the time are read at a glance; faster would only cost the engine.
export const WATCH_MS = 5_000;

export interface Fresh<T> {
  value: T;
  /** When the engine said so, milliseconds since 1970. */
  at: number;
}

/** As useAsked, asked again by itself, `pauseMs` after each answer; `key` null asks nothing. */
export function useWatched<T>(
  key: string | null,
  question: (signal: AbortSignal) => Promise<T>,
  pauseMs = WATCH_MS,
): Asked<Fresh<T>> {
  const asked = useAsked(key, async (signal) => ({ value: await question(signal), at: engineNow() }));
  const isSeen = useIsSeen();
  const settledAt = useRef(0);
  const { isLoading, again } = asked;
  useEffect(() => {
    if (!isLoading) settledAt.current = Date.now();
  }, [isLoading]);
  useEffect(() => {
    if (key === null || isLoading || !isSeen) return;
    // Who comes back to the tab after a while is answered at once.
    const timer = setTimeout(again, Math.max(0, settledAt.current + pauseMs - Date.now()));
    return () => clearTimeout(timer);
  }, [key, isLoading, isSeen, again, pauseMs]);
  return asked;
}
