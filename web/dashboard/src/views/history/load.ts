/** The alerts of the past that the address asks for, gathered page by page, and changed by what is told meanwhile. */
import { engineNow } from "../../engineclock.ts";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import type { Alert } from "../../alerts.ts";
import { get, type Page, reasonOf } from "../../api.ts";
import { book, onAlert } from "../../live.ts";
import { type Filters, passing, passingText, queryFor, spanOf, type TimeSpan } from "./filters.ts";
import { gather, type Gathered, PAGE, told } from "./gather.ts";

export interface Loaded {
  /** Null: nothing was answered yet. */
  found: Gathered | null;
  span: TimeSpan;
  isLoading: boolean;
  error: string | null;
  /** Goes on to older ones. */
  more: () => void;
  again: () => void;
}

type Round = { kind: "first" | "more"; number: number };

/** `key`: the address' query, by which the filters are known. */
export function useLoaded(filters: Filters, key: string): Loaded {
  const [round, setRound] = useState<Round>({ kind: "first", number: 0 });
  // An open span ends when we asked; otherwise it would be another one with each drawing.
  const span = useMemo(() => spanOf(filters, engineNow()), [key, round.kind === "first" && round.number]);
  const [found, setFound] = useState<Gathered | null>(null);
  const [state, setState] = useState<{ isLoading: boolean; error: string | null }>({ isLoading: true, error: null });
  const before = useRef<Gathered | null>(null);
  before.current = found;
  const asked = useRef("");
  useEffect(() => {
    const aborter = new AbortController();
    const isMore = round.kind === "more" && asked.current === key;
    if (asked.current !== key) setFound(null);
    asked.current = key;
    setState({ isLoading: true, error: null });
    const ask = (cursor: string | null) =>
      get<Page<Alert>>("/api/v1/alerts", { ...queryFor(filters, span), limit: PAGE, cursor }, aborter.signal);
    gather(ask, passingText(filters.text), isMore ? before.current : null).then(
      (next) => {
        if (aborter.signal.aborted) return;
        setFound(next);
        setState({ isLoading: false, error: null });
      },
      (fault: unknown) => {
        if (!aborter.signal.aborted) setState({ isLoading: false, error: reasonOf(fault) });
      },
    );
    return () => aborter.abort();
  }, [key, round]);
  useTold(setFound, filters, key, span.isOpen);
  const more = useCallback(() => setRound(({ number }) => ({ kind: "more", number: number + 1 })), []);
  const again = useCallback(() => setRound(({ number }) => ({ kind: "first", number: number + 1 })), []);
  return { found, span, ...state, more, again };
}

type Change = (before: Gathered | null) => Gathered | null;

function useTold(change: (to: Change) => void, filters: Filters, key: string, isOpen: boolean): void {
  useEffect(() => {
    const isMeant = passing(filters);
    return onAlert(({ data, alertIds }) => {
      // A change of many names their ids; the book has folded it already where it knows them.
      const changed = data ? [data] : (alertIds ?? []).flatMap((id) => book.get(id) ?? []);
      change((before) => {
        if (!before) return before;
        const alerts = changed.reduce(
          (list, alert) => told(list, alert, (one) => isOpen && isMeant(one)),
          before.alerts,
        );
        return alerts === before.alerts ? before : { ...before, alerts };
      });
    });
  }, [key, isOpen]);
}
