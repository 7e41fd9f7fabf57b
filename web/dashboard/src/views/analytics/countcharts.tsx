/** Alerts over time: how many of each severity, how much of it was noise, how long people took; and all of it as a table. */
import { said, sumOf } from "../history/pieces.ts";
import { number } from "../../times.ts";
import { Link, Table } from "../../ui/index.ts";
import { Chart, Legend, Lines, most, Stacks } from "./chart.tsx";
import { byHour, type CountFilters, type Counts, type Width } from "./counts.ts";
import { ExportButton } from "./export.tsx";
import { topOf } from "./lines.ts";
import { pastQuery } from "./past.ts";
import { nameOf, onlyOf, piecesOf, type Stretch, stretchesOf, valuesOf } from "./stretches.ts";
import { percent, took } from "./words.ts";

interface ChartsProps {
  counts: Counts;
  bySeverity: Counts;
  filters: CountFilters;
}

export function CountCharts({ counts, bySeverity, filters }: ChartsProps) {
  const { by } = counts;
  const stretches = stretchesOf(counts);
  const pieces = piecesOf(stretches, bySeverity.items);
  const name = (index: number) => nameOf(by, stretches[index]?.from ?? 0);
  const ends = [name(0), name(stretches.length - 1)] as const;
  const totals = pieces.map(({ total }) => total);
  return (
    <section className="card" aria-label="Alerts over time">
      <header className="row spread">
        <h2>By {by}</h2>
        <ExportButton filters={filters} />
      </header>
      {by !== "hour" && <p className="hint">A {by} is one of UTC, as the engine counts them.</p>}
      <OnlyOne stretches={stretches} by={by} filters={filters} />
      <div className="charts">
        <Chart
          title="Alerts"
          says={`Alerts by ${by}: ${said(sumOf(pieces))}; ${most(totals, name)}`}
          top={number(Math.max(...totals))}
          ends={ends}
        >
          <Stacks pieces={pieces} nameOf={({ from }) => nameOf(by, from)} />
        </Chart>
        <Suppressed stretches={stretches} ends={ends} name={name} />
        <Noise stretches={stretches} ends={ends} name={name} />
        <Times
          title="Time to acknowledge"
          of="to_acknowledge"
          none="None of these alerts has been acknowledged yet."
          stretches={stretches}
          ends={ends}
          name={name}
        />
        <Times
          title="Time to resolve"
          of="to_resolve"
          none="None of these alerts is over yet."
          stretches={stretches}
          ends={ends}
          name={name}
        />
      </div>
      <AsTable counts={counts} stretches={stretches} filters={filters} />
    </section>
  );
}

/** Whoever begins sees drawings that are empty but for their end. */
function OnlyOne({ stretches, by, filters }: { stretches: readonly Stretch[]; by: Width; filters: CountFilters }) {
  const only = onlyOf(stretches);
  if (!only) return null;
  return (
    <p>
      All of them are of one {by} so far, {nameOf(by, only.from)}: each {by} with alerts adds to these drawings.{" "}
      {by !== "hour" && (
        <Link to="/analytics" query={byHour(filters)}>
          The last 2 days, by hour
        </Link>
      )}
    </p>
  );
}

interface OneProps {
  stretches: readonly Stretch[];
  ends: readonly [string, string];
  name: (index: number) => string;
}

function Suppressed({ stretches, ends, name }: OneProps) {
  const values = stretches.map(({ figures }) => figures?.suppressed ?? 0);
  const top = topOf(values);
  return (
    <Chart title="Suppressed triggers" says={`Suppressed: ${most(values, name)}`} top={number(top)} ends={ends}>
      <Lines lines={[{ label: "suppressed", values }]} top={top} />
    </Chart>
  );
}

function Noise({ stretches, ends, name }: OneProps) {
  const values = valuesOf(stretches, ({ noise_ratio }) => noise_ratio && noise_ratio * 100);
  return (
    <Chart title="Noise, of all alerts" says={`Share of noise: ${most(values, name, " %")}`} top="100 %" ends={ends}>
      <Lines lines={[{ label: "noise", values }]} top={100} />
    </Chart>
  );
}

function Times({
  title,
  of,
  stretches,
  ends,
  name,
  none,
}: OneProps & { title: string; of: "to_acknowledge" | "to_resolve"; none: string }) {
  const middle = valuesOf(stretches, (figures) => figures[of].p50_s);
  const most95 = valuesOf(stretches, (figures) => figures[of].p95_s);
  const lines = [
    { label: "half of them", values: middle },
    { label: "95 of 100", values: most95 },
  ];
  const top = topOf(middle, most95);
  const says = `${title}: at most ${took(top)}, ${name(most95.indexOf(top))}`;
  const legend = <Legend lines={lines} />;
  const nothing = most95.every((value) => value === null) ? none : null;
  return (
    <Chart title={title} says={says} top={took(top)} ends={ends} legend={legend} nothing={nothing}>
      <Lines lines={lines} top={top} />
    </Chart>
  );
}

interface AsTableProps {
  counts: Counts;
  stretches: readonly Stretch[];
  filters: CountFilters;
}

/** Newest first, as people ask; without the stretches in which nothing rang. */
function AsTable({ counts: { by }, stretches, filters }: AsTableProps) {
  const rows = stretches.flatMap(({ from, to, figures }) => (figures ? [{ from, to, figures }] : [])).reverse();
  return (
    <details>
      <summary>As a table, with links to the alerts</summary>
      <Table
        caption={`Alerts by ${by}`}
        rows={rows}
        keyOf={({ from }) => String(from)}
        columns={[
          { title: by, cell: ({ from, to }) => <Past from={from} to={to} by={by} filters={filters} /> },
          { title: "Alerts", isFigure: true, cell: ({ figures }) => number(figures.alerts) },
          { title: "Suppressed", isFigure: true, cell: ({ figures }) => number(figures.suppressed) },
          { title: "Noise", isFigure: true, cell: ({ figures }) => percent(figures.noise_ratio) },
          { title: "Told", isFigure: true, cell: ({ figures }) => number(figures.notified) },
          { title: "Acknowledged after", isFigure: true, cell: ({ figures }) => took(figures.to_acknowledge.p50_s) },
          { title: "Resolved after", isFigure: true, cell: ({ figures }) => took(figures.to_resolve.p50_s) },
        ]}
      />
    </details>
  );
}

function Past({ from, to, by, filters }: { from: number; to: number; by: Width; filters: CountFilters }) {
  return (
    <Link to="/history" query={pastQuery(from, to, filters)}>
      {nameOf(by, from)}
    </Link>
  );
}
