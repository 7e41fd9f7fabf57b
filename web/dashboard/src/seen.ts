/** Whether somebody looks at this tab: the browser tells when that changes. */
import { useEffect, useSyncExternalStore } from "react";

/** Calls at each change; returns what ends it. */
export function onSeenChange(call: () => void): () => void {
  document.addEventListener("visibilitychange", call);
  return () => document.removeEventListener("visibilitychange", call);
}

export function useIsSeen(): boolean {
  return useSyncExternalStore(onSeenChange, () => !document.hidden);
}

/** Asks again when somebody comes back to the tab: what was told meanwhile may have been missed. */
export function useAgainOnSight(again: () => void): void {
  useEffect(() => onSeenChange(() => void (document.hidden || again())), [again]);
}
