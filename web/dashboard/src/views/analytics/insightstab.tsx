/** How the frameworks are; one of them with what pulls it down; and what may be done about rules. */
import { get } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { usePlace } from "../../place.ts";
import { Answered, Empty, Link, Table, Tag } from "../../ui/index.ts";
import { useAgainOnSight } from "../../watched.ts";
import { AtOnce } from "./atonce.tsx";
import { Share } from "./chart.tsx";
import { FrameworkPart } from "./framework.tsx";
import { type Insight, scoreOf, trendOf, verdictOf } from "./insights.ts";
import { Recommendations } from "./recommendations.tsx";

const LISTED_MAX = 200;

interface Found {
  day: string | null;
  items: Insight[];
  next_cursor: string | null;
}

export function InsightsTab() {
  const { query } = usePlace();
  const framework = query.get("framework");
  const asked = useAsked("insights", (signal) => get<Found>("/api/v1/insights", { limit: LISTED_MAX }, signal));
  useAgainOnSight(asked.again);
  if (framework !== null) return <FrameworkPart framework={framework} />;
  return (
    <>
      <Answered asked={asked} what="Insights">
        {(found) => <Frameworks found={found} />}
      </Answered>
      <Recommendations />
    </>
  );
}

function Frameworks({ found: { day, items, next_cursor } }: { found: Found }) {
  if (items.length === 0) {
    return (
      <Empty title="No framework has a score yet">
        <p>
          Each night at 4:00 UTC the engine scores every framework: its health and its risk, with what each point came
          from. It needs alerts of the last 14 days, or readings of the last one.
        </p>
        <AtOnce schedule="insight-generation" />
      </Empty>
    );
  }
  return (
    <section className="card">
      <h2>Frameworks on {day}</h2>
      <p className="hint">
        Of 100: the more health and the less risk, the better. Of the 24 hours before they were scored.
      </p>
      <Table
        caption="Frameworks, how they are"
        // The worst first: it is what one came to see; of an unknown one nothing can be said.
        rows={items.toSorted((one, other) => (one.health ?? 101) - (other.health ?? 101))}
        keyOf={({ framework_id }) => framework_id}
        columns={[
          { title: "Framework", cell: ({ framework_id }) => <Open framework={framework_id} /> },
          { title: "Health", cell: ({ health }) => <Health health={health} /> },
          { title: "Risk", isFigure: true, cell: ({ risk }) => scoreOf(risk) },
          { title: "Trend", cell: ({ trends }) => trends.slice(0, 1).map(trendOf).join() },
          {
            title: "Took most of its health",
            cell: ({ pulled_down: [first] }) => (first ? `${first.source}: ${first.text}` : "–"),
          },
        ]}
      />
      {next_cursor !== null && <p className="hint">Only {LISTED_MAX} are shown; the API has all of them.</p>}
    </section>
  );
}

function Open({ framework }: { framework: string }) {
  return (
    <Link to="/analytics/insights" query={new URLSearchParams({ framework })}>
      {framework}
    </Link>
  );
}

export function Health({ health }: { health: number | null }) {
  const { kind, word } = verdictOf(health);
  return (
    <span className="health">
      <span>{scoreOf(health)}</span> <Share share={(health ?? 0) / 100} kind={kind === "notable" ? "neutral" : kind} />{" "}
      <Tag kind={kind}>{word}</Tag>
    </span>
  );
}
