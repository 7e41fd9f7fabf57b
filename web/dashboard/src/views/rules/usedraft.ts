/** A rule while it is edited: what is typed, what is wrong with it, and how it is saved. */
import { type SubmitEvent, useEffect, useState } from "react";

import { ApiError, get, reasonOf } from "../../api.ts";
import { addressOf, createRule, replaceRule } from "./actions.ts";
import { type Opinion, useOpinion } from "./check.ts";
import { type Body, draftOf, type Faults, ruleOf, suggestedId } from "./draft.ts";
import { dropDraft, keepDraft, type Kept } from "./drafts.ts";
import type { Draft, Field } from "./fields.ts";
import { type Clash, merged } from "./merge.ts";
import type { Rule } from "./model.ts";
import { type Refusal, refusalOf } from "./refusals.ts";

/** Somebody else has saved the rule while it was edited here. */
export interface Overtaken {
  by: string;
  at: string;
  taken: Field[];
  clashes: Clash[];
}

export interface Editing {
  draft: Draft;
  /** What it is called if nobody calls it anything. */
  suggested: string;
  /** Null: it is not complete, or wrong. */
  rule: Body | null;
  isNew: boolean;
  isChanged: boolean;
  isBusy: boolean;
  opinion: Opinion | null;
  overtaken: Overtaken | null;
  /** What was refused and belongs to no field. */
  refusal: string | null;
  set: (field: Field, text: string) => void;
  leave: (field: Field) => void;
  errorOf: (field: Field) => string | undefined;
  save: (event: SubmitEvent) => Promise<void>;
}

/** Who has more rules of one kind on one metric names them. */
const NAMES_TRIED_MAX = 20;
/** What an unnamed rule is called after. */
const NAMING: readonly Field[] = ["kind", "framework", "metric"];
const NONE: Refusal = { faults: {}, rest: null };

/** `key`: what is edited (see drafts.ts); `kept.version` null: a new one. `onSaved` is called when the engine has it. */
export function useDraft(key: string, kept: Kept, onSaved: (rule: Rule) => void): Editing {
  const [state, setState] = useState(kept);
  const [left, setLeft] = useState<ReadonlySet<Field>>(new Set());
  const [isSent, setSent] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState(NONE);
  const [overtaken, setOvertaken] = useState<Overtaken | null>(null);
  const { draft, base, version } = state;
  const [nth, setNth] = useState(1);
  const { rule, faults } = ruleOf(draft, nth);
  const isComplete = Object.keys(faults).length === 0;
  const opinion = useOpinion(isComplete ? rule : null, version === null);
  // Nobody has named it, and a rule of that name is there: the next one is not asked of a person.
  const isNameTaken = draft.id.trim() === "" && opinion?.refusal.faults.id !== undefined;
  useEffect(() => {
    if (isNameTaken) setNth((before) => Math.min(before + 1, NAMES_TRIED_MAX));
  }, [isNameTaken, opinion]);
  const isChanged = JSON.stringify(draft) !== JSON.stringify(base);
  useEffect(() => {
    if (isChanged) keepDraft(key, state);
    else dropDraft(key);
  }, [key, state, isChanged]);

  async function save(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setSent(true);
    setRefused(NONE);
    if (!isComplete) return focusFirstFault(event.currentTarget);
    setBusy(true);
    try {
      const saved = await (version === null ? createRule(rule) : replaceRule(draft.id, rule, version));
      dropDraft(key);
      onSaved(saved);
    } catch (fault) {
      await refuse(fault);
      focusFirstFault(event.currentTarget);
    } finally {
      setBusy(false);
    }
  }

  async function refuse(fault: unknown): Promise<void> {
    const isLate = fault instanceof ApiError && fault.status === 412;
    setRefused(isLate ? await joinTheirs() : refusalOf(reasonOf(fault)));
  }

  /** Shows what somebody else has saved meanwhile, and keeps what was typed; saving again is meant then. */
  async function joinTheirs(): Promise<Refusal> {
    try {
      const theirs = await get<Rule>(addressOf(draft.id));
      const next = merged(base, draft, draftOf(theirs));
      setState({ draft: next.draft, base: draftOf(theirs), version: theirs.version });
      setOvertaken({ by: theirs.updated_by ?? "somebody", at: theirs.updated_at ?? "", ...next });
      return NONE;
    } catch (fault) {
      return { faults: {}, rest: reasonOf(fault) };
    }
  }

  function set(field: Field, text: string): void {
    if (NAMING.includes(field)) setNth(1);
    setState((before) => ({ ...before, draft: { ...before.draft, [field]: text } }));
    setRefused((before) => ({ faults: without(before.faults, field), rest: null }));
  }

  return {
    draft,
    suggested: suggestedId(draft, nth),
    rule: isComplete ? rule : null,
    isNew: version === null,
    isChanged,
    isBusy,
    opinion,
    overtaken,
    refusal: refused.rest ?? opinion?.refusal.rest ?? null,
    set,
    leave: (field) => setLeft((before) => new Set(before).add(field)),
    errorOf: (field) =>
      refused.faults[field] ??
      opinion?.refusal.faults[field] ??
      (isSent || left.has(field) ? faults[field] : undefined),
    save,
  };
}

function without(faults: Faults, field: Field): Faults {
  const rest = { ...faults };
  delete rest[field];
  return rest;
}

function focusFirstFault(form: EventTarget | null): void {
  // The faults are drawn first, and what hides them is opened.
  requestAnimationFrame(() => {
    const field = form instanceof HTMLElement ? form.querySelector<HTMLElement>('[aria-invalid="true"]') : null;
    field?.closest("details")?.setAttribute("open", "");
    field?.focus();
  });
}
