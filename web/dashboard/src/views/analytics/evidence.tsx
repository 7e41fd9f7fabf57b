/** The alerts that prove something: asked for when somebody wants to see them, each with a link to it. */
import { useState } from "react";

import type { Alert } from "../../alerts.ts";
import { get, reasonOf, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Link, Moment, SeverityBadge } from "../../ui/index.ts";
import { count } from "./words.ts";

type Proof = { id: string; alert: Alert } | { id: string; why: string };

export function Evidence({ ids }: { ids: readonly string[] }) {
  const [isOpen, setOpen] = useState(false);
  if (ids.length === 0) return null;
  return (
    <details className="evidence" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Evidence: {count(ids.length, "alert")}</summary>
      {isOpen && <Alerts ids={ids} />}
    </details>
  );
}

function Alerts({ ids }: { ids: readonly string[] }) {
  const asked = useAsked(ids.join(), (signal) => Promise.all(ids.map((id) => proofOf(id, signal))));
  return (
    <Answered asked={asked} what="Alerts">
      {(proofs) => (
        <ul>
          {proofs.map((proof) => (
            <li key={proof.id} className="row">
              {"alert" in proof ? <One alert={proof.alert} /> : <span className="hint">{proof.why}</span>}
            </li>
          ))}
        </ul>
      )}
    </Answered>
  );
}

/** One that cannot be had (kept no longer) does not hide the others. */
async function proofOf(id: string, signal: AbortSignal): Promise<Proof> {
  try {
    return { id, alert: await get<Alert>(`/api/v1/alerts/${segment(id)}`, {}, signal) };
  } catch (fault) {
    if (signal.aborted) throw fault;
    return { id, why: reasonOf(fault) };
  }
}

function One({ alert }: { alert: Alert }) {
  return (
    <>
      <SeverityBadge severity={alert.severity} />
      <Link to={`/alerts/${segment(alert.id)}`}>{alert.title}</Link>
      <span className="hint">
        {alert.framework_id}, <Moment at={alert.triggered_at} />
      </span>
    </>
  );
}
