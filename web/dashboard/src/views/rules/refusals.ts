/** What the engine refuses of a rule, brought to the field that it is about. Pure. */
import type { Faults } from "./draft.ts";
import { type Field, FIELDS, HOURS } from "./fields.ts";

export interface Refusal {
  faults: Faults;
  /** What belongs to no field. */
  rest: string | null;
}

const NOTHING: Refusal = { faults: {}, rest: null };

/**
 * The engine says "rules[0]: recovery: 99 is above…", or "invalid body: Expected `float`… - at `$.rules[0].for_s`; for
 * example…", or the same without `rules[0]`.
 */
export function refusalOf(detail: string): Refusal {
  const reason = detail.replace(/^rules\[0\]: /, "");
  const typed = /^invalid \w+: (.+?) - at `(?:key in )?\$(?:\.rules\[0\])?\.(\w+)(?:\.(\w+))?[^`]*`(.*)$/s.exec(reason);
  if (typed) return at(typed[2]!, `${typed[1]}${typed[4]}`, reason, typed[3]);
  const missing = /^invalid \w+: (Object missing required field `(\w+)`)/.exec(reason);
  if (missing) return at(missing[2]!, missing[1]!, reason);
  const named = /^(\w+)(?:\.[^:]+)?: (.+)$/s.exec(reason);
  return named ? at(named[1]!, named[2]!, reason) : { ...NOTHING, rest: reason };
}

function at(name: string, why: string, whole: string, member?: string): Refusal {
  if (name === "schedule") return hoursAt(member ? `${member}: ${why}` : why);
  return Object.hasOwn(FIELDS, name) ? { faults: { [name]: why }, rest: null } : { ...NOTHING, rest: whole };
}

/** Of the hours the engine names the member inside: "zone: 'Mars' is no time zone…". */
function hoursAt(why: string): Refusal {
  const member = HOURS.find((name) => why.startsWith(`${name}: `)) as Field | undefined;
  return { faults: { [member ?? "start"]: member ? why.slice(member.length + 2) : why }, rest: null };
}
