/** What the engine's own machine does while nothing rings: each figure that has a rule, with the rule's threshold. */
import { engineNow } from "../../engineclock.ts";
import { get, type Page } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useClaims } from "../../session.ts";
import { Graph, Link } from "../../ui/index.ts";
import { useWatched } from "../../watched.ts";
import { pointsOf, type Reading } from "./readings.ts";

// As the engine calls its own machine where nobody has said otherwise (`host.framework`).
const HOST = "host";
// The engine looks each second, so that is three hundred readings: one answer.
const SPAN_MS = 5 * 60_000;
const READINGS_MAX = 500;
// As many as it has rules of its own; more would push what to do next out of sight.
const DRAWN_MAX = 4;

interface WatchedRule {
  id: string;
  metric: string;
  threshold?: number;
  enabled: boolean;
}

export function Vitals() {
  const { channels } = useClaims();
  const isMine = channels === null || channels.includes(HOST);
  const rules = useAsked(isMine ? "rules of the host" : null, (signal) =>
    get<Page<WatchedRule>>("/api/v1/rules", { framework_id: HOST, limit: 50 }, signal),
  );
  const watched = (rules.value?.items ?? []).filter(isDrawn).slice(0, DRAWN_MAX);
  const asked = useWatched(watched.length > 0 ? watched.map(({ id }) => id).join() : null, (signal) =>
    Promise.all(watched.map(({ metric }) => readingsOf(metric, signal))),
  );
  const drawn = watched
    .map((rule, index) => ({ rule, points: pointsOf(asked.value?.value[index] ?? [], null) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return null;
  return (
    <section className="vitals" aria-labelledby="vitals">
      <h3 id="vitals">The engine&apos;s own machine, in the last minutes</h3>
      <div>
        {drawn.map(({ rule, points }) => (
          <Graph key={rule.id} label={rule.metric} points={points} threshold={rule.threshold ?? null} />
        ))}
      </div>
      <p>
        What makes it ring, and for how long that has to last:{" "}
        <Link to="/rules" query={new URLSearchParams({ framework: HOST })}>
          its rules
        </Link>
      </p>
    </section>
  );
}

function isDrawn({ enabled, threshold }: WatchedRule): boolean {
  return enabled && threshold !== undefined;
}

async function readingsOf(metric: string, signal: AbortSignal): Promise<readonly Reading[]> {
  const since = new Date(engineNow() - SPAN_MS).toISOString();
  const query = { framework_id: HOST, metric, since, limit: READINGS_MAX };
  return (await get<Page<Reading>>("/api/v1/readings", query, signal)).items;
}
