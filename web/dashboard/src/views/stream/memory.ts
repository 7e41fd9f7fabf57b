/**
 * Alerts that were over before we looked: the live book has the open ones, and those that ended meanwhile. When somebody
 * asks for others, the newest of them are asked for once and put into the book.
 */
import { useEffect } from "react";

import type { Alert } from "../../alerts.ts";
import { all } from "../../api.ts";
import { type Asked, useAsked } from "../../asked.ts";
import { book } from "../../live.ts";
import type { Filters } from "./filters.ts";

// Enough to look back; whoever looks for more takes the history view.
export const CLOSED_MAX = 500;

export function useMemory(state: Filters["state"]): Asked<{ items: Alert[]; isCut: boolean }> {
  const asksFor =
    state === "resolved" || state === "expired" ? [state] : state === "all" ? ["resolved", "expired"] : [];
  const asked = useAsked(asksFor.join() || null, (signal) =>
    all<Alert>("/api/v1/alerts", { state: asksFor, limit: 100 }, CLOSED_MAX, signal),
  );
  const { value } = asked;
  useEffect(() => {
    for (const alert of value?.items ?? []) if (!book.get(alert.id)) book.set(alert);
  }, [value]);
  return asked;
}
