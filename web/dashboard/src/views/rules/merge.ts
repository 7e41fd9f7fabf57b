/** Two people edit one rule: what each has changed. And what is different between two states of one. Pure. */
import type { Body } from "./draft.ts";
import type { Draft, Field } from "./fields.ts";

export interface Clash {
  field: Field;
  theirs: string;
  mine: string;
}

/**
 * Somebody was faster: what only they have changed is taken over, what I typed is kept. `clashes`: what both have
 * changed, to different values; there saving again would overwrite theirs.
 */
export function merged(base: Draft, mine: Draft, theirs: Draft): { draft: Draft; taken: Field[]; clashes: Clash[] } {
  const draft = { ...mine };
  const taken: Field[] = [];
  const clashes: Clash[] = [];
  for (const field of Object.keys(base) as Field[]) {
    if (theirs[field] === base[field] || theirs[field] === mine[field]) continue;
    if (mine[field] === base[field]) {
      draft[field] = theirs[field];
      taken.push(field);
    } else clashes.push({ field, theirs: theirs[field], mine: mine[field] });
  }
  return { draft, taken, clashes };
}

export interface Difference {
  field: string;
  before: string | null;
  after: string | null;
}

/** Fields that are different; null: it was not there (which means its default). Long ones are cut. */
export function differences(before: Body, after: Body): Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .map((field) => ({ field, before: said(before[field]), after: said(after[field]) }))
    .filter((each) => each.before !== each.after);
}

const SHOWN_MAX_CHARS = 120;

function said(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS)}…` : text;
}
