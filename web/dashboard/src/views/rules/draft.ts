/** A rule ↔ what a person types of it. What can be said at once is said here; the rest the engine says. Pure. */
import { type Draft, type Field, FIELDS, type FieldSpec, HOURS, isAsked } from "./fields.ts";
import { secondsOf, spanOf } from "./spans.ts";

export type Faults = Partial<Record<Field, string>>;
export type Body = Record<string, unknown>;

export const NAMES = Object.keys(FIELDS) as Field[];
const ID_MAX_CHARS = 128;

export function specOf(field: Field): FieldSpec {
  return FIELDS[field];
}

/** A new rule; `given` is what is known of it already. */
export function emptyDraft(given: Partial<Draft> = {}): Draft {
  const firsts = NAMES.map((name) => [name, specOf(name).first ?? ""] as const);
  return { ...(Object.fromEntries(firsts) as Draft), ...given };
}

export function draftOf(rule: Body): Draft {
  const schedule = rule["schedule"] as Body | null | undefined;
  const said: Body = { ...rule, ...schedule, hours: Boolean(schedule), enabled: rule["enabled"] ?? true };
  const draft = emptyDraft();
  for (const name of NAMES) {
    const value = said[name];
    if (value !== undefined) draft[name] = written(specOf(name), value);
  }
  return draft;
}

function written({ form }: FieldSpec, value: unknown): string {
  if (value === null || value === false) return "";
  if (form === "span") return value === 0 ? "" : spanOf(value as number);
  if (form === "pairs") {
    return Object.entries(value as Record<string, string>)
      .map(([name, text]) => `${name}=${text}`)
      .join("\n");
  }
  return Array.isArray(value) ? value.join(", ") : String(value as string | number | boolean);
}

/** The rule that is meant, and what of it is no rule yet. `nth`: of those that would be called the same. */
export function ruleOf(draft: Draft, nth = 1): { rule: Body; faults: Faults } {
  const rule: Body = {};
  const faults: Faults = {};
  for (const name of NAMES) {
    if (!isAsked(draft, name)) continue;
    const read = valueOf(specOf(name), draft[name]);
    if (read.fault !== undefined) faults[name] = read.fault;
    else if (read.value !== undefined) rule[name] = read.value;
  }
  rule["id"] ??= suggestedId(draft, nth);
  return { rule: withHours(rule, draft), faults };
}

/** What a rule is called when nobody calls it anything. */
export function suggestedId({ framework, metric, kind }: Draft, nth = 1): string {
  const words = [framework, metric, kind === "threshold" ? "" : kind].map((word) => word.trim()).filter(Boolean);
  const tail = nth > 1 ? `-${nth}` : "";
  return words.join("-").slice(0, ID_MAX_CHARS - tail.length) + tail;
}

function withHours(rule: Body, draft: Draft): Body {
  const rest = { ...rule };
  delete rest["hours"];
  if (draft.hours !== "true") return rest;
  const schedule = Object.fromEntries(HOURS.filter((name) => name in rest).map((name) => [name, rest[name]]));
  for (const name of HOURS) delete rest[name];
  return { ...rest, schedule };
}

type Read = { value?: unknown; fault?: string };

function valueOf({ form, label, isRequired }: FieldSpec, text: string): Read {
  const said = text.trim();
  if (form === "flag") return { value: said === "true" };
  if (said === "") return isRequired ? { fault: `${label} is missing.` } : {};
  if (form === "number") return numberOf(said);
  if (form === "span") return spanRead(said);
  if (form === "pairs") return pairsOf(text);
  if (form === "names") return { value: pieces(said) };
  if (form === "numbers") return numbersOf(said);
  return { value: said };
}

function numberOf(text: string): Read {
  const value = Number(text);
  return Number.isFinite(value) ? { value } : { fault: `${text} is no number; write 90 or 0.5.` };
}

function spanRead(text: string): Read {
  const value = secondsOf(text);
  return value === null ? { fault: `${text} is no span of time; write 90s, 5m or 1h30m.` } : { value };
}

function numbersOf(text: string): Read {
  const values = pieces(text).map(Number);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  return wrong < 0 ? { value: values } : { fault: `${pieces(text)[wrong]} is no number; write 100, 1000.` };
}

function pieces(text: string): string[] {
  return text
    .split(",")
    .map((piece) => piece.trim())
    .filter(Boolean);
}

function pairsOf(text: string): Read {
  const value: Record<string, string> = {};
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim();
    if (at < 0 || !name) return { fault: `${line.trim()} has no name; write name=value.` };
    if (Object.hasOwn(value, name)) return { fault: `${name} is there twice; names are unique.` };
    Object.defineProperty(value, name, { value: line.slice(at + 1).trim(), enumerable: true });
  }
  return { value };
}

/** `host=web-1, zone=a` as typed in one line; what has no name is left out. */
export function labelsIn(text: string): Record<string, string> {
  const read = pairsOf(pieces(text).join("\n"));
  return (read.value ?? {}) as Record<string, string>;
}
