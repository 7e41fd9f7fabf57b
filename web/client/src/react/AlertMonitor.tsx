import { useId } from "react";
import { SEVERITIES } from "../messages.js";
import type { Client } from "../client.js";
import { Moment, SeverityMark, Verified } from "./parts.js";
import { useAlertMetrics, type AlertMetrics, type PollingOptions } from "./useAlertMetrics.js";

export interface AlertMonitorProps {
  client?: Client;
  channel?: string;
  polling?: PollingOptions;
  title?: string;
}

/** The numbers of alerts: open, looked after, quiet, and by severity. */
export function AlertMonitor({ title = "Alerts in numbers", ...options }: AlertMonitorProps) {
  const metrics = useAlertMetrics(options);
  const heading = useId();
  return (
    <section className="tocsin-panel tocsin-monitor" aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        <Verified at={metrics.verifiedAt} />
      </header>
      {metrics.error && <p role="alert">{metrics.error.message}</p>}
      <dl className="tocsin-figures">
        <Figure name="open" value={metrics.open} />
        <Figure name="nobody looks after" value={metrics.active} />
        <Figure name="acknowledged" value={metrics.acknowledged} />
        <Figure name="quiet" value={metrics.quieted} />
      </dl>
      <Bars {...metrics} />
      {metrics.oldestActiveAt && (
        <p>
          The oldest that nobody looks after is of <Moment at={metrics.oldestActiveAt} />.
        </p>
      )}
    </section>
  );
}

function Figure({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** `meter` needs no style of its own to be as long as it should, so a strict CSP is no trouble. */
function Bars({ open, bySeverity }: AlertMetrics) {
  return (
    <ul className="tocsin-bars">
      {SEVERITIES.toReversed().map((severity) => (
        <li key={severity}>
          <SeverityMark severity={severity} />
          <span>{severity}</span>
          <meter
            className={`tocsin-${severity}`}
            aria-label={severity}
            max={Math.max(1, open)}
            value={bySeverity[severity]}
          />
          <span className="tocsin-count">{bySeverity[severity]}</span>
        </li>
      ))}
    </ul>
  );
}
