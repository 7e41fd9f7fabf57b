/** How good earlier predictions were: what was said beside what came. */
import { get } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { number } from "../../times.ts";
import { Answered, Moment, Table } from "../../ui/index.ts";
import { dotsOf } from "./band.ts";
import type { Accuracy, AccuracyReport } from "./predictions.ts";
import { count, percent, took } from "./words.ts";

const TITLES = { breach: "Of thresholds reached", count: "Of alerts a day" } as const;
const SIZE = 200;

export function AccuracyPart() {
  const asked = useAsked("accuracy", (signal) => get<AccuracyReport>("/api/v1/predictions/accuracy", {}, signal));
  return (
    <section className="card">
      <h2>How good earlier ones were</h2>
      <Answered asked={asked} what="Accuracy">
        {(report) => <Report report={report} />}
      </Answered>
    </section>
  );
}

function Report({ report: { kinds, since, until, unscored } }: { report: AccuracyReport }) {
  const known = kinds.filter(({ scored }) => scored > 0);
  if (known.length === 0) {
    return <p>None has come to its end yet: a prediction is scored an hour after the time that it is for.</p>;
  }
  return (
    <>
      <p className="hint">
        Of those for <Moment at={since} how="minute" /> to <Moment at={until} how="minute" />.
        {unscored > 0 && ` ${count(unscored, "other")} could not be scored: too little was measured then.`}
      </p>
      <div className="charts">
        {known.map((each) => (
          <Kind key={each.kind} accuracy={each} />
        ))}
      </div>
    </>
  );
}

function Kind({ accuracy }: { accuracy: Accuracy }) {
  const { kind, scored, wape_percent, coverage_percent, brier, warned, missed, false_alarms, lead_s } = accuracy;
  const figures: [string, string][] = [
    ["Scored", number(scored)],
    ["Error on average, of the real values (WAPE)", said(wape_percent, " %")],
    ["Within their 80 % interval", said(coverage_percent, " %")],
    ["Brier score (0 is perfect, 0.25 a coin)", said(brier)],
    ["Warnings that came true", lead_s === null ? number(warned) : `${number(warned)}, ${took(lead_s)} ahead`],
    ["False warnings", number(false_alarms)],
    ["Came without a warning", number(missed)],
  ];
  return (
    <section className="stack" aria-label={TITLES[kind]}>
      <h3>{TITLES[kind]}</h3>
      <dl className="facts">
        {figures.map(([title, value]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Calibration accuracy={accuracy} />
    </section>
  );
}

function said(value: number | null, unit = ""): string {
  return value === null ? "–" : `${number(Math.round(value * 100) / 100)}${unit}`;
}

function Calibration({ accuracy: { kind, calibration } }: { accuracy: Accuracy }) {
  const dots = dotsOf(calibration, SIZE);
  return (
    <>
      <figure className="chart calibration">
        <figcaption>
          <span>
            Upwards: how much of it came. To the right: how probable it was said to be. On the line both are the same.
          </span>
        </figcaption>
        <svg
          viewBox={`-12 -12 ${SIZE + 24} ${SIZE + 24}`}
          role="img"
          aria-label={`${TITLES[kind]}: calibration; the same is in the table below`}
        >
          <rect className="back" width={SIZE} height={SIZE} />
          <line className="same" x1={0} y1={SIZE} x2={SIZE} y2={0} />
          {dots.map(({ x, y, radius, bin }) => (
            <circle key={bin.low} cx={x} cy={y} r={radius}>
              <title>{`said ${percent(bin.said)}, came ${percent(bin.came)}, of ${bin.count}`}</title>
            </circle>
          ))}
        </svg>
      </figure>
      <details>
        <summary>As a table</summary>
        <Table
          caption={`${TITLES[kind]}: what was said, and what came`}
          rows={dots}
          keyOf={({ bin }) => String(bin.low)}
          columns={[
            { title: "Said", isFigure: true, cell: ({ bin }) => percent(bin.said) },
            { title: "Came", isFigure: true, cell: ({ bin }) => percent(bin.came) },
            { title: "Predictions", isFigure: true, cell: ({ bin }) => number(bin.count) },
          ]}
        />
      </details>
    </>
  );
}
