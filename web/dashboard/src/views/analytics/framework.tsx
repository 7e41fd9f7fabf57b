/** One framework: health and risk with what each point comes from, its five sides, its last 30 days, and what may be done. */
import { get, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Link, Moment, Table, Tag } from "../../ui/index.ts";
import { Chart, Legend, Lines } from "./chart.tsx";
import { Evidence } from "./evidence.tsx";
import { Health } from "./insightstab.tsx";
import {
  type Contribution,
  type DayScore,
  daysOf,
  type FrameworkInsight,
  type Insight,
  scoreOf,
  trendOf,
} from "./insights.ts";
import { RecommendationList } from "./recommendations.tsx";

export function FrameworkPart({ framework }: { framework: string }) {
  const asked = useAsked(`insight ${framework}`, (signal) =>
    get<FrameworkInsight>(`/api/v1/insights/${segment(framework)}`, {}, signal),
  );
  return (
    <>
      <p className="row">
        <Link to="/analytics/insights">All frameworks</Link>
      </p>
      <Answered asked={asked} what="The insight">
        {({ insight, scores, recommendations }) => (
          <>
            <Summary insight={insight} />
            <div className="pairs">
              <Points
                title="What pulled health down"
                points={insight.pulled_down}
                none={insight.health === null ? "Nothing is known of its health." : "Nothing did."}
              />
              <Points
                title="What makes the risk"
                points={insight.risks}
                none={insight.risk === null ? "Nothing is known of its risk." : "Nothing does."}
              />
              <Sides insight={insight} />
              <Scores scores={scores} />
            </div>
            <section className="stack" aria-label="Recommendations">
              <h2>What may be done</h2>
              <RecommendationList items={recommendations} again={asked.again} />
            </section>
          </>
        )}
      </Answered>
    </>
  );
}

function Summary({ insight }: { insight: Insight }) {
  const { framework_id, health, risk, trends, at, note, explanation } = insight;
  return (
    <section className="card">
      <h2>{framework_id}</h2>
      <p className="score">
        Health <Health health={health} />
      </p>
      <p>
        Risk <strong>{scoreOf(risk)}</strong> of 100
      </p>
      <ul>
        {trends.map((trend) => (
          <li key={trend.days}>{trendOf(trend)}</li>
        ))}
      </ul>
      {note && <p className="hint">{note}</p>}
      <p className="hint">
        Scored <Moment at={at} how="ago" />, for the 24 hours before.
      </p>
      {explanation && (
        <blockquote>
          <Tag kind="notable">written by {explanation.model}, not checked</Tag>
          <p>{explanation.text}</p>
        </blockquote>
      )}
    </section>
  );
}

function Points({ title, points, none }: { title: string; points: readonly Contribution[]; none: string }) {
  return (
    <section className="card">
      <h3>{title}</h3>
      {points.length === 0 && <p>{none}</p>}
      <ul className="points">
        {points.map((point) => (
          <li key={`${point.because} ${point.source} ${point.category}`}>
            <strong>{scoreOf(point.points)}</strong>
            <div>
              {point.text}
              <span className="hint"> {[point.source, point.category].filter(Boolean).join(", ")}</span>
              <Evidence ids={point.alert_ids} />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sides({ insight: { categories } }: { insight: Insight }) {
  return (
    <section className="card">
      <h3>Its five sides</h3>
      <dl className="facts">
        {categories.map(({ category, health }) => (
          <div key={category}>
            <dt>{category}</dt>
            <dd>
              <Health health={health} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Scores({ scores }: { scores: readonly DayScore[] }) {
  const days = daysOf(scores);
  const lines = [
    { label: "health", values: days.map(({ health }) => health) },
    { label: "risk", values: days.map(({ risk }) => risk) },
  ];
  const [first, last] = [days[0], days.at(-1)];
  if (!first || !last) return null;
  return (
    <section className="card">
      <Chart
        title={days.length === 1 ? "1 day" : `${days.length} days`}
        says={`Health ${scoreOf(first.health)} at first, ${scoreOf(last.health)} now; risk ${scoreOf(first.risk)}, ${scoreOf(last.risk)} now`}
        top="100"
        ends={[first.day, last.day]}
        legend={<Legend lines={lines} />}
      >
        <Lines lines={lines} top={100} />
      </Chart>
      <details>
        <summary>As a table</summary>
        <Table
          caption="Health and risk by day"
          rows={scores}
          keyOf={({ day }) => day}
          columns={[
            { title: "Day (UTC)", cell: ({ day }) => day },
            { title: "Health", isFigure: true, cell: ({ health }) => scoreOf(health) },
            { title: "Risk", isFigure: true, cell: ({ risk }) => scoreOf(risk) },
          ]}
        />
      </details>
    </section>
  );
}
