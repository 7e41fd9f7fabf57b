/** What a rule would have told in the last hours or days: a backtest over stored readings, beside the metric's graph. */
import { engineNow } from "../../engineclock.ts";
import { useEffect, useMemo, useRef, useState } from "react";

import { all, ApiError, post, reasonOf } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Button, Moment, Refusal, SelectField, SeverityBadge, Table } from "../../ui/index.ts";
import { RULES } from "./actions.ts";
import { useSeriesOf } from "./asking.ts";
import type { Body } from "./draft.ts";
import { latestOnly } from "./latest.ts";
import type { Backtest, BacktestEvent, Reading } from "./model.ts";
import { type Labels, limitsOf, nameOf, pointsOf, ringings, summary, watched } from "./outlook.ts";
import { RingGraph } from "./ringgraph.tsx";

const HOUR_MS = 3_600_000;
const SPANS: readonly (readonly [string, string])[] = [
  ["1", "last hour"],
  ["6", "last six hours"],
  ["24", "last day"],
  ["168", "last week"],
];
/** Typing is over after this long. */
const TYPED_MS = 700;
const EVENTS_SHOWN = 10;
/** A week by the minute is 10,080 points; more a graph does not show anyway. */
const POINTS_MAX = 12_000;
const PAGE_POINTS = 4_000;

/** `rule` null: it is not complete yet. */
export function Preview({ rule }: { rule: Body | null }) {
  const [hours, setHours] = useState("24");
  const preview = useBacktest(rule, Number(hours));
  return (
    <div className="preview stack">
      <div className="row">
        <SelectField
          label="Readings of the"
          value={hours}
          options={SPANS}
          onChange={(event) => setHours(event.target.value)}
        />
        <Button onClick={preview.again} isBusy={preview.isBusy} disabled={rule === null}>
          Run again
        </Button>
      </div>
      {rule === null && <p className="hint">It is shown here as soon as the rule is complete.</p>}
      {rule !== null && <Refusal why={preview.error} />}
      <p role="status">
        {preview.isBusy ? "Running over stored readings…" : (preview.found && summary(preview.found)) || ""}
      </p>
      {preview.found && preview.rule && <Found found={preview.found} rule={preview.rule} since={preview.since} />}
    </div>
  );
}

interface Run {
  rule: Body | null;
  found: Backtest | null;
  /** RFC 3339. */
  since: string;
  error: string | null;
}

const NOTHING: Run = { rule: null, found: null, since: "", error: null };

function useBacktest(rule: Body | null, hours: number) {
  const [run, setRun] = useState(NOTHING);
  const [isBusy, setBusy] = useState(false);
  const [round, setRound] = useState(0);
  const isHere = useRef(true);
  const want = useMemo(
    () =>
      latestOnly(async (wanted: { rule: Body; since: string }) => {
        setBusy(true);
        const done = await backtested(wanted.rule, wanted.since);
        if (!isHere.current) return;
        // A refusal leaves the last good picture.
        setRun((before) => (done.error ? { ...before, error: done.error } : done));
        setBusy(false);
      }),
    [],
  );
  const key = rule && JSON.stringify(meaning(rule));
  useEffect(() => {
    isHere.current = true;
    if (key === null) return;
    const since = new Date(engineNow() - hours * HOUR_MS).toISOString();
    const timer = setTimeout(() => want({ rule: JSON.parse(key) as Body, since }), TYPED_MS);
    return () => clearTimeout(timer);
  }, [key, hours, round, want]);
  useEffect(() => () => void (isHere.current = false), []);
  return { ...run, isBusy, again: () => setRound((before) => before + 1) };
}

/** Without what is shown beside a rule: the engine takes only its own fields here. */
function meaning(rule: Body): Body {
  const beside = ["version", "origin", "created_at", "updated_at", "updated_by", "archived_at", "workspace"];
  return Object.fromEntries(Object.entries(rule).filter(([name]) => !beside.includes(name)));
}

