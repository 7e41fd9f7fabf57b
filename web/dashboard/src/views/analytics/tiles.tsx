/** All alerts of a time together, in a few figures. */
import { number } from "../../times.ts";
import type { Figures } from "./counts.ts";
import { percent, took } from "./words.ts";

export function Tiles({ totals }: { totals: Figures }) {
  const { to_acknowledge: taken, to_resolve: ended } = totals;
  const tiles: [string, string, string?][] = [
    ["Alerts", number(totals.alerts)],
    ["Open now", number(totals.active)],
    ["Suppressed", number(totals.suppressed), "Triggers that made no alert of their own, because it was open."],
    ["Quieted", number(totals.quieted), "Silenced, in maintenance, or otherwise kept from ringing."],
    ["Somebody was told", number(totals.notified), "Outside of the page: by e-mail, chat or the like."],
    ["Noise", percent(totals.noise_ratio), "Needed nobody: marked as noise, quieted, or over within two minutes."],
    ["Acknowledged after", took(taken.p50_s), `The middle one; 95 of 100 within ${took(taken.p95_s)}.`],
    ["Resolved after", took(ended.p50_s), `The middle one; 95 of 100 within ${took(ended.p95_s)}.`],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([title, value, says]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value}</dd>
          {says && <dd className="hint">{says}</dd>}
        </div>
      ))}
    </dl>
  );
}
