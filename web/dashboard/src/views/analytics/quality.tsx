/** How good the rules are, by what people did with their alerts. */
import { get } from "../../api.ts";
import { engineNow } from "../../engineclock.ts";
import { number } from "../../times.ts";
import { Current, Link, Table } from "../../ui/index.ts";
import { useWatched } from "../../watched.ts";
import { Share } from "./chart.tsx";
import { type CountFilters, countQuery, type RuleQuality, type RulesQuality } from "./counts.ts";
import { percent, took } from "./words.ts";

const RULES_MAX = 100;
// Of some hundred rules the whole time is summed up.
const LOOK_MS = 60_000;

export function Quality({ filters, filterKey }: { filters: CountFilters; filterKey: string }) {
  const asked = useWatched(`rules ${filterKey}`, (signal) => ask(filters, signal), LOOK_MS);
  return (
    <section className="card">
      <h2>By rule</h2>
      <p className="hint">
        Of a rule&apos;s alerts those were real that somebody acknowledged or resolved; false were those marked as
        noise, and those over by themselves with nobody looking.
      </p>
      <Current asked={asked} what="Rules">
        {({ items, is_cut }) => (
          <>
            <Rules rules={items.filter(({ rule_id }) => !filters.rule || rule_id === filters.rule)} />
            {is_cut && <p className="hint">Only the {RULES_MAX} rules with the most alerts are shown.</p>}
          </>
        )}
      </Current>
    </section>
  );
}

function ask(filters: CountFilters, signal: AbortSignal): Promise<RulesQuality> {
  const { since, framework_id, severity } = countQuery(filters, engineNow());
  return get<RulesQuality>("/api/v1/analytics/rules", { since, framework_id, severity, limit: RULES_MAX }, signal);
}

function Rules({ rules }: { rules: readonly RuleQuality[] }) {
  if (rules.length === 0) return <p>No rule has made an alert in this time.</p>;
  const highest = Math.max(...rules.map(({ alerts }) => alerts));
  return (
    <Table
      caption="Rules, those with the most alerts first"
      rows={rules}
      keyOf={({ rule_id, framework_id }) => `${framework_id}/${rule_id}`}
      columns={[
        { title: "Rule", cell: ({ rule_id }) => <Link to={`/rules/${encodeURIComponent(rule_id)}`}>{rule_id}</Link> },
        { title: "Framework", cell: ({ framework_id }) => framework_id },
        { title: "Alerts", cell: (rule) => <Many rule={rule} highest={highest} /> },
        { title: "Real, of those judged", isFigure: true, cell: (rule) => <Precision rule={rule} /> },
        {
          title: "False a week",
          isFigure: true,
          cell: (rule) => number(Math.round(rule.false_alarms_per_week * 10) / 10),
        },
        { title: "Predicted before", isFigure: true, cell: ({ lead_s }) => took(lead_s) },
        { title: "Noise", isFigure: true, cell: ({ noise_ratio }) => percent(noise_ratio) },
        { title: "Acknowledged after", isFigure: true, cell: (rule) => took(rule.to_acknowledge.p50_s) },
      ]}
    />
  );
}

function Many({ rule: { alerts }, highest }: { rule: RuleQuality; highest: number }) {
  return (
    <span className="with-share">
      {number(alerts)} <Share share={alerts / highest} />
    </span>
  );
}

function Precision({ rule: { precision, judged, judged_needed } }: { rule: RuleQuality }) {
  if (precision === null) {
    return (
      <span className="hint">
        needs {judged_needed}, has {judged}
      </span>
    );
  }
  return (
    <>
      {percent(precision)} <span className="hint">of {number(judged)}</span>
    </>
  );
}
