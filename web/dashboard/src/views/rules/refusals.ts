/** What the engine refuses of a rule, brought to the field that it is about. Pure. */
import type { Faults } from "./draft.ts";
import { placeOf } from "../../ui/refused.ts";
import { type Field, FIELDS, HOURS } from "./fields.ts";

export interface Refusal {
  faults: Faults;
  /** What belongs to no field. */
  rest: string | null;
}

const NOTHING: Refusal = { faults: {}, rest: null };

/** Where rules are tried many at once, the engine says before that it was the first: "rules[0]: recovery: 99 is above…". */
export function refusalOf(detail: string): Refusal {
  const reason = detail.replace(/^rules\[0\]: /, "").replace("$.rules[0].", "$.");
  const place = placeOf(reason);
  if (place?.name === "schedule") return hoursAt(place.why);
  if (!place || !Object.hasOwn(FIELDS, place.name)) return { ...NOTHING, rest: reason };
  return { faults: { [place.name]: place.why }, rest: null };
}

/** Of the hours the engine names the member inside: "zone: 'Mars' is no time zone…". */
function hoursAt(why: string): Refusal {
  const member = HOURS.find((name) => why.startsWith(`${name}: `)) as Field | undefined;
  return { faults: { [member ?? "start"]: member ? why.slice(member.length + 2) : why }, rest: null };
}
