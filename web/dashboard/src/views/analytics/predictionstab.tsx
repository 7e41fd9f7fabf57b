/** What is expected of rules and of tomorrow, what too little is known for, and how good earlier predictions were. */
import { get, type Page } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Empty } from "../../ui/index.ts";
import { useAgainOnSight } from "../../watched.ts";
import { AccuracyPart } from "./accuracy.tsx";
import { AtOnce } from "./atonce.tsx";
import { BreachCard } from "./breach.tsx";
import { DayCounts } from "./daycounts.tsx";
import { type Prediction, reasonsOf, sorted } from "./predictions.ts";
import { count } from "./words.ts";

/** One page of each; likely ones are few, and the rest is for the API. */
const LISTED_MAX = 500;
const BREACHES_SHOWN_MAX = 50;

export function PredictionsTab() {
  const asked = useAsked("predictions", (signal) =>
    get<Page<Prediction>>("/api/v1/predictions", { state: ["open", "refused"], limit: LISTED_MAX }, signal),
  );
  useAgainOnSight(asked.again);
  return (
    <>
      <Answered asked={asked} what="Predictions">
        {({ items, next_cursor }) => (
          <>
            <Expected items={items} />
            {next_cursor !== null && <p className="hint">Only {LISTED_MAX} are shown; the API has all of them.</p>}
          </>
        )}
      </Answered>
      <AccuracyPart />
    </>
  );
}

function Expected({ items }: { items: readonly Prediction[] }) {
  const { breaches, counts, refused } = sorted(items);
  if (items.length === 0) {
    return (
      <Empty title="Nothing is predicted yet">
        <p>
          The engine predicts each night at 3:00 UTC: for rules with a threshold that have 14 days of readings, and how
          many alerts a day brings.
        </p>
        <AtOnce schedule="prediction-generation" />
      </Empty>
    );
  }
  return (
    <>
      <section className="card">
        <h2>Thresholds that may be reached in the next day</h2>
        {breaches.length === 0 && <p>Of no rule can that be said now. Below stands what is missing.</p>}
        <ul className="charts">
          {breaches.slice(0, BREACHES_SHOWN_MAX).map((each) => (
            <BreachCard key={each.id} prediction={each} />
          ))}
        </ul>
        {breaches.length > BREACHES_SHOWN_MAX && <p className="hint">The {BREACHES_SHOWN_MAX} likeliest are shown.</p>}
      </section>
      <DayCounts counts={counts} />
      <Missing refused={refused} />
    </>
  );
}

function Missing({ refused }: { refused: readonly Prediction[] }) {
  if (refused.length === 0) return null;
  return (
    <section className="card">
      <h2>Not predicted: too little is known</h2>
      <ul className="stack">
        {reasonsOf(refused).map(({ reason, whose }) => (
          <li key={reason}>
            <strong>{reason}</strong>: {whose.slice(0, 10).join(", ")}
            {whose.length > 10 && ` and ${count(whose.length - 10, "other")}`}
          </li>
        ))}
      </ul>
    </section>
  );
}
