/** The alerts behind a figure: where the history shows them. */
import { patched } from "../../place.ts";
import { fieldOf } from "../../times.ts";
import { BETWEEN } from "../history/filters.ts";
import type { CountFilters } from "./counts.ts";

/** The history's query for a stretch of time (milliseconds since 1970) and the same filters. */
export function pastQuery(
  from: number,
  to: number,
  { framework, rule, severities }: Pick<CountFilters, "framework" | "rule" | "severities">,
): URLSearchParams {
  return patched(new URLSearchParams(), {
    span: BETWEEN,
    from: fieldOf(new Date(from)),
    to: fieldOf(new Date(to)),
    framework,
    rule,
    severity: severities,
  });
}
