/** What time it is, once a second, for what says how long ago something was; one timer for all of them. */

import { useSyncExternalStore } from "react";

const SECOND_MS = 1_000;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = 0;

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, SECOND_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Wall-clock milliseconds; whoever calls this is drawn anew each second. */
export function useNow(): number {
  useSyncExternalStore(
    subscribe,
    () => now,
    () => 0,
  );
  return Date.now();
}
