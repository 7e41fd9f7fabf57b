import { useId, useState } from "react";
import { isOpen } from "../book.js";
import type { Client } from "../client.js";
import type { ClientState } from "../conversation.js";
import type { Alert, Severity } from "../messages.js";
import { useClient, useClientState } from "./context.js";
import { Moment, SeverityMark, Verified } from "./parts.js";
import { useAlerts } from "./useAlerts.js";

export interface AlertStreamProps {
  client?: Client;
  channel?: string;
  minSeverity?: Severity;
  title?: string;
  /** How many are shown; the others are counted. */
  limit?: number;
  /** Also those that have ended since the page looks. */
  showEnded?: boolean;
  /** Without the buttons that acknowledge and resolve. */
  readOnly?: boolean;
  onSelect?: (alert: Alert) => void;
}

// More rows than anybody reads, and few enough to be drawn at once without a virtual list.
const LIMIT = 100;

/** The alerts of a channel, live, newest first. */
export function AlertStream(props: AlertStreamProps) {
  const { title = "Alerts", limit = LIMIT, showEnded = false } = props;
  const { alerts, state, error, verifiedAt } = useAlerts(props);
  const heading = useId();
  const wanted = showEnded ? alerts : alerts.filter(isOpen);
  return (
    <section className="tocsin-panel tocsin-stream" aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        <span role="status">
          {wanted.length} {wanted.length === 1 ? "alert" : "alerts"}
        </span>
        <Verified at={verifiedAt} />
      </header>
      <Trouble client={props.client} state={state} error={error} />
      {wanted.length === 0 && state === "ready" && <p>No alerts. They appear here as they fire.</p>}
      <ul>
        {wanted.slice(0, limit).map((alert) => (
          <Row key={alert.id} alert={alert} {...props} />
        ))}
      </ul>
      {wanted.length > limit && <p>{wanted.length - limit} older ones are not shown.</p>}
    </section>
  );
}

function Trouble({ client, state, error }: { client?: Client; state: ClientState; error: Error | null }) {
  const { why } = useClientState(client);
  if (error) return <p role="alert">{error.message}</p>;
  if (state === "ready") return null;
  const now = state === "closed" ? "Not connected" : "Connecting";
  return <p role="status">{why ? `${now}: ${why}` : `${now} …`}</p>;
}

interface RowProps {
  alert: Alert;
  client?: Client;
  readOnly?: boolean;
  onSelect?: (alert: Alert) => void;
}

function Row({ alert, client, readOnly, onSelect }: RowProps) {
  return (
    <li className={`tocsin-alert tocsin-state-${alert.state}`}>
      <SeverityMark severity={alert.severity} />
      <div>
        <p className="tocsin-title">
          <Title alert={alert} onSelect={onSelect} />
          {alert.occurrences > 1 && <span className="tocsin-occurrences"> ×{alert.occurrences}</span>}
        </p>
        {alert.message && <p className="tocsin-message">{alert.message}</p>}
        <p className="tocsin-facts">
          <span className="tocsin-badge">{alert.quieted_by ?? alert.state}</span> {alert.framework_id}{" "}
          <Moment at={alert.triggered_at} />
        </p>
      </div>
      {!readOnly && isOpen(alert) && <Actions alert={alert} client={client} />}
    </li>
  );
}

function Title({ alert, onSelect }: Pick<RowProps, "alert" | "onSelect">) {
  const text = alert.title || alert.alert_type || alert.id;
  if (!onSelect) return <span>{text}</span>;
  return (
    <button type="button" className="tocsin-link" onClick={() => onSelect(alert)}>
      {text}
    </button>
  );
}

/** What is done is shown when the engine tells it to everybody; a refusal is shown here, with its reason. */
function Actions({ alert, client: given }: Pick<RowProps, "alert" | "client">) {
  const client = useClient(given);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const act = async (verb: "acknowledge" | "resolve"): Promise<void> => {
    setBusy(true);
    try {
      const { status, reason, message } = await client[verb](alert.id);
      setFault(status === "rejected" ? (message ?? reason) : "");
    } catch (reason) {
      setFault((reason as Error).message);
    }
    setBusy(false);
  };
  const name = alert.title || alert.id;
  return (
    <div className="tocsin-actions">
      {alert.state === "active" && (
        <button type="button" disabled={isBusy} onClick={() => void act("acknowledge")}>
          Acknowledge<span className="tocsin-unseen"> {name}</span>
        </button>
      )}
      <button type="button" disabled={isBusy} onClick={() => void act("resolve")}>
        Resolve<span className="tocsin-unseen"> {name}</span>
      </button>
      {fault && <p role="alert">{fault}</p>}
    </div>
  );
}
