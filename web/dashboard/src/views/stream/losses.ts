/** What the page does not show though it should, in words. Pure. */
import type { Losses } from "../../live.ts";

/** Null: nothing is missing. `max`: how many alerts the page keeps. */
export function lossesSaid({ dropped, unknown }: Losses, max: number): string | null {
  const said: string[] = [];
  if (dropped > 0)
    said.push(
      `left out ${count(dropped, "older alert")}: this page keeps ${max.toLocaleString("en")}; history has all`,
    );
  if (unknown > 0) said.push(`${count(unknown, "change")} of alerts that are not on this page`);
  return said.length > 0 ? said.join("; ") : null;
}

function count(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}
