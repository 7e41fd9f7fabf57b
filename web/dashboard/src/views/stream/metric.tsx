/** The metric that a rule watches, around the time of its alert, with the rule's threshold. */
import { engineNow } from "../../engineclock.ts";
import type { Alert } from "../../alerts.ts";
import { all, get, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useNow } from "../../clock.ts";
import { Answered, Graph } from "../../ui/index.ts";
import { pointsOf, type Reading, windowOf } from "./readings.ts";
import { useLasting } from "./story.tsx";

interface Rule {
  metric: string;
  threshold?: number;
}

// Readings come as often as a second, but nobody tells of each: a graph that is looked at is renewed so often.
const RENEW_MS = 10_000;
// What a graph of 600 pixels can show, and then some.
const READINGS_MAX = 5_000;

export function Metric({ alert, ruleId, isLive }: { alert: Alert; ruleId: string; isLive: boolean }) {
  const turn = Math.floor(useNow() / RENEW_MS);
  const rule = useAsked(ruleId, (signal) => get<Rule>(`/api/v1/rules/${segment(ruleId)}`, {}, signal));
  const metric = rule.value?.metric;
  const key = metric ? `${alert.id} ${metric}` : null;
  // The graph stays while it is renewed.
  const readings = useLasting(key && (isLive ? `${key} ${turn}` : key), key ?? "", async (signal) => {
    const query = { framework_id: alert.framework_id, metric, ...windowOf(alert, new Date(engineNow())), limit: 500 };
    return all<Reading>("/api/v1/readings", query, READINGS_MAX, signal);
  });
  if (rule.error) return null; // its rule is gone, and with it what to draw
  const threshold = rule.value?.threshold ?? alert.threshold_value;
  return (
    <section aria-label="Metric">
      <h3>{metric ?? "Metric"}</h3>
      <Answered asked={readings} what="Readings">
        {({ items }) => (
          <Graph
            label={metric ?? ""}
            points={pointsOf(items, alert.labels ?? {})}
            threshold={threshold}
            marks={[Date.parse(alert.triggered_at)]}
          />
        )}
      </Answered>
    </section>
  );
}
