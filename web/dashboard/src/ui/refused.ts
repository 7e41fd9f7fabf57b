/**
 * What the engine says of a body that it refuses, brought to the field that it is about. Pure.
 *
 * It names the member first ("comment: it is empty…", "matchers[1].value: …"), or last, where a value had the wrong type
 * or length: "invalid body: Expected `str` of length <= 1024 - at `$.matchers[1].value`; for example…".
 */
export interface Place {
  /** The member of the body: a field of the form. */
  name: string;
  /** What is wrong, after where in that member it is. */
  why: string;
}

const TYPED = /^invalid \w+: (.+?) - at `(?:key in )?\$\.([\w.[\]]+)[^`]*`(.*)$/s;
const MISSING = /^invalid \w+: (Object missing required field `(\w+)`.*)$/s;
const NAMED = /^([\w.[\]]+): (.+)$/s;

/** Null: it belongs to no member. */
export function placeOf(reason: string): Place | null {
  const typed = TYPED.exec(reason);
  if (typed) return at(typed[2]!, `${typed[1]}${typed[3]}`);
  const missing = MISSING.exec(reason);
  if (missing) return at(missing[2]!, missing[1]!);
  const named = NAMED.exec(reason);
  return named && at(named[1]!, named[2]!);
}

function at(path: string, why: string): Place {
  const [name = "", ...inside] = path.split(/[.[\]]+/).filter(Boolean);
  // People count from one.
  const where = inside.map((piece) => (/^\d+$/.test(piece) ? `number ${Number(piece) + 1}` : piece)).join(", ");
  return { name, why: where ? `${where}: ${why}` : why };
}
