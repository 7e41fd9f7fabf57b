/** The engine's opinion of a rule that is being typed: asked when typing pauses, nothing is changed by it. */
import { useEffect, useState } from "react";

import { ApiError, ask, reasonOf } from "../../api.ts";
import { RULES } from "./actions.ts";
import type { Body } from "./draft.ts";
import type { ImportResults } from "./model.ts";
import { type Refusal, refusalOf } from "./refusals.ts";

/** Typing is over after this long. */
const TYPED_MS = 350;

export interface Opinion {
  /** What was asked about; an opinion of something else says nothing. */
  key: string;
  refusal: Refusal;
  /** Why it could not be asked. */
  unchecked: string | null;
}

const GOOD: Refusal = { faults: {}, rest: null };

/** `rule` null: it is not complete, nothing is asked. `isNew`: there must be none of that id. */
export function useOpinion(rule: Body | null, isNew: boolean): Opinion | null {
  const [opinion, setOpinion] = useState<Opinion | null>(null);
  const key = rule && JSON.stringify(rule);
  useEffect(() => {
    if (key === null) return;
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      void opinionOf(key, isNew, aborter.signal).then((next) => aborter.signal.aborted || setOpinion(next));
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [key, isNew]);
  return opinion && opinion.key === key ? opinion : null;
}

/** A dry run of taking it in says everything that saving would. */
async function opinionOf(key: string, isNew: boolean, signal: AbortSignal): Promise<Opinion> {
  const body = { rules: [JSON.parse(key) as Body], dry_run: true };
  try {
    const { value } = await ask<ImportResults>("POST", `${RULES}/import`, { query: { format: "json" }, body, signal });
    const [found] = value.results;
    const isTaken = isNew && found !== undefined && found.action !== "create";
    return { key, refusal: isTaken ? taken(found.id) : GOOD, unchecked: null };
  } catch (fault) {
    if (fault instanceof ApiError && !fault.isTemporary)
      return { key, refusal: refusalOf(fault.message), unchecked: null };
    return { key, refusal: GOOD, unchecked: reasonOf(fault) };
  }
}

export function taken(id: string): Refusal {
  return { faults: { id: `There is a rule ${id} already; choose another id.` }, rest: null };
}
