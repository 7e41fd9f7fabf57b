/** Everything about one alert: what can be done, what it says, its metric, its story, and who was told. */
import { type Alert, isOpen } from "../../alerts.ts";
import { get, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { book } from "../../live.ts";
import { number } from "../../times.ts";
import { Drawer, Failed, Loading, Moment, SeverityBadge, StateBadge, Tag } from "../../ui/index.ts";
import { ActionButtons, type Actions } from "./actions.tsx";
import { Deliveries } from "./deliveries.tsx";
import { Incident } from "./incident.tsx";
import { Metric } from "./metric.tsx";
import { Quiet } from "./quiet.tsx";
import { Recipients, Story } from "./story.tsx";

interface DetailsProps {
  id: string;
  /** As the list has it; null: it is not there (a link to one that is over), and is asked for. */
  alert: Alert | null;
  actions: Actions;
  onClose: () => void;
}

export function Details({ id, alert, actions, onClose }: DetailsProps) {
  const asked = useAsked(alert ? null : id, async (signal) => {
    const found = await get<Alert>(`/api/v1/alerts/${segment(id)}`, {}, signal);
    // From now on it is followed as any other.
    book.set(found);
    return found;
  });
  const shown = alert ?? asked.value;
  return (
    <Drawer title={shown?.title ?? "An alert"} label="Details of the alert" onClose={onClose}>
      {shown ? (
        <Shown alert={shown} actions={actions} />
      ) : asked.error ? (
        <Failed what="The alert" why={asked.error} again={asked.again} />
      ) : (
        <Loading what="the alert" />
      )}
    </Drawer>
  );
}

function Shown({ alert, actions }: { alert: Alert; actions: Actions }) {
  // What may have changed the story: another version of it is asked for.
  const version = [
    alert.id,
    alert.state,
    alert.assigned_to,
    alert.notes,
    alert.acknowledged_at,
    alert.active_since,
  ].join("|");
  return (
    <>
      <p className="row">
        <SeverityBadge severity={alert.severity} />
        <StateBadge state={alert.state} />
        {alert.quieted_by && <Tag kind="notable">quiet: {alert.quieted_by.replace("_", " ")}</Tag>}
        {alert.noise && <Tag kind="notable">noise</Tag>}
        {alert.escalated && <Tag kind="bad">escalated, step {alert.escalated.step}</Tag>}
      </p>
      <ActionButtons actions={actions} alerts={[alert]} />
      <Quiet alert={alert} />
      <Incident alertId={alert.id} version={version} />
      {alert.message && <p className="message">{alert.message}</p>}
      <Facts alert={alert} />
      {alert.rule_id && <Metric alert={alert} ruleId={alert.rule_id} isLive={isOpen(alert)} />}
      <Story alertId={alert.id} version={version} />
      <Deliveries alertId={alert.id} version={version} isQuiet={Boolean(alert.quieted_by)} />
      <Recipients alertId={alert.id} />
    </>
  );
}

function Facts({ alert }: { alert: Alert }) {
  const value = alert.current_value === null ? null : number(alert.current_value);
  const limit = alert.threshold_value === null ? "" : ` (threshold ${number(alert.threshold_value)})`;
  const facts: [string, React.ReactNode][] = [
    ["Framework", alert.framework_id],
    ["Rule", alert.rule_id],
    ["Value at firing", value && `${value}${limit}`],
    [
      "Heard",
      alert.occurrences > 1 ? (
        <>
          {alert.occurrences} times, last <Moment at={alert.last_seen_at} />
        </>
      ) : (
        "once"
      ),
    ],
    ["Since", <Moment key="since" at={alert.triggered_at} />],
    ["Assigned to", alert.assigned_to],
    [
      "Acknowledged",
      alert.acknowledged_at && (
        <>
          by {alert.acknowledged_by ?? "nobody"}, <Moment at={alert.acknowledged_at} />
        </>
      ),
    ],
    [
      "Resolved",
      alert.resolved_at && (
        <>
          by {alert.resolved_by ?? "its source"}, <Moment at={alert.resolved_at} />
        </>
      ),
    ],
    ["Notes", alert.notes && `${alert.notes}${alert.notes_by ? ` (${alert.notes_by})` : ""}`],
    ...Object.entries({ ...alert.annotations, ...alert.labels }),
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, said]) => said !== undefined && said !== null && said !== "")
        .map(([name, said]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{said}</dd>
          </div>
        ))}
    </dl>
  );
}
