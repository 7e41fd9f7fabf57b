/**
 * What people do about alerts. It is shown at once, before the engine has answered; if the engine refuses, it is undone
 * on the page and the reason is said.
 */
import { engineNow } from "../../engineclock.ts";
import type { Alert, AlertState } from "../../alerts.ts";
import { ApiError, post, segment } from "../../api.ts";
import { book } from "../../live.ts";
import { makeStore, useStore } from "../../store.ts";
import { sayDone, sayFailed } from "../../ui/toasts.tsx";

export type Verb = "acknowledge" | "unacknowledge" | "assign" | "comment" | "resolve" | "reopen";

export interface Deed {
  verb: Verb;
  /** Who does it. */
  by: string;
  notes?: string | undefined;
  /** With `acknowledge`, `resolve` and `comment`: whether it should not have rung. */
  noise?: boolean | undefined;
  /** With `assign`; null: to nobody. */
  assignedTo?: string | null;
}

interface ItemResult {
  status: string;
  reason: string;
  alertId: string | null;
  message?: string;
}

const DONE: Record<Verb, string> = {
  acknowledge: "Acknowledged",
  unacknowledge: "Given back",
  assign: "Assigned",
  comment: "Commented",
  resolve: "Resolved",
  reopen: "Opened again",
};
const UNDONE_BY: Partial<Record<Verb, Verb>> = {
  acknowledge: "unacknowledge",
  unacknowledge: "acknowledge",
  resolve: "reopen",
};
// What the engine takes in one request.
const BULK_MAX = 10_000;

/** By alert: how it will look if the engine agrees. */
const expected = makeStore<ReadonlyMap<string, Partial<Alert>>>(new Map());

export function useExpected(): ReadonlyMap<string, Partial<Alert>> {
  return useStore(expected);
}

/** The same for whoever is no component. */
export const expectedNow = expected.get;

/** Whether it would change anything: in bulk the others are left alone. Pure. */
export function applies(verb: Verb, { state }: Pick<Alert, "state">): boolean {
  const from: Record<Verb, readonly AlertState[]> = {
    acknowledge: ["active"],
    unacknowledge: ["acknowledged"],
    resolve: ["active", "acknowledged"],
    reopen: ["resolved", "expired"],
    assign: ["active", "acknowledged"],
    comment: ["active", "acknowledged", "resolved", "expired"],
  };
  return from[verb].includes(state);
}

/** How an alert looks after a deed. Pure. */
export function after({ verb, by, notes, noise, assignedTo }: Deed, at: string): Partial<Alert> {
  const said: Partial<Alert> = { ...(notes && { notes, notes_by: by }), ...(noise !== undefined && { noise }) };
  switch (verb) {
    case "acknowledge":
      return { ...said, state: "acknowledged", acknowledged_at: at, acknowledged_by: by };
    case "resolve":
      return { ...said, state: "resolved", resolved_at: at, resolved_by: by };
    case "unacknowledge":
    case "reopen":
      return { ...said, state: "active", active_since: at };
    case "assign":
      return { ...said, assigned_to: assignedTo ?? "" };
    case "comment":
      return said;
  }
}

/** Does it to all of these that it applies to; gives back whether the engine did all of it. */
export async function act(deed: Deed, alerts: readonly Alert[]): Promise<boolean> {
  const meant = alerts.filter((alert) => applies(deed.verb, alert));
  if (meant.length === 0) return nothingToDo(deed, alerts);
  const patch = after(deed, new Date(engineNow()).toISOString());
  expect(meant, patch);
  try {
    const refused = await send(deed, meant, patch);
    if (refused.length < meant.length)
      sayWhatWasDone(
        deed,
        meant.filter((alert) => !refused.some((each) => each.alertId === alert.id)),
      );
    if (refused.length > 0) sayFailed(`${refused.length} of ${meant.length} refused ${deed.verb}`, why(refused));
    return refused.length === 0;
  } catch (fault) {
    // What the engine has refused it would refuse again.
    const again = isTemporary(fault) ? { says: "Try again", does: () => void act(deed, meant) } : undefined;
    sayFailed(`Not ${DONE[deed.verb].toLowerCase()}: ${nameOf(meant)}`, fault, again);
    return false;
  } finally {
    expect(meant, null);
  }
}

function isTemporary(fault: unknown): boolean {
  return !(fault instanceof ApiError) || fault.isTemporary;
}

function nothingToDo(deed: Deed, alerts: readonly Alert[]): boolean {
  const [first] = alerts;
  if (first)
    sayDone(
      `Nothing to ${deed.verb}: ${alerts.length === 1 ? `it is ${first.state}` : "none of them is in a state for it"}`,
    );
  return false;
}

async function send(deed: Deed, alerts: readonly Alert[], patch: Partial<Alert>): Promise<ItemResult[]> {
  const [first] = alerts;
  if (alerts.length === 1 && first) {
    book.set(await post<Alert>(`/api/v1/alerts/${segment(first.id)}/${deed.verb}`, bodyOf(deed)));
    return [];
  }
  const refused: ItemResult[] = [];
  for (let from = 0; from < alerts.length; from += BULK_MAX) {
    const some = alerts.slice(from, from + BULK_MAX);
    const body = { ...bodyOf(deed), alertIds: some.map((alert) => alert.id) };
    const { results } = await post<{ results: ItemResult[] }>(`/api/v1/alerts/${deed.verb}`, body);
    results.forEach((result, index) => settle(result, some[index], patch, refused));
  }
  return refused;
}

/** The stream tells it as well; here so that nothing flickers between the answer and that. */
function settle(result: ItemResult, alert: Alert | undefined, patch: Partial<Alert>, refused: ItemResult[]): void {
  if (!alert) return;
  if (result.status === "rejected") refused.push({ ...result, alertId: alert.id });
  else book.set({ ...(book.get(alert.id) ?? alert), ...patch });
}

function bodyOf({ verb, notes, noise, assignedTo }: Deed): object {
  const said = { ...(notes && { notes }), ...(noise !== undefined && { noise }) };
  return { ...said, ...(verb === "assign" && { assigned_to: assignedTo ?? null }) };
}

function expect(alerts: readonly Alert[], patch: Partial<Alert> | null): void {
  const next = new Map(expected.get());
  for (const { id } of alerts) {
    if (patch) next.set(id, patch);
    else next.delete(id);
  }
  expected.set(next);
}

function sayWhatWasDone(deed: Deed, alerts: readonly Alert[]): void {
  const back = UNDONE_BY[deed.verb];
  const undo = back && { says: "Undo", does: () => void act({ verb: back, by: deed.by }, alerts.map(current)) };
  const to = deed.verb === "assign" ? ` to ${deed.assignedTo ?? "nobody"}` : "";
  sayDone(`${DONE[deed.verb]}${to}: ${nameOf(alerts)}`, undo);
}

function current(alert: Alert): Alert {
  return book.get(alert.id) ?? alert;
}

function nameOf(alerts: readonly Alert[]): string {
  return alerts.length === 1 ? (alerts[0]?.title ?? "") : `${alerts.length} alerts`;
}

function why(refused: readonly ItemResult[]): string {
  const reasons = new Set(refused.map((each) => each.message ?? each.reason));
  return [...reasons].slice(0, 3).join("; ");
}
