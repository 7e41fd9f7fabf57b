/**
 * History: the alerts of a time span, open and over, with a timeline, and as a file.
 *
 * Filters are in the address; the open alert is `alert` in the query. What fires or changes meanwhile is taken over from
 * the live connection. Older alerts come when they are asked for, newest first.
 */
import { engineNow } from "../../engineclock.ts";
import { type ReactNode, useMemo, useRef } from "react";

import type { Alert } from "../../alerts.ts";
import { useKeys } from "../../keys.ts";
import { book } from "../../live.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useSettled } from "../../settled.ts";
import { number } from "../../times.ts";
import { Button, Empty, Failed, Loading, Moment } from "../../ui/index.ts";
import { useActions } from "../stream/actions.tsx";
import { Details } from "../stream/details.tsx";
import { ExportButtons } from "./exporting.tsx";
import { FilterForm } from "./filterform.tsx";
import { areNarrow, faultOf, type Filters, filtersOf } from "./filters.ts";
import { List } from "./list.tsx";
import { type Loaded, useLoaded } from "./load.ts";
import { Timeline } from "./timeline.tsx";

import "../stream/alert.css";
import "./history.css";

export default function History() {
  const { query } = usePlace();
  const filters = filtersOf(query);
  const asked = keyOf(query);
  const key = useSettled(asked, asked);
  const fault = faultOf(filters, engineNow());
  const open = query.get("alert");
  const searchField = useRef<HTMLInputElement>(null);
  const close = () => setQuery({ alert: null }, "push");
  useKeys("History", [
    { keys: "/", says: "Search", does: () => searchField.current?.focus() },
    { keys: "Escape", says: "Close the alert", does: () => open && close() },
  ]);
  return (
    <div className="view history">
      <header>
        <h1>History</h1>
      </header>
      <FilterForm filters={filters} fault={fault} searchField={searchField} />
      {fault === null && <Found filterKey={key} open={open} onClose={close} />}
    </div>
  );
}

/** What of the address changes the question: all but what is open. */
function keyOf(query: URLSearchParams): string {
  const rest = new URLSearchParams(query);
  rest.delete("alert");
  return rest.toString();
}

interface FoundProps {
  filterKey: string;
  open: string | null;
  onClose: () => void;
}

function Found({ filterKey, open, onClose }: FoundProps) {
  const filters = useMemo(() => filtersOf(new URLSearchParams(filterKey)), [filterKey]);
  const loaded = useLoaded(filters, filterKey);
  const actions = useActions();
  const { found, span, error, again } = loaded;
  if (!found)
    return error === null ? <Loading what="alerts" /> : <Failed what="The history" why={error} again={again} />;
  const known = found.alerts.find(({ id }) => id === open) ?? (open ? (book.get(open) ?? null) : null);
  return (
    <>
      {/* Only what was looked at is drawn: where we have not come yet nothing may seem to be. */}
      <Timeline
        alerts={found.alerts}
        span={found.cursor === null ? span : { ...span, from: oldest(found.alerts, span.from) }}
      />
      <div className={open ? "history-found with-details" : "history-found"}>
        <section className="stack" aria-label="What was found">
          <Line loaded={loaded} filters={filters} />
          {found.alerts.length === 0 ? (
            <Nothing filters={filters} loaded={loaded} />
          ) : (
            <List alerts={found.alerts} open={open} />
          )}
          <Further loaded={loaded} />
        </section>
        {open && <Details key={open} id={open} alert={known} actions={actions} onClose={onClose} />}
      </div>
      {actions.dialog}
    </>
  );
}

function oldest(alerts: readonly Alert[], from: number): number {
  const last = alerts.at(-1);
  return last ? Date.parse(last.triggered_at) : from;
}

function Line({ loaded, filters }: { loaded: Loaded; filters: Filters }) {
  const { found, span } = loaded;
  if (!found) return null;
  const count = found.alerts.length === 1 ? "One alert" : `${number(found.alerts.length)} alerts`;
  return (
    <div className="found-line">
      <p role="status">
        {count}
        {found.cursor !== null && ", and there are older ones"}
      </p>
      <ExportButtons filters={filters} span={span} found={found} />
    </div>
  );
}

function Further({ loaded: { found, isLoading, error, more } }: { loaded: Loaded }) {
  if (!found || found.cursor === null) return null;
  const last = found.alerts.at(-1);
  return (
    <div className="stack further">
      {error !== null && <p className="fault">Older ones could not be loaded: {error}</p>}
      <p className="row">
        <Button isBusy={isLoading} onClick={more}>
          Older alerts
        </Button>
        <span className="hint">
          {number(found.looked)} were looked at
          {last && (
            <>
              , back to <Moment at={last.triggered_at} />
            </>
          )}
        </span>
      </p>
    </div>
  );
}

const EVERYTHING = { severity: null, state: null, framework: null, rule: null, q: null };

function Nothing({ filters, loaded: { found } }: { filters: Filters; loaded: Loaded }): ReactNode {
  // Older ones have not been looked at yet: it would be too early to say so.
  if (found && found.cursor !== null) return <p>None of the {number(found.looked)} newest of this time matches.</p>;
  if (areNarrow(filters)) {
    return (
      <Empty title="Nothing matches">
        <Button onClick={() => setQuery(EVERYTHING)}>Show everything of this time</Button>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing rang in this time">
      <Button onClick={() => setQuery({ span: "90d", from: null, to: null })}>Look at the last 90 days</Button>
    </Empty>
  );
}
