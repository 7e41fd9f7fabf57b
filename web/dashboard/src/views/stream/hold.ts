/**
 * Standing still: while the stream is paused, or read further down, rows stay where they are, and what is new is counted.
 *
 * What happens to the shown alerts is shown all the same (an acknowledgement must not be missed); only nothing comes,
 * goes or moves.
 */
import { useRef } from "react";

import type { Alert } from "../../alerts.ts";

export interface Held {
  shown: readonly Alert[];
  /** How many have come since. */
  isNew: number;
}

/** The rows as they were, with their alerts as they are now. Pure. */
export function held(rows: readonly Alert[], alerts: readonly Alert[], now: (id: string) => Alert | undefined): Held {
  const known = new Set(rows.map((row) => row.id));
  let isNew = 0;
  for (const alert of alerts) if (!known.has(alert.id)) isNew += 1;
  return { shown: rows.map((row) => now(row.id) ?? row), isNew };
}

/** `key`: of what is looked for; another question begins anew, held or not. */
export function useHeld(
  alerts: readonly Alert[],
  isHeld: boolean,
  key: string,
  now: (id: string) => Alert | undefined,
): Held {
  const rows = useRef<{ key: string; rows: readonly Alert[] } | null>(null);
  if (!isHeld) rows.current = null;
  else if (rows.current?.key !== key) rows.current = { key, rows: alerts };
  return rows.current ? held(rows.current.rows, alerts, now) : { shown: alerts, isNew: 0 };
}
