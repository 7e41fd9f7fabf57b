/**
 * The alerts now, and when they are drawn: a few times a second at most, however many events there are.
 *
 * `book` is told by the live connection (live.ts), which says as well when pages of a snapshot are to come.
 */
import { type Alert, AlertBook } from "@tocsin/client";

import { makeStore, slowed, useStore } from "./store.ts";

export interface Losses {
  dropped: number;
  unknown: number;
}

// One event is drawn at once; of a hundred a second nobody sees more than ten pictures.
const DRAW_MS = 100;
// While ten thousand alerts come page by page, a picture of each page would make them come later.
const LOADING_DRAW_MS = 500;
// Figures of all alerts (how many wait, how many of each severity): nobody reads faster.
const SURVEY_MS = 250;
export const book = new AlertBook();
const shown = makeStore(book.list());
const surveyed = slowed(shown, SURVEY_MS);
/** What is not here though it should be: more alerts than the book has room for, changes of alerts that it has not. */
const NO_LOSSES: Losses = { dropped: 0, unknown: 0 };
const losses = makeStore<Losses>(NO_LOSSES);
/** Whether all that is open was told, and is drawn: before that an empty list says nothing. */
const known = makeStore(false);
let drawing: ReturnType<typeof setTimeout> | undefined;
let drawnAt = 0;
let isLoading = false;
let isAllTold = false;

/** The alerts that are open, and those that were closed while we looked; newest first. */
export function useAlerts(): readonly Alert[] {
  return useStore(shown);
}

/** The same for whoever counts them: a few times a second, not with each drawing. */
export function useSurvey(): readonly Alert[] {
  return useStore(surveyed);
}

export function useLosses(): Losses {
  return useStore(losses);
}

export function useIsKnown(): boolean {
  return useStore(known);
}

/** The same for whoever is no component. */
export const shownNow = shown.get;
export const isKnownNow = known.get;
/** Calls back after each drawing. */
export const onDrawn = shown.subscribe;

/** Draws what has changed when it is time to. */
export function drawSoon(): void {
  const pause = isLoading ? LOADING_DRAW_MS : DRAW_MS;
  drawing ??= setTimeout(draw, Math.max(0, drawnAt + pause - performance.now()));
}

/** Whether more pages of a snapshot are to come; when there are none, what waited for them is drawn. */
export function expectPages(isMoreToCome: boolean): void {
  if (isLoading && !isMoreToCome && drawing !== undefined) {
    clearTimeout(drawing);
    drawing = setTimeout(draw);
  }
  isLoading = isMoreToCome;
}

/** From now on the book has all that is open. */
export function allIsTold(): void {
  isAllTold = true;
  drawSoon();
}

/** Nobody is signed in any more: nothing of what was told is drawn for the next one. */
export function forgetAll(): void {
  clearTimeout(drawing);
  drawing = undefined;
  isLoading = isAllTold = false;
  book.clear();
  shown.set(book.list());
  losses.set(NO_LOSSES);
  known.set(false);
}

function draw(): void {
  drawing = undefined;
  drawnAt = performance.now();
  shown.set(book.list());
  const { dropped, unknown } = book;
  known.set(isAllTold);
  if (losses.get().dropped !== dropped || losses.get().unknown !== unknown) losses.set({ dropped, unknown });
}