async function backtested(rule: Body, since: string): Promise<Run> {
  try {
    const found = await post<Backtest>(`${RULES}/backtest`, { rule, since });
    return { rule, found, since, error: null };
  } catch (fault) {
    const hint = fault instanceof ApiError && fault.isTemporary ? " Run it again." : "";
    return { ...NOTHING, error: reasonOf(fault) + hint };
  }
}

function Found({ found, rule, since }: { found: Backtest; rule: Body; since: string }) {
  const series = useSeriesOf(String(rule["framework"]));
  const candidates = useMemo(() => watched(series, rule, found), [series, rule, found]);
  const [chosen, choose] = useState("");
  const shown = candidates.find((labels) => nameOf(labels) === chosen) ?? candidates[0];
  return (
    <>
      {candidates.length > 1 && (
        <SelectField
          label="Series"
          value={nameOf(shown!)}
          options={candidates.map(nameOf)}
          onChange={(event) => choose(event.target.value)}
        />
      )}
      {shown && <SeriesGraph rule={rule} found={found} since={since} labels={shown} />}
      {found.note && <p className="hint">{found.note}</p>}
      {found.events.length > 0 && <Events events={found.events} more={found.more} />}
      {found.suppressed.length > 0 && <Suppressions found={found} />}
    </>
  );
}

interface SeriesGraphProps {
  rule: Body;
  found: Backtest;
  since: string;
  labels: Labels;
}

function SeriesGraph({ rule, found, since, labels }: SeriesGraphProps) {
  const asked = useReadings(rule, labels, since);
  const points = useMemo(() => pointsOf(asked.value?.items ?? [], labels, rule), [asked.value, labels, rule]);
  if (asked.error) return <p className="refusal">The graph could not be drawn: {asked.error}</p>;
  if (!asked.value) return <p className="hint">Loading the graph…</p>;
  return (
    <RingGraph
      label={`${String(rule["metric"])}, ${nameOf(labels)}`}
      points={points}
      limits={limitsOf(rule, points)}
      ringings={ringings(found.events, labels)}
    />
  );
}

function useReadings(rule: Body, labels: Labels, since: string) {
  const query = {
    framework_id: String(rule["framework"]),
    metric: String(rule["metric"]),
    label: Object.entries(labels).map(([name, value]) => `${name}=${value}`),
    since,
    // The same for all pages: each reading of an hour, else by the minute.
    resolution: engineNow() - Date.parse(since) < 2 * HOUR_MS ? "raw" : "1m",
    limit: PAGE_POINTS,
  };
  return useAsked(JSON.stringify(query), (signal) => all<Reading>("/api/v1/readings", query, POINTS_MAX, signal));
}

function Events({ events, more }: { events: readonly BacktestEvent[]; more: number }) {
  const [isAll, setAll] = useState(false);
  const shown = isAll ? events : events.slice(0, EVENTS_SHOWN);
  const rows = shown.map((event, place) => ({ ...event, place }));
  const hidden = events.length - shown.length;
  return (
    <>
      <Table
        caption="Events that it would have told"
        rows={rows}
        keyOf={({ place }) => String(place)}
        columns={[
          { title: "When", cell: ({ at }) => <Moment at={at} /> },
          { title: "Event", cell: ({ event, quieted_by }) => (quieted_by ? `${event} (quiet: ${quieted_by})` : event) },
          { title: "Severity", cell: ({ severity }) => <SeverityBadge severity={severity} /> },
          { title: "Alert", cell: ({ title }) => title },
        ]}
      />
      {hidden > 0 && <Button onClick={() => setAll(true)}>Show {hidden} more events</Button>}
      {isAll && more > 0 && <p className="hint">{more} more are not listed: it rings far too often.</p>}
    </>
  );
}

function Suppressions({ found }: { found: Backtest }) {
  return (
    <details>
      <summary>Kept quiet</summary>
      <ul>
        {found.suppressed.slice(0, EVENTS_SHOWN).map((each) => (
          <li key={`${each.first_at} ${each.reason}`}>
            <Moment at={each.first_at} />: {each.count} × {each.reason.replaceAll("_", " ")}
          </li>
        ))}
      </ul>
    </details>
  );
}
