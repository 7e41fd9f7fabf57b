/** What the forms of this view hold, what is wrong with it, and the bodies that are sent. Pure. */
import { fieldOf, momentOf } from "../../times.ts";
import type { Faults } from "../../ui/fields.tsx";
import {
  endOf,
  filled,
  type Length,
  type Maintenance,
  type Matcher,
  matchersFault,
  type Silence,
  type Weekly,
} from "./quiet.ts";

/** When something is quiet, as a form has it: `datetime-local` fields are the viewer's wall clock. */
export interface Span {
  begins: "now" | "at";
  starts_at: string;
  lasts: Length;
  ends_at: string;
}

export interface SilenceDraft extends Span {
  matchers: Matcher[];
  comment: string;
}

export interface MaintenanceDraft extends Span {
  title: string;
  frameworks: string;
  matchers: Matcher[];
  how: "once" | "weekly";
  weekly: Weekly;
  /** The weeks of a weekly one, as `datetime-local` fields; empty: from now on, and for ever. */
  first: string;
  last: string;
}

export const NO_MATCHER: Matcher = { name: "", operator: "=", value: "" };

export function newSpan(now: number): Span {
  return { begins: "now", starts_at: fieldOf(new Date(now)), lasts: "2h", ends_at: fieldOf(endOf(now, "2h")) };
}

function spanOf(starts_at: string | null, ends_at: string | null, now: number): Span {
  const span = newSpan(now);
  return {
    begins: starts_at ? "at" : "now",
    starts_at: starts_at ? fieldOf(new Date(starts_at)) : span.starts_at,
    lasts: ends_at ? "until" : "2h",
    ends_at: ends_at ? fieldOf(new Date(ends_at)) : span.ends_at,
  };
}

export function silenceDraft(silence: Silence | null, matchers: readonly Matcher[], now: number): SilenceDraft {
  if (!silence) return { ...newSpan(now), matchers: matchers.length ? [...matchers] : [NO_MATCHER], comment: "" };
  const { starts_at, ends_at, comment } = silence;
  return { ...spanOf(starts_at, ends_at, now), matchers: [...silence.matchers], comment };
}

export function maintenanceDraft(window: Maintenance | null, zone: string, now: number): MaintenanceDraft {
  const weekly: Weekly = { days: ["sun"], start: "02:00", end: "04:00", zone };
  const empty = { title: "", frameworks: "", matchers: [NO_MATCHER], first: "", last: "" };
  if (!window) return { ...newSpan(now), ...empty, how: "once", weekly };
  const fieldFor = (at: string | null) => (window.weekly && at ? fieldOf(new Date(at)) : "");
  return {
    ...spanOf(window.starts_at, window.ends_at, now),
    title: window.title,
    frameworks: window.frameworks.join(", "),
    matchers: window.matchers.length ? [...window.matchers] : [NO_MATCHER],
    how: window.weekly ? "weekly" : "once",
    weekly: window.weekly ?? weekly,
    first: fieldFor(window.starts_at),
    last: fieldFor(window.ends_at),
  };
}

/** When it begins and ends, as the form has it now; null: that cannot be read. */
export function momentsOf(span: Span, now: number): { starts: Date | null; ends: Date | null } {
  const starts = span.begins === "now" ? new Date(now) : momentOf(span.starts_at);
  const ends = span.lasts === "until" ? momentOf(span.ends_at) : starts && endOf(starts.getTime(), span.lasts);
  return { starts, ends };
}

export function spanFaults(span: Span, now: number): Faults<Span> {
  const { starts, ends } = momentsOf(span, now);
  if (!starts) return { starts_at: "Say when it begins." };
  if (!ends) return { ends_at: "Say when it ends." };
  if (ends <= starts) return { ends_at: "It must end after it begins." };
  return ends.getTime() <= now ? { ends_at: "That is over already." } : {};
}

/** RFC 3339; a field that nobody touched keeps the moment that it had, to the microsecond. */
function written(moment: Date | null, before: string | null | undefined): string | null {
  if (!moment) return null;
  return before && fieldOf(new Date(before)) === fieldOf(moment) ? before : moment.toISOString();
}

export function silenceFaults(draft: SilenceDraft, now: number): Faults<SilenceDraft> {
  const comment = draft.comment.trim() ? {} : { comment: "Say why, such as: disk is being replaced, ticket 4711." };
  const wrong = matchersFault(draft.matchers);
  return { ...spanFaults(draft, now), ...comment, ...(wrong && { matchers: wrong }) };
}

export function silenceBody(draft: SilenceDraft, before: Silence | null, now: number) {
  const { starts, ends } = momentsOf(draft, now);
  // Without `starts_at` the engine's own clock says when "now" is.
  const from = draft.begins === "at" ? { starts_at: written(starts, before?.starts_at) } : {};
  const { matchers, comment } = draft;
  return { matchers: filled(matchers), ...from, ends_at: written(ends, before?.ends_at), comment: comment.trim() };
}

export function frameworksOf(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

export function maintenanceFaults(draft: MaintenanceDraft, now: number): Faults<MaintenanceDraft> {
  const title = draft.title.trim() ? {} : { title: "Say what is done, such as: new disks." };
  const { days, start, end, zone } = draft.weekly;
  if (draft.how === "once") return { ...title, ...spanFaults(draft, now) };
  const times = start && end && zone.trim();
  if (!times || days.length === 0) return { ...title, weekly: "Say the days, both times, and the time zone." };
  const [from, until] = [momentOf(draft.first), momentOf(draft.last)];
  if (until && until.getTime() <= now) return { ...title, last: "That is over already." };
  return from && until && until <= from ? { ...title, last: "The last week must be after the first." } : title;
}

export function maintenanceBody(draft: MaintenanceDraft, before: Maintenance | null, now: number) {
  const isWeekly = draft.how === "weekly";
  const once = momentsOf(draft, now);
  const starts = isWeekly ? momentOf(draft.first) : once.starts;
  const ends = isWeekly ? momentOf(draft.last) : once.ends;
  return {
    title: draft.title.trim(),
    frameworks: frameworksOf(draft.frameworks),
    matchers: filled(draft.matchers),
    starts_at: written(starts, before?.starts_at),
    ends_at: written(ends, before?.ends_at),
    weekly: isWeekly ? draft.weekly : null,
  };
}
