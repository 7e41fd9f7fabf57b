/** Questions about rules that several parts of the view ask, and when they ask again. */
import { useEffect, useRef } from "react";

import { ApiError, all, get } from "../../api.ts";
import { type Asked, useAsked } from "../../asked.ts";
import { useConnection } from "../../live.ts";
import { useAgainOnSight } from "../../seen.ts";
import { useStore } from "../../store.ts";
import { addressOf, changed, idSegment, RULES } from "./actions.ts";
import type { Rule, SeriesInfo } from "./model.ts";

/** Series that suggestions are made of; who has more types. */
const SERIES_MAX = 500;

/** Asks again when a rule was changed here, when the page comes into sight, and when the connection is back. */
export function useFresh(again: () => void): void {
  const count = useStore(changed);
  const { status } = useConnection();
  const asked = useRef({ count, status });
  useEffect(() => {
    const before = asked.current;
    asked.current = { count, status };
    if (count !== before.count || (status === "live" && before.status === "offline")) again();
  }, [count, status, again]);
  useAgainOnSight(again);
}

export interface Filters {
  q: string | null;
  kind: string | null;
  framework_id: string | null;
  enabled: string | null;
  archived: string | null;
}

export function useRules(filters: Filters, max: number): Asked<{ items: Rule[]; isCut: boolean }> {
  const key = JSON.stringify([filters, max]);
  const asked = useAsked(key, (signal) => all<Rule>(RULES, { ...filters, limit: Math.min(max, 500) }, max, signal));
  useFresh(asked.again);
  return asked;
}

export function useRule(id: string | null): Asked<Rule> {
  const asked = useAsked(id && `rule ${id}`, (signal) => get<Rule>(addressOf(id!), {}, signal));
  useFresh(asked.again);
  return asked;
}

export function useFrameworks(): readonly string[] {
  const asked = useAsked("frameworks", (signal) =>
    all<{ id: string }>("/api/v1/frameworks", { limit: 500 }, 500, signal),
  );
  return asked.value?.items.map(({ id }) => id) ?? [];
}

/** The series that a framework has sent readings of; none of one that nobody has heard of. */
export function useSeriesOf(framework: string): readonly SeriesInfo[] {
  const asked = useAsked(framework ? `series of ${framework}` : null, (signal) => seriesOf(framework, signal));
  return asked.value ?? NONE;
}

const NONE: readonly SeriesInfo[] = [];

async function seriesOf(framework: string, signal: AbortSignal): Promise<readonly SeriesInfo[]> {
  const path = `/api/v1/frameworks/${idSegment(framework)}/metrics`;
  try {
    return (await all<SeriesInfo>(path, { limit: SERIES_MAX }, SERIES_MAX, signal)).items;
  } catch (fault) {
    if (fault instanceof ApiError && fault.status === 404) return NONE;
    throw fault;
  }
}
