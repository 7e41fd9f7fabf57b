/**
 * What was typed and not saved, by what is edited: it outlives a look at another view, and a token that ended.
 *
 * Kept in memory only: a rule may have secrets of its own in texts, and another tab's edits are another tab's.
 */
import type { Draft } from "./fields.ts";

export interface Kept {
  draft: Draft;
  /** As it was when editing began, and the version that this was; null: there was none. */
  base: Draft;
  version: number | null;
}

/** More than anybody edits at once; past it the oldest goes. */
export const DRAFTS_MAX = 8;
const kept = new Map<string, Kept>();

export function keepDraft(key: string, draft: Kept): void {
  kept.delete(key);
  kept.set(key, draft);
  const [oldest] = kept.keys();
  if (kept.size > DRAFTS_MAX && oldest !== undefined) kept.delete(oldest);
}

export function keptDraft(key: string): Kept | undefined {
  return kept.get(key);
}

export function dropDraft(key: string): void {
  kept.delete(key);
}
