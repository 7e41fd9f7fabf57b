/** The alerts that were found, newest first; a page of them at a time is drawn. */
import { useState } from "react";

import type { Alert } from "../../alerts.ts";
import { patched, usePlace } from "../../place.ts";
import { duration, number } from "../../times.ts";
import { Button, Link, Moment, SeverityBadge, StateBadge, Table } from "../../ui/index.ts";

// Tables are not virtual: so many rows are drawn without a pause.
const DRAWN = 100;

export function List({ alerts, open }: { alerts: readonly Alert[]; open: string | null }) {
  const [count, setCount] = useState(DRAWN);
  const { query } = usePlace();
  const left = alerts.length - count;
  return (
    <>
      <Table
        caption="Alerts of this time, newest first"
        rows={alerts.slice(0, count)}
        keyOf={({ id }) => id}
        current={open}
        columns={[
          { title: "Fired", isLong: true, cell: (alert) => <Moment at={alert.triggered_at} /> },
          { title: "Severity", cell: (alert) => <SeverityBadge severity={alert.severity} /> },
          {
            title: "Alert",
            isLong: true,
            cell: (alert) => (
              <Link to="/history" query={patched(query, { alert: alert.id })}>
                {alert.title}
              </Link>
            ),
          },
          { title: "State", cell: (alert) => <StateBadge state={alert.state} /> },
          { title: "Framework", cell: (alert) => alert.framework_id },
          { title: "Heard", isFigure: true, cell: (alert) => `${number(alert.occurrences)} ×` },
          { title: "Lasted", cell: (alert) => lasted(alert) },
          { title: "Who", cell: (alert) => alert.resolved_by ?? alert.acknowledged_by ?? alert.assigned_to ?? "–" },
        ]}
      />
      {left > 0 && (
        <p>
          <Button onClick={() => setCount(count + DRAWN)}>Show {number(Math.min(left, DRAWN))} more</Button>
        </p>
      )}
    </>
  );
}

function lasted({ triggered_at, resolved_at }: Alert): string {
  return resolved_at ? duration(Date.parse(resolved_at) - Date.parse(triggered_at)) : "–";
}
