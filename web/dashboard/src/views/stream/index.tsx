/** The stream: alerts, newest first. */
import type { Alert } from "../../alerts.ts";
import { get, type Page } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Empty, Moment, SeverityBadge, StateBadge, Table } from "../../ui/index.ts";

export default function Stream() {
  const asked = useAsked("alerts", (signal) => get<Page<Alert>>("/api/v1/alerts", { limit: 100 }, signal));
  return (
    <div className="view">
      <header>
        <h1>Stream</h1>
      </header>
      <Answered asked={asked} what="Alerts">
        {({ items }) => (items.length === 0 ? <Nothing /> : <List alerts={items} />)}
      </Answered>
    </div>
  );
}

function Nothing() {
  return (
    <Empty title="Nothing rings">
      <p>
        Try it: <code>tocsin trigger web --title &quot;Checkout is slow&quot;</code>
      </p>
    </Empty>
  );
}

function List({ alerts }: { alerts: readonly Alert[] }) {
  return (
    <Table
      caption="Alerts, newest first"
      rows={alerts}
      keyOf={(alert) => alert.id}
      columns={[
        { title: "Severity", cell: (alert) => <SeverityBadge severity={alert.severity} /> },
        { title: "Alert", cell: (alert) => alert.title },
        { title: "State", cell: (alert) => <StateBadge state={alert.state} /> },
        { title: "Framework", cell: (alert) => alert.framework_id },
        { title: "Since", cell: (alert) => <Moment at={alert.triggered_at} how="ago" /> },
      ]}
    />
  );
}
