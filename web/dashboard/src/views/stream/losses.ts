/** What the page does not show though it should, in words. Pure. */
import type { Losses } from "../../live.ts";
import { several } from "../../times.ts";

/** Null: nothing is missing. `max`: how many alerts the page keeps. */
export function lossesSaid({ dropped, unknown }: Losses, max: number): string | null {
  const said: string[] = [];
  if (dropped > 0)
    said.push(
      `left out ${several(dropped, "older alert")}: this page keeps ${max.toLocaleString("en")}; history has all`,
    );
  if (unknown > 0) said.push(`${several(unknown, "change")} of alerts that are not on this page`);
  return said.length > 0 ? said.join("; ") : null;
}
