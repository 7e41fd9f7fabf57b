/** What a rule sees now, series by series: asked again with each event of its alerts. */
import { useEffect } from "react";

import { all } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { onAlert } from "../../live.ts";
import { number } from "../../times.ts";
import { Answered, Button, type Column, Link, Moment, Table, Tag } from "../../ui/index.ts";
import { addressOf } from "./actions.ts";
import { useFresh } from "./asking.ts";
import type { Rule, SeriesSeen, SeriesState } from "./model.ts";
import { nameOf } from "./outlook.ts";
import { STATE_WORDS } from "./words.ts";

/** More than a person looks through; the engine keeps a thousand of a rule. */
const SHOWN_MAX = 200;
/** Many series may ring at once: asked once for all of them. */
const EVENTS_MS = 300;

const TAGS: Record<SeriesState, "neutral" | "good" | "bad" | "notable"> = {
  idle: "good",
  pending: "notable",
  firing: "bad",
  keeping: "notable",
  no_data: "neutral",
};

export function Series({ rule }: { rule: Rule }) {
  const key = `series ${rule.id} ${rule.version}`;
  const asked = useAsked(key, (signal) =>
    all<SeriesSeen>(`${addressOf(rule.id)}/series`, { limit: SHOWN_MAX }, SHOWN_MAX, signal),
  );
  useFresh(asked.again);
  useEvents(rule.id, asked.again);
  return (
    <section className="stack" aria-label="Series now">
      <header className="row">
        <h3>What it sees now</h3>
        <Button onClick={asked.again} isBusy={asked.isLoading}>
          Look again
        </Button>
      </header>
      <Answered asked={asked} what="Series">
        {({ items, isCut }) =>
          items.length === 0 ? (
            <Nothing rule={rule} />
          ) : (
            <>
              <Table
                caption={`Series of ${rule.id}`}
                rows={items}
                keyOf={({ labels }) => nameOf(labels)}
                columns={COLUMNS}
              />
              {isCut && <p className="hint">The first {items.length} are shown.</p>}
            </>
          )
        }
      </Answered>
    </section>
  );
}

function Nothing({ rule }: { rule: Rule }) {
  if (!rule.enabled) return <p className="hint">It is switched off, and sees nothing.</p>;
  const reading = { framework_id: rule.framework, metric: rule.metric, value: 1 };
  return (
    <p className="hint">
      No reading of {rule.metric} has come since it is in force. Send one: <code>POST /api/v1/readings</code>{" "}
      <code>{JSON.stringify({ readings: [reading] })}</code>
    </p>
  );
}

function useEvents(id: string, again: () => void): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onAlert(({ data, alertIds }) => {
      if (data?.rule_id === id || alertIds) timer ??= setTimeout(look, EVENTS_MS);
    });
    function look(): void {
      timer = undefined;
      again();
    }
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [id, again]);
}

const COLUMNS: Column<SeriesSeen>[] = [
  { title: "Series", cell: ({ labels }) => nameOf(labels) },
  { title: "State", cell: (series) => <State series={series} /> },
  { title: "Value", isFigure: true, cell: ({ value }) => (value === null ? "–" : number(value)) },
  { title: "Limit", isFigure: true, cell: ({ limit }) => (limit === null ? "–" : number(limit)) },
  { title: "Newest", cell: ({ last_at }) => (last_at ? <Moment at={last_at} how="ago" /> : "–") },
];

function State({ series }: { series: SeriesSeen }) {
  const alert = series.alert_id ?? series.no_data_alert_id;
  return (
    <div>
      <Tag kind={TAGS[series.state]}>{STATE_WORDS[series.state]}</Tag>{" "}
      {series.reached.length > 0 && <span className="hint">reached {series.reached.join(", ")} </span>}
      {series.until && (
        <span className="hint">
          {series.state === "pending" ? "rings" : "ends"} <Moment at={series.until} how="ago" />{" "}
        </span>
      )}
      {alert && <Link to={`/alerts/${alert}`}>alert</Link>}
    </div>
  );
}
