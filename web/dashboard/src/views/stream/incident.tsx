/** The incident that an alert is part of: which alerts belong to it, and why. Nothing, if it is part of none. */
import type { Alert, AlertState, Severity } from "../../alerts.ts";
import { get, segment } from "../../api.ts";
import { useIncidents } from "../../incidents.ts";
import { patched, usePlace } from "../../place.ts";
import { Link, Moment, SeverityBadge, Tag } from "../../ui/index.ts";
import { useLasting } from "./story.tsx";

interface Shown {
  id: string;
  state: "open" | "acknowledged" | "resolved" | "merged";
  alerts: number;
  open_alerts: number;
  /** Alerts of frameworks that this session is not for; the figures are without them. */
  has_others: boolean;
  members: { id: string; title: string; severity: Severity; state: AlertState; started_at: string; tie: string }[];
  causes: { alert_id: string; why: string }[];
}

// The rest is a long list that nobody reads in a drawer.
const MEMBERS_MAX = 20;
const KINDS = { open: "bad", acknowledged: "notable", resolved: "good", merged: "neutral" } as const;

export function Incident({ alertId, version }: { alertId: string; version: string }) {
  const known = useIncidents();
  // One that is over is not among those that are open, and may be part of one all the same.
  const asked = useLasting(`incident ${known.get(alertId) ?? ""} ${known.size} ${version}`, alertId, async (signal) => {
    const { incident_id } = await get<Alert>(`/api/v1/alerts/${segment(alertId)}`, {}, signal);
    return incident_id ? await get<Shown>(`/api/v1/incidents/${segment(incident_id)}`, {}, signal) : null;
  });
  const incident = asked.value;
  if (!incident) return null;
  const [first] = incident.causes;
  const more = incident.members.length - MEMBERS_MAX;
  return (
    <section aria-label="Incident">
      <h3 className="row">
        Part of an incident of {incident.alerts} {incident.alerts === 1 ? "alert" : "alerts"}
        {incident.has_others && " and others that you may not see"}{" "}
        <Tag kind={KINDS[incident.state]}>{incident.state}</Tag>
      </h3>
      <ul className="story">
        {incident.members.slice(0, MEMBERS_MAX).map((member) => (
          <li key={member.id}>
            <SeverityBadge severity={member.severity} />{" "}
            {member.id === alertId ? (
              <strong>{member.title || member.id}</strong>
            ) : (
              <Other id={member.id}>{member.title || member.id}</Other>
            )}{" "}
            <span className="hint">
              {member.state}
              {member.tie && `, ${member.tie}`}, <Moment at={member.started_at} />
            </span>
            {first?.alert_id === member.id && <p className="hint">Perhaps the cause: {first.why}.</p>}
          </li>
        ))}
        {more > 0 && <li className="hint">and {more} more</li>}
      </ul>
    </section>
  );
}

/** Another alert, in the view where one is: filters of the history would mean something else in the stream. */
function Other({ id, children }: { id: string; children: React.ReactNode }) {
  const { path, query } = usePlace();
  const [to, kept] = path.startsWith("/history")
    ? ["/history", patched(query, { alert: id })]
    : [`/alerts/${segment(id)}`, query];
  return (
    <Link to={to} query={kept}>
      {children}
    </Link>
  );
}
