/** All alerts of a time together, in a few figures. */
import { number } from "../../times.ts";
import type { Figures, Took } from "./counts.ts";
import { percent, took } from "./words.ts";

export function Tiles({ totals }: { totals: Figures }) {
  const { to_acknowledge: taken, to_resolve: ended } = totals;
  const tiles: [string, string, string?][] = [
    ["Alerts", number(totals.alerts)],
    ["Still open", number(totals.active + totals.acknowledged), `Of them ${number(totals.acknowledged)} acknowledged.`],
    ["Suppressed", number(totals.suppressed), "Triggers that made no alert of their own, because it was open."],
    ["Quieted", number(totals.quieted), "Silenced, in maintenance, or otherwise kept from ringing."],
    ["Somebody was told", number(totals.notified), "In the app, by e-mail, chat or the like."],
    [
      "Noise",
      percent(totals.noise_ratio),
      "Needed nobody: marked as noise, or nobody took them up and they were quieted or over within two minutes.",
    ],
    ["Acknowledged after", took(taken.p50_s), spread(taken, "None has been acknowledged yet.")],
    ["Resolved after", took(ended.p50_s), spread(ended, "None is over yet.")],
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

/** How long it took the others; of a single one there are none. */
function spread({ count, p95_s }: Took, none: string): string {
  if (count === 0) return none;
  return count === 1 ? "It was one alert." : `The middle one of ${number(count)}; 95 of 100 within ${took(p95_s)}.`;
}
