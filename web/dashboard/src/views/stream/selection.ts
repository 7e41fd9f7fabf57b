/** Which alerts are selected: by their ids, and only those that are still shown count. */
import { useRef, useState } from "react";

import type { Alert } from "../../alerts.ts";

export interface Selection {
  ids: ReadonlySet<string>;
  chosen: readonly Alert[];
  toggle: (id: string) => void;
  /** `toHere`: also everything between the last one and this one. */
  select: (id: string, isSelected: boolean, toHere: boolean) => void;
  all: () => void;
  none: () => void;
}

const NONE: ReadonlySet<string> = new Set();

/** The ids from one to the other, in the order shown; only the second if the first is gone. Pure. */
export function between(shown: readonly Alert[], from: string | null, to: string): string[] {
  const ends = [from, to].map((id) => shown.findIndex((alert) => alert.id === id));
  if (ends.includes(-1)) return [to];
  return shown.slice(Math.min(...ends), Math.max(...ends) + 1).map((alert) => alert.id);
}

export function useSelection(shown: readonly Alert[]): Selection {
  const [ids, setIds] = useState(NONE);
  const last = useRef<string | null>(null);
  function select(id: string, isSelected: boolean, toHere: boolean): void {
    const next = new Set(ids);
    for (const each of toHere ? between(shown, last.current, id) : [id]) {
      if (isSelected) next.add(each);
      else next.delete(each);
    }
    last.current = id;
    setIds(next);
  }
  return {
    ids,
    chosen: ids.size === 0 ? [] : shown.filter((alert) => ids.has(alert.id)),
    toggle: (id) => select(id, !ids.has(id), false),
    select,
    all: () => setIds(new Set(shown.map((alert) => alert.id))),
    none: () => setIds(NONE),
  };
}
