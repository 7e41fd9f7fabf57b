import type { Client } from "../client.js";
import type { Severity } from "../messages.js";
import { SeverityMark } from "./parts.js";
import { useAlertMetrics, type AlertMetrics, type PollingOptions } from "./useAlertMetrics.js";

export interface AlertIndicatorProps {
  client?: Client;
  channel?: string;
  minSeverity?: Severity;
  polling?: PollingOptions;
  /** Makes it a button, for example to open the panel. */
  onClick?: () => void;
}

/** How many alerts nobody looks after, and how loud the loudest is. */
export function AlertIndicator({ onClick, ...options }: AlertIndicatorProps) {
  const metrics = useAlertMetrics(options);
  const label = labelOf(metrics);
  const shown = (
    <>
      {metrics.worst && <SeverityMark severity={metrics.worst} />}
      <span aria-hidden="true">{metrics.isCurrent ? metrics.active : "?"}</span>
      {/* Said when it changes, and not each time that the same is drawn again. */}
      <span className="tocsin-unseen" role="status">
        {label}
      </span>
    </>
  );
  const className = `tocsin-indicator ${metrics.isCurrent ? "" : "tocsin-stale"}`;
  if (!onClick) {
    return (
      <span className={className} title={label}>
        {shown}
      </span>
    );
  }
  return (
    <button type="button" className={className} title={label} onClick={onClick}>
      {shown}
    </button>
  );
}

function labelOf({ isCurrent, error, active, worst }: AlertMetrics): string {
  if (error) return `alerts cannot be shown: ${error.message}`;
  if (!isCurrent) return "alerts: not connected";
  if (!active) return "no alert that nobody looks after";
  return `${active} ${active === 1 ? "alert" : "alerts"} that nobody looks after${worst ? `, the worst is ${worst}` : ""}`;
}
