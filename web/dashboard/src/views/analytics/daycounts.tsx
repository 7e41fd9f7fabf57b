/** How many alerts the next day brings: of everything, of frameworks, of rules. */
import { number } from "../../times.ts";
import { Moment, Table } from "../../ui/index.ts";
import { type DayCount, type Prediction, whoseOf } from "./predictions.ts";
import { percent } from "./words.ts";

const SHOWN_MAX = 100;

export function DayCounts({ counts }: { counts: readonly Prediction<DayCount>[] }) {
  const [first] = counts;
  if (!first) return null;
  const rows = counts.flatMap((each) => (each.forecast ? [{ ...each, forecast: each.forecast }] : []));
  const highest = Math.max(...rows.map(({ forecast }) => forecast.high));
  return (
    <section className="card">
      <h2>Alerts of the next day</h2>
      <p className="hint">
        From <Moment at={first.since} how="minute" /> until <Moment at={first.until} how="minute" />. In 8 of 10 cases
        their number is between the two figures.
      </p>
      <Table
        caption="Alerts of the next day"
        rows={rows.slice(0, SHOWN_MAX)}
        keyOf={({ id }) => id}
        columns={[
          { title: "Of", cell: (each) => whoseOf(each) },
          {
            title: "Expected",
            isFigure: true,
            cell: ({ forecast }) => number(Math.round(forecast.expected * 10) / 10),
          },
          { title: "Between", isFigure: true, cell: ({ forecast: { low, high } }) => `${low} and ${high}` },
          { title: "Drawn", isTitleHidden: true, cell: ({ forecast }) => <Interval of={forecast} highest={highest} /> },
          { title: "At least one", isFigure: true, cell: ({ forecast }) => percent(forecast.probability) },
        ]}
      />
      {rows.length > SHOWN_MAX && <p className="hint">The first {SHOWN_MAX} are shown.</p>}
    </section>
  );
}

function Interval({ of: { low, high, expected }, highest }: { of: DayCount; highest: number }) {
  const at = (value: number) => (value / (highest || 1)) * 100;
  return (
    <svg className="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect className="back" y={1} width={100} height={8} />
      <rect x={at(low)} y={1} width={Math.max(1, at(high) - at(low))} height={8} />
      <line x1={at(expected)} x2={at(expected)} y1={0} y2={10} />
    </svg>
  );
}
