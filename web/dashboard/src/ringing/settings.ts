/** What the viewer wants to hear and see when he does not look. Kept in this browser. */
import { SEVERITIES, type Severity } from "../alerts.ts";
import { makeStore, useStore } from "../store.ts";

export interface Ringing {
  isMuted: boolean;
  /** Desktop notifications are wanted; whether they are allowed says the browser. */
  isNotified: boolean;
  /** From which severity on. */
  from: Severity;
}

const KEY = "tocsin.ringing";
const STANDARD: Ringing = { isMuted: false, isNotified: false, from: "error" };
const store = makeStore<Ringing>(restored());
export const ringing = { get: store.get };

export function setRinging(change: Partial<Ringing>): void {
  store.set({ ...store.get(), ...change });
  localStorage.setItem(KEY, JSON.stringify(store.get()));
}

export function useRingingSettings(): Ringing {
  return useStore(store);
}

function restored(): Ringing {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Ringing>;
    const from = SEVERITIES.find((each) => each === kept.from) ?? STANDARD.from;
    return { isMuted: kept.isMuted === true, isNotified: kept.isNotified === true, from };
  } catch {
    return STANDARD;
  }
}
