/**
 * The time of day, once a second, for whatever says "12 s ago".
 *
 * One timer for the whole page, which runs only while somebody looks: without listeners, or in a hidden tab, it stands.
 */
import { useSyncExternalStore } from "react";

import { engineNow } from "./engineclock.ts";
import { onSeenChange } from "./seen.ts";

const TICK_MS = 1_000;

let now = engineNow();
let timer: ReturnType<typeof setInterval> | undefined;
let stopLooking: (() => void) | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = engineNow();
  for (const listener of listeners) listener();
}

function check(): void {
  const isWanted = listeners.size > 0 && !document.hidden;
  if (isWanted && timer === undefined) {
    tick();
    timer = setInterval(tick, TICK_MS);
  }
  if (!isWanted && timer !== undefined) {
    clearInterval(timer);
    timer = undefined;
  }
}

function subscribe(listener: () => void): () => void {
  stopLooking ??= onSeenChange(check);
  listeners.add(listener);
  check();
  return () => {
    listeners.delete(listener);
    check();
    if (listeners.size > 0) return;
    stopLooking?.();
    stopLooking = undefined;
  };
}

/** Milliseconds since 1970, a second old at most. Draws the component again each second: use it low in the tree. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
