/**
 * Keeps a list of quieting fresh without polling.
 *
 * No event tells of a silence itself; but what it does to alerts is told (`quieted`, and `repeated` when it ends), its
 * beginning and end are known, and another tab may have changed it while nobody looked here.
 */
import { useEffect } from "react";

import { engineNow } from "../../engineclock.ts";
import { onAlert } from "../../live.ts";
import { useAgainOnSight } from "../../seen.ts";
import { nextChange } from "./quiet.ts";

// A silence of a hundred alerts is told as a hundred events: asked about once.
const TOGETHER_MS = 500;
// The engine's clock and ours differ a little.
const AFTER_MS = 500;
const TIMER_MAX_MS = 2_000_000_000;

export function useFresh(
  again: () => void,
  items: readonly { starts_at: string | null; ends_at: string | null }[],
): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onAlert(({ event }) => {
      if (event === "quieted" || event === "repeated") timer ??= setTimeout(ask, TOGETHER_MS);
    });
    function ask(): void {
      timer = undefined;
      again();
    }
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [again]);
  useAgainOnSight(again);
  const due = nextChange(items, engineNow());
  useEffect(() => {
    if (due === null) return;
    const timer = setTimeout(again, Math.min(due - engineNow() + AFTER_MS, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  }, [due, again]);
}
