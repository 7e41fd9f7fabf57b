/** What is done to rules: asked of the engine, and said. Lists ask again when `changed` goes up. */
import { ask, post, segment } from "../../api.ts";
import { setQuery } from "../../place.ts";
import { makeStore } from "../../store.ts";
import { sayDone, sayFailed } from "../../ui/index.ts";
import type { Body } from "./draft.ts";
import type { BulkResult, Rule } from "./model.ts";

export type BulkAction = "enable" | "disable" | "archive" | "restore" | "delete";

export const RULES = "/api/v1/rules";
/** Goes up with every change that was made here. */
export const changed = makeStore(0);

function tellChanged(): void {
  changed.set(changed.get() + 1);
}

/** A slash in an id is encoded twice (engine/http/objects.py). */
export function idSegment(id: string): string {
  return segment(id.replaceAll("/", "%2F"));
}

export function addressOf(id: string): string {
  return `${RULES}/${idSegment(id)}`;
}

export function etagOf({ version }: Pick<Rule, "version">): string {
  return `"${version}"`;
}

export async function createRule(rule: Body): Promise<Rule> {
  const { value } = await ask<Rule>("POST", RULES, { body: rule });
  tellChanged();
  return value;
}

export async function replaceRule(id: string, rule: Body, version: number): Promise<Rule> {
  const { value } = await ask<Rule>("PUT", addressOf(id), { body: rule, ifMatch: etagOf({ version }) });
  tellChanged();
  return value;
}

/** Throws what the engine refused: whoever has shown it as done takes it back. */
export async function switchRule(rule: Rule, enabled: boolean): Promise<void> {
  try {
    await ask("PATCH", addressOf(rule.id), { body: { enabled }, ifMatch: etagOf(rule) });
  } finally {
    // Also when somebody else was faster: what they did is to be seen.
    tellChanged();
  }
}

export async function deleteRule(rule: Rule): Promise<void> {
  await ask("DELETE", addressOf(rule.id), { ifMatch: etagOf(rule) });
  setQuery({ rule: null });
  sayDone(`The rule ${rule.id} is deleted.`);
  tellChanged();
}

const OPPOSITES: Record<BulkAction, BulkAction | null> = {
  enable: "disable",
  disable: "enable",
  archive: "restore",
  restore: "archive",
  delete: null,
};
const DONE: Record<BulkAction, string> = {
  enable: "in force",
  disable: "switched off",
  archive: "put away",
  restore: "taken back",
  delete: "deleted",
};
const FAILED: Record<BulkAction, string> = { ...DONE, enable: "switched on" };
/** What the engine says of one that needed nothing. */
const WAS_SO = "it was so already";

/** Does it to many; says what became of them, and offers the way back. */
export async function changeMany(action: BulkAction, ids: readonly string[]): Promise<void> {
  try {
    const { results } = await post<{ results: BulkResult[] }>(`${RULES}/bulk`, { action, ids });
    sayResults(action, results);
  } catch (fault) {
    sayFailed(`${rulesOf(ids.length)} could not be ${FAILED[action]}`, fault);
  }
  tellChanged();
}

function sayResults(action: BulkAction, results: readonly BulkResult[]): void {
  const done = results.filter(({ status, message }) => status === "done" && message !== WAS_SO);
  const failed = results.filter(({ status }) => status !== "done");
  const back = OPPOSITES[action];
  const ids = done.map(({ id }) => id);
  if (done.length > 0) {
    const undo = back && { says: "Undo", does: () => void changeMany(back, ids) };
    sayDone(`${rulesOf(done.length)} ${done.length === 1 ? "is" : "are"} ${DONE[action]}.`, undo ?? undefined);
  } else if (failed.length === 0) sayDone("It was so already.");
  for (const [why, count] of reasonsOf(failed))
    sayFailed(`${rulesOf(count)} could not be ${FAILED[action]}`, new Error(why));
}

/** The same reason once, with how many it kept back. */
function reasonsOf(failed: readonly BulkResult[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { id, status, message } of failed) {
    const why = message || `${id}: ${status}`;
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return counts;
}

function rulesOf(count: number): string {
  return count === 1 ? "1 rule" : `${count} rules`;
}
