/**
 * The keyboard: which keys do what just now.
 *
 * A component says what it offers with `useKeys` while it is there; the last one to come is asked first. Keys mean
 * nothing while somebody types, while a dialog is open (it has the keyboard), with Ctrl, Alt or Meta, or when the
 * viewer has switched single keys off (WCAG 2.1.4), which the help (`?`) offers.
 */
import { useEffect, useRef } from "react";

import { makeStore, useStore } from "./store.ts";

export interface Shortcut {
  /** As `KeyboardEvent.key` names it; two after each other with a space between: "g s". */
  keys: string;
  /** What it does, as the help says it. */
  says: string;
  does: (event: KeyboardEvent) => void;
  /** Left out of the help: another name of one that is there. */
  isSilent?: boolean;
}

export interface Offer {
  title: string;
  shortcuts: readonly Shortcut[];
}

/** How long the first of two keys waits for the second. */
const SEQUENCE_MS = 1_200;
const SETTING = "tocsin.keys";

const offers = makeStore<readonly Offer[]>([]);
const isOn = makeStore(typeof localStorage === "undefined" || localStorage.getItem(SETTING) !== "off");
export const areKeysOn = { get: isOn.get, subscribe: isOn.subscribe };

export function switchKeys(on: boolean): void {
  localStorage.setItem(SETTING, on ? "on" : "off");
  isOn.set(on);
}

/** Which shortcut these keys mean; `begun` if they may be the start of one. Later offers win. Pure. */
export function find(offered: readonly Offer[], before: string | null, key: string): Shortcut | "begun" | null {
  const reversed = [...offered].reverse().flatMap((offer) => offer.shortcuts);
  const whole = before === null ? key : `${before} ${key}`;
  const found = reversed.find((each) => each.keys === whole);
  if (found) return found;
  if (before === null && reversed.some((each) => each.keys.startsWith(`${key} `))) return "begun";
  return before === null ? null : find(offered, null, key);
}

let begun: { key: string; at: number } | null = null;

function onKey(event: KeyboardEvent): void {
  if (!isOn.get() || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isBusy(event)) return;
  const before = begun && event.timeStamp - begun.at < SEQUENCE_MS ? begun.key : null;
  const found = find(offers.get(), before, event.key);
  begun = found === "begun" ? { key: event.key, at: event.timeStamp } : null;
  if (!found || found === "begun") return;
  event.preventDefault();
  found.does(event);
}

/** Whether the keys are somebody else's: a field's, an open dialog's, or a control's own. */
function isBusy(event: KeyboardEvent): boolean {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]")) return true;
  if (document.querySelector("dialog:modal")) return true;
  return (event.key === " " || event.key === "Enter") && target?.closest("button, a, summary, input") != null;
}

export function listenToKeys(): () => void {
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/** Offers these shortcuts while the component is there. */
export function useKeys(title: string, shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  const names = shortcuts.map((each) => `${each.keys} ${each.says}`).join("|");
  useEffect(() => {
    const offer: Offer = {
      title,
      shortcuts: latest.current.map((each, index) => ({
        ...each,
        does: (event) => latest.current[index]?.does(event),
      })),
    };
    offers.set([...offers.get(), offer]);
    return () => offers.set(offers.get().filter((each) => each !== offer));
  }, [title, names]);
}

export function useOffers(): readonly Offer[] {
  return useStore(offers);
}
