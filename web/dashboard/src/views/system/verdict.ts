/** One verdict on the engine with all its reasons: what took points of its score, and what else its figures say. Pure. */
import type { Finding, HealthState, System } from "./answers.ts";

/**
 * Checks of the doctor's that the score judges as well, by the last five minutes: the doctor looks once and tells them
 * since the start, so that a restart of last week would be a warning for ever.
 */
const SCORED: ReadonlySet<string> = new Set(["health", "loop", "restarts", "channels"]);
const STATES: Readonly<Record<Finding["level"], HealthState>> = { OK: "healthy", WARNING: "warning", FAIL: "critical" };

export interface Reason {
  /** What it is about, as the doctor calls it; empty: the text says it. */
  about: string;
  state: HealthState;
  /** How many it took of the score. */
  points: number;
  text: string;
  advice: string;
}

export interface Verdict {
  state: HealthState;
  title: string;
  text: string;
}

type Judged = Pick<System, "health" | "findings">;

/** Those that took most points first, then those that took none. */
export function reasonsOf({ health, findings }: Judged): { amiss: Reason[]; well: Reason[] } {
  const scored = health.contributions.map(({ state, points, text, advice }) => ({
    about: "",
    state,
    points,
    text,
    advice,
  }));
  const others = findings
    .filter(({ check }) => !SCORED.has(check))
    .map(({ check, level, text, advice }) => ({ about: check, state: STATES[level], points: 0, text, advice }));
  const all: Reason[] = [...scored, ...others];
  return { amiss: all.filter(isAmiss), well: all.filter((each) => !isAmiss(each)) };
}

function isAmiss({ state }: Reason): boolean {
  return state === "warning" || state === "critical";
}

export function verdictOf(system: Omit<System, "supervision">): Verdict {
  const { amiss } = reasonsOf(system);
  if (!system.ready) {
    return { state: "critical", title: "Not ready", text: "A trigger would not be acknowledged now." };
  }
  if (system.overload) {
    return { state: "critical", title: "Full", text: `Nobody new may connect: ${system.overload}` };
  }
  if (amiss.length === 0) {
    return { state: "healthy", title: "Healthy", text: "Triggers are acknowledged, new connections are let in." };
  }
  const wants = amiss.length === 1 ? "one thing wants" : `${amiss.length} things want`;
  const isCritical = amiss.some(({ state }) => state === "critical");
  return {
    state: isCritical ? "critical" : "warning",
    title: isCritical ? "Critical" : "Warning",
    text: `Triggers are acknowledged, but ${wants} looking after.`,
  };
}
