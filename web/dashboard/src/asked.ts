/** What the engine answered to one question, for a component: loading, the value, or why not. */
import { useCallback, useEffect, useRef, useState } from "react";

import { reasonOf } from "./api.ts";

export interface Asked<T> {
  value: T | undefined;
  /** Why the last question failed; the value before it stays. */
  error: string | null;
  isLoading: boolean;
  /** Asks again, and keeps showing the old answer until the new one is there. */
  again: () => void;
}

/**
 * Asks when the component appears, when `key` changes, and when `again` is called. `key` is all that `question` depends
 * on, as text; null asks nothing. A question that was overtaken is aborted, its answer never shown.
 */
export function useAsked<T>(key: string | null, question: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, setState] = useState<{ key: string | null; value: T | undefined; error: string | null }>(NOTHING);
  const [round, setRound] = useState(0);
  const [isLoading, setLoading] = useState(key !== null);
  const latest = useRef(question);
  latest.current = question;
  useEffect(() => {
    if (key === null) return;
    const aborter = new AbortController();
    setLoading(true);
    latest.current(aborter.signal).then(
      (value) => settle({ key, value, error: null }),
      (fault: unknown) =>
        settle((before) => ({ ...(before.key === key ? before : NOTHING), key, error: reasonOf(fault) })),
    );
    function settle(next: Parameters<typeof setState>[0]): void {
      if (aborter.signal.aborted) return;
      setState(next);
      setLoading(false);
    }
    return () => aborter.abort();
  }, [key, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  // An answer to another question is none.
  const shown = state.key === key ? state : NOTHING;
  return { value: shown.value, error: shown.error, isLoading: key !== null && (isLoading || state.key !== key), again };
}

const NOTHING = { key: null, value: undefined, error: null };
