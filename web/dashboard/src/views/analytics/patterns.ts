/** Patterns as the engine found them (`GET /api/v1/patterns`), and which ones the address asks for. Pure. */
import type { Pattern } from "@tocsin/client";

import { number } from "../../times.ts";
import { took } from "./words.ts";

export type { Pattern } from "@tocsin/client";

/** What the last run did; no figures (null) for who may see only some frameworks. */
export interface PatternRun {
  at: string;
  since: string;
  alerts: number | null;
  is_cut: boolean | null;
  found: number | null;
  new: number | null;
  /** What was not looked for, because there is too little. */
  lacking: readonly { kind: Pattern["kind"]; needs: string; has: string }[];
}

export const KINDS: Readonly<Record<Pattern["kind"], string>> = {
  recurring: "comes back",
  co_occurrence: "come together",
  sequence: "one after the other",
  escalating: "more and more",
  flapping: "flapping",
  noisy: "noisy",
};
export const STATES = ["new", "confirmed", "dismissed"] as const;
export type State = (typeof STATES)[number];

/** Without a choice, what nobody has put away. */
const USUAL: readonly State[] = ["new", "confirmed"];

export interface PatternFilters {
  kinds: readonly Pattern["kind"][];
  states: readonly State[];
}

export function patternFilters(query: URLSearchParams): PatternFilters {
  const kinds = Object.keys(KINDS) as Pattern["kind"][];
  return {
    kinds: kinds.filter((each) => query.getAll("kind").includes(each)),
    states: STATES.filter((each) => query.getAll("state").includes(each)),
  };
}

export function statesOf({ states }: PatternFilters): readonly State[] {
  return states.length > 0 ? states : USUAL;
}

export function isWanted({ kind, state }: Pattern, filters: PatternFilters): boolean {
  return statesOf(filters).includes(state) && (filters.kinds.length === 0 || filters.kinds.includes(kind));
}

/** The list with what was said of patterns here, unless the engine has a newer word on them. */
export function asSaid(list: readonly Pattern[], said: ReadonlyMap<string, Pattern>): Pattern[] {
  return list.map((each) => {
    const mine = said.get(each.id);
    return mine && mine.version >= each.version ? mine : each;
  });
}

/** `It held 27 of 30 times, 4.2 times as often as by chance.` */
export function supportOf({ support, occasions, lift }: Pattern): string {
  const chance = lift > 0 ? `, ${number(Math.round(lift * 10) / 10)} times as often as by chance` : "";
  return `It held ${number(support)} of ${number(occasions)} times${chance}.`;
}

/** How soon the second one of a sequence comes; null: it is none. */
export function followsAfter({ typical_s, within_s }: Pattern): string | null {
  if (typical_s === null || within_s === null) return null;
  return `Usually after ${took(typical_s)}, in 9 of 10 cases within ${took(within_s)}.`;
}
