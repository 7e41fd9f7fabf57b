/**
 * Alerts of the past, gathered page by page from the newest on. Pure but for the question, which is passed in.
 *
 * With words to look for most alerts of a page may be none of them, so we go on until enough were found, and never
 * further than `LOOKED_MAX` at once: then we say how far we have come, and the reader decides.
 */
import type { Alert } from "../../alerts.ts";
import type { Page } from "../../api.ts";

/** The engine's largest page. */
export const PAGE = 500;
// What is drawn and drawn upon (the timeline) at once, and what one waits for: ten pages, a second or two.
export const WANTED = 2_000;
export const LOOKED_MAX = 5_000;

export interface Gathered {
  /** Newest first. */
  alerts: readonly Alert[];
  /** How many the engine has told, found or not. */
  looked: number;
  /** Where to go on; null: there is no more. */
  cursor: string | null;
}

export const NOTHING: Gathered = { alerts: [], looked: 0, cursor: null };

type Ask = (cursor: string | null) => Promise<Page<Alert>>;

/** Goes on from `before` until `wanted` more were found, or `lookedMax` more were looked at, or there is no more. */
export async function gather(
  ask: Ask,
  isMeant: (alert: Alert) => boolean,
  before: Gathered | null = null,
  wanted = WANTED,
  lookedMax = LOOKED_MAX,
): Promise<Gathered> {
  const found: Alert[] = [];
  let looked = 0;
  let cursor = before?.cursor ?? null;
  do {
    const page: Page<Alert> = await ask(cursor);
    looked += page.items.length;
    found.push(...page.items.filter(isMeant));
    cursor = page.next_cursor;
  } while (cursor !== null && found.length < wanted && looked < lookedMax);
  const known = before ?? NOTHING;
  return { alerts: [...known.alerts, ...found], looked: known.looked + looked, cursor };
}

/**
 * The list after something was told about an alert: where it is, it is replaced; a new one that is meant comes on top.
 * One that is not meant any more stays until the next question: a row must not vanish under the reader's hand.
 */
export function told(alerts: readonly Alert[], alert: Alert, isMeant: (alert: Alert) => boolean): readonly Alert[] {
  const index = alerts.findIndex(({ id }) => id === alert.id);
  if (index >= 0) return alerts.with(index, alert);
  const newest = alerts[0];
  // One that is older than the newest was left out by the filters, or is further down than we have come.
  if (!isMeant(alert) || (newest && newest.triggered_at >= alert.triggered_at)) return alerts;
  return [alert, ...alerts];
}
