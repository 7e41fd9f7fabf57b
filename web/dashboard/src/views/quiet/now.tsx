/** What does not ring now, and why: open alerts with a mark, and channels in a storm. Live. */
import { useMemo } from "react";

import type { Alert, QuietedBy } from "../../alerts.ts";
import { get, type Page } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useAlerts } from "../../live.ts";
import { Answered, Empty, Link, Moment, SeverityBadge, Table, Tag } from "../../ui/index.ts";
import { useFresh } from "./fresh.ts";

interface Storm {
  framework_id: string;
  since: string;
  held: number;
  rang: number;
}

// More than this is a storm itself; the stream has them all.
const LISTED_MAX = 200;
const NONE: readonly [] = [];
const SAYS: Record<QuietedBy, string> = {
  maintenance: "maintenance",
  silenced: "silenced",
  muted_hours: "muted hours of its rule",
  flapping: "comes and goes too often",
  storm: "held back by a storm",
};

export function QuietNow() {
  const alerts = useAlerts();
  const quiet = useMemo(() => alerts.filter(isQuiet), [alerts]);
  return (
    <>
      <Storms />
      <section className="stack" aria-labelledby="quiet-now">
        <h2 id="quiet-now">Open, and not ringing</h2>
        {quiet.length === 0 ? <Nothing /> : <List alerts={quiet} />}
      </section>
    </>
  );
}

function isQuiet(alert: Alert): boolean {
  return alert.quieted_by !== undefined && (alert.state === "active" || alert.state === "acknowledged");
}

function Nothing() {
  return (
    <Empty title="Nothing is kept quiet">
      <p>
        Every open alert rings. <Link to="/">See them in the stream</Link>
      </p>
    </Empty>
  );
}

function List({ alerts }: { alerts: readonly Alert[] }) {
  const more = alerts.length - LISTED_MAX;
  return (
    <>
      <Table
        caption="Open alerts that do not ring"
        rows={alerts.slice(0, LISTED_MAX)}
        keyOf={(alert) => alert.id}
        columns={[
          { title: "Severity", cell: (alert) => <SeverityBadge severity={alert.severity} /> },
          { title: "Alert", cell: (alert) => <Link to={`/alerts/${alert.id}`}>{alert.title}</Link> },
          { title: "Framework", cell: (alert) => alert.framework_id },
          { title: "Why", cell: (alert) => <Why alert={alert} /> },
          {
            title: "Until",
            cell: (alert) => (alert.quieted_until ? <Moment at={alert.quieted_until} /> : "not known"),
          },
        ]}
      />
      {more > 0 && <p className="hint">and {more} more, in the stream</p>}
    </>
  );
}

function Why({ alert: { quieted_by, quieted_ref } }: { alert: Alert }) {
  if (!quieted_by) return null;
  const query = quieted_ref ? new URLSearchParams({ edit: quieted_ref }) : undefined;
  const path = quieted_by === "silenced" ? "/quiet" : "/quiet/maintenance";
  const isOurs = query && (quieted_by === "silenced" || quieted_by === "maintenance");
  return (
    <Tag>
      {isOurs ? (
        <Link to={path} query={query}>
          {SAYS[quieted_by]}
        </Link>
      ) : (
        SAYS[quieted_by]
      )}
    </Tag>
  );
}

function Storms() {
  const asked = useAsked("storms", (signal) => get<Page<Storm>>("/api/v1/storms", {}, signal));
  useFresh(asked.again, NONE);
  return (
    <Answered asked={asked} what="Storms">
      {({ items }) =>
        items.length > 0 && (
          <section className="stack" aria-labelledby="storms">
            <h2 id="storms">Storms</h2>
            <Table
              caption="Channels in a storm"
              rows={items}
              keyOf={(storm) => storm.framework_id}
              columns={[
                { title: "Framework", cell: (storm) => storm.framework_id },
                { title: "Since", cell: (storm) => <Moment at={storm.since} how="ago" /> },
                { title: "Held back", isFigure: true, cell: (storm) => storm.held },
                { title: "Rung since", isFigure: true, cell: (storm) => storm.rang },
              ]}
            />
          </section>
        )
      }
    </Answered>
  );
}
