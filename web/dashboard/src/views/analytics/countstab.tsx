/** How many alerts there were, how noisy they were, how long people took, when they come, and how good the rules are. */
import { get } from "../../api.ts";
import type { Asked } from "../../asked.ts";
import { engineNow } from "../../engineclock.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useSettled } from "../../settled.ts";
import { Ago, Button, Current, Empty, Link } from "../../ui/index.ts";
import { type Fresh, useWatched } from "../../watched.ts";
import { CountCharts } from "./countcharts.tsx";
import {
  type Counted,
  type CountFilters,
  countFilters,
  countQuery,
  type Counts,
  heatQuery,
  isNarrow,
  SPANS,
} from "./counts.ts";
import { CountForm } from "./countform.tsx";
import type { HeatMap } from "./heat.ts";
import { HeatTable } from "./heattable.tsx";
import { Quality } from "./quality.tsx";
import { Tiles } from "./tiles.tsx";
import { count } from "./words.ts";

// What rings is counted some seconds later; who looks at weeks does not wait for it.
const LOOK_MS = 30_000;
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function CountsTab() {
  const { query } = usePlace();
  const shown = countFilters(query);
  const filters = useSettled(shown, JSON.stringify(shown));
  const key = JSON.stringify(filters);
  const asked = useWatched(key, (signal) => answered(filters, signal), LOOK_MS);
  return (
    <>
      <CountForm filters={shown} />
      <Current asked={asked} what="Counts of alerts">
        {(found) => <Shown found={found} filters={filters} />}
      </Current>
      <Heat filters={filters} filterKey={key} />
      <Quality filters={filters} filterKey={key} />
    </>
  );
}

interface Found {
  counts: Counts;
  bySeverity: Counts;
}

async function answered(filters: CountFilters, signal: AbortSignal): Promise<Found> {
  const query = countQuery(filters, engineNow());
  const [counts, bySeverity] = await Promise.all([
    get<Counts>("/api/v1/analytics", query, signal),
    get<Counts>("/api/v1/analytics", { ...query, group: "severity" }, signal),
  ]);
  return { counts, bySeverity };
}

function Shown({ found: { counts, bySeverity }, filters }: { found: Found; filters: CountFilters }) {
  return (
    <>
      <FreshLine fresh={counts.fresh} />
      {counts.totals.alerts === 0 ? (
        <None fresh={counts.fresh} filters={filters} />
      ) : (
        <>
          <Tiles totals={counts.totals} />
          <CountCharts counts={counts} bySeverity={bySeverity} filters={filters} />
        </>
      )}
    </>
  );
}

/** Why there is nothing to see, and what would show something. */
function None({ fresh: { counted_at }, filters }: { fresh: Counted; filters: CountFilters }) {
  const time = SPANS[filters.span]?.title.toLowerCase() ?? "this time";
  if (isNarrow(filters)) {
    return (
      <Empty title={`No such alerts in the ${time}`}>
        <Button onClick={() => setQuery({ framework: null, rule: null, severity: null })}>Count all alerts</Button>
      </Empty>
    );
  }
  return (
    <Empty title={counted_at ? `No alerts in the ${time}` : "No alert has been counted yet"}>
      <p>
        Alerts come from <Link to="/rules">rules</Link>, and from programs that trigger them. They are counted here some
        seconds after they rang.
      </p>
      {counted_at && filters.span !== "1y" && (
        <Button onClick={() => setQuery({ span: "1y", by: null })}>Look at the last year</Button>
      )}
    </Empty>
  );
}

/** How far counting is. */
function FreshLine({ fresh: { hours_waiting, changed_at, counted_at } }: { fresh: Counted }) {
  if (hours_waiting === 0 && counted_at === null) return null;
  return (
    <p className="hint">
      {hours_waiting > 0 ? (
        <>
          Alerts of {count(hours_waiting, "hour")} have changed since they were counted
          {changed_at && (
            <>
              , first <Ago at={Date.parse(changed_at)} />
            </>
          )}
          ; they are counted soon.
        </>
      ) : (
        "Every alert is counted."
      )}{" "}
      {counted_at && (
        <>
          Counted last <Ago at={Date.parse(counted_at)} />.
        </>
      )}
    </p>
  );
}

function Heat({ filters, filterKey }: { filters: CountFilters; filterKey: string }) {
  const asked: Asked<Fresh<HeatMap>> = useWatched(
    `heat ${filterKey}`,
    (signal) => get<HeatMap>("/api/v1/analytics/heatmap", heatQuery(filters, ZONE, engineNow()), signal),
    LOOK_MS,
  );
  return (
    <section className="card">
      <h2>By hour of the week</h2>
      <Current asked={asked} what="The hours of the week">
        {(map) => <HeatTable map={map} />}
      </Current>
    </section>
  );
}
