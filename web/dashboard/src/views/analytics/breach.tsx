/** One threshold that may be reached: how probably, when, and the hours until then with what is likely. */
import { useId } from "react";

import { segment } from "../../api.ts";
import { engineNow } from "../../engineclock.ts";
import { number, toTheMinute } from "../../times.ts";
import { Link, Moment, Table } from "../../ui/index.ts";
import { bandOf } from "./band.ts";
import { type Breach, crossingOf, type HourAhead, type Prediction, whoseOf } from "./predictions.ts";
import { Share } from "./chart.tsx";
import { percent } from "./words.ts";

const WIDTH = 600;
const HEIGHT = 120;
const LIKELY = 0.5;

export function BreachCard({ prediction }: { prediction: Prediction<Breach> }) {
  const { forecast, rule_id } = prediction;
  if (!forecast) return null;
  const { probability, hours, trend_at, days } = forecast;
  return (
    <li className="stack">
      <div>
        <h3>
          <Link to={`/rules/${segment(rule_id ?? "")}`}>{whoseOf(prediction)}</Link>
        </h3>
        <p className="hint">{crossingOf(forecast)}</p>
      </div>
      <p className="with-share">
        <strong>{percent(probability)}</strong>
        <Share share={probability} kind={probability >= LIKELY ? "bad" : "neutral"} />
      </p>
      <p>
        How probable it is that this is reached by <Moment at={prediction.until} how="minute" />.{" "}
        <When forecast={forecast} />
        {trend_at && (
          <>
            {" "}
            By the trend of the last four weeks alone it would be reached <Moment at={trend_at} how="minute" />.
          </>
        )}
      </p>
      <Hours forecast={forecast} />
      <details>
        <summary>Hour by hour</summary>
        <HourTable of={crossingOf(forecast)} hours={hours} />
      </details>
      <p className="hint">
        Learnt from {days} days of readings; said <Moment at={prediction.made_at} how="ago" />.
      </p>
    </li>
  );
}

function When({ forecast: { expected_at, earliest_at, latest_at } }: { forecast: Breach }) {
  if (!expected_at || !earliest_at || !latest_at) return <>No day of the past went in a way that would reach it.</>;
  return (
    <>
      If it is, then probably <Moment at={expected_at} how="minute" />, in 8 of 10 cases between{" "}
      <Moment at={earliest_at} how="minute" /> and <Moment at={latest_at} how="minute" />.
    </>
  );
}

function Hours({ forecast: { hours, threshold, metric } }: { forecast: Breach }) {
  const id = useId();
  const [first, last] = [hours[0], hours.at(-1)];
  if (!first || !last) return null;
  const { area, line, y } = bandOf(hours, threshold, WIDTH, HEIGHT);
  const now = new Date(engineNow());
  const says =
    `${metric}: ${number(first.expected)} at first, ${number(last.expected)} at the end ` +
    `(in 8 of 10 cases ${number(last.low)} to ${number(last.high)}), threshold ${number(threshold)}`;
  return (
    <figure className="chart band">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={id}>
        <title id={id}>{says}</title>
        <path className="likely" d={area} />
        <line className="threshold" x1={0} x2={WIDTH} y1={y(threshold)} y2={y(threshold)} />
        <path className="expected" d={line} />
      </svg>
      <p className="ends">
        <span>{toTheMinute(new Date(first.at), now)}</span>
        <span>
          line: expected, band: 8 of 10 cases, <span className="limit">dashes: {number(threshold)}</span>
        </span>
        <span>{toTheMinute(new Date(last.at), now)}</span>
      </p>
    </figure>
  );
}

function HourTable({ of, hours }: { of: string; hours: readonly HourAhead[] }) {
  return (
    <Table
      caption={`${of}, hour by hour`}
      rows={hours}
      keyOf={({ at }) => at}
      columns={[
        { title: "From", cell: ({ at }) => <Moment at={at} how="minute" /> },
        { title: "Expected", isFigure: true, cell: ({ expected }) => number(expected) },
        { title: "8 of 10 cases", isFigure: true, cell: ({ low, high }) => `${number(low)} to ${number(high)}` },
        { title: "Reached by then", isFigure: true, cell: ({ by }) => percent(by) },
      ]}
    />
  );
}
