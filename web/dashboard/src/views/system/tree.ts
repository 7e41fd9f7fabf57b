/** The tree of parts, as the engine tells it: a list of supervisors, of which some are parts of others. Pure. */
import type { Supervisor } from "./answers.ts";

/** Who is restarted with a part that crashed (the engine's words for it are OTP's). */
export const STRATEGIES: Readonly<Record<string, string>> = {
  one_for_one: "a crash restarts that part alone",
  rest_for_one: "a crash restarts that part and those after it",
  one_for_all: "a crash restarts all of them",
};

/** Those that are nobody's part. */
export function rootsOf(supervisors: readonly Supervisor[]): Supervisor[] {
  const parts = new Set(supervisors.flatMap(({ children }) => children.map(({ name }) => name)));
  return supervisors.filter(({ name }) => !parts.has(name));
}
