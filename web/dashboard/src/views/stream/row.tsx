/** One alert in the list. */
import { memo } from "react";

import type { Alert } from "../../alerts.ts";
import { brief } from "../../times.ts";
import { Icon, Moment, SeverityBadge, StateBadge, Tag } from "../../ui/index.ts";

export interface RowHandlers {
  onOpen: (id: string) => void;
  onCursor: (id: string) => void;
  onSelect: (id: string, isSelected: boolean, toHere: boolean) => void;
}

interface RowProps extends RowHandlers {
  alert: Alert;
  isSelected: boolean;
  isOpen: boolean;
  /** Deeds are under way. */
  isWaiting: boolean;
  isInIncident: boolean;
}

export const Row = memo(function Row({ alert, isSelected, isOpen, isWaiting, isInIncident, ...handlers }: RowProps) {
  const { onOpen, onCursor, onSelect } = handlers;
  const { id, title } = alert;
  return (
    <div className={classOf(alert, isSelected, isOpen, isWaiting)} data-alert={id}>
      <input
        type="checkbox"
        aria-label={`Select ${title}`}
        checked={isSelected}
        onChange={(event) => onSelect(id, event.target.checked, (event.nativeEvent as MouseEvent).shiftKey)}
      />
      <SeverityBadge severity={alert.severity} />
      <div className="what">
        <button
          type="button"
          className="title"
          onClick={() => onOpen(id)}
          onFocus={() => onCursor(id)}
          aria-expanded={isOpen}
        >
          <span>{title || id}</span>
        </button>
        <Where alert={alert} />
      </div>
      <span className="value">
        {alert.current_value !== null && (
          <>
            {brief(alert.current_value)} <small>at firing</small>
          </>
        )}
      </span>
      <span className="times" title="How often it was heard">
        {alert.occurrences > 1 && `×${alert.occurrences}`}
      </span>
      <span className="who">
        {alert.assigned_to && (
          <>
            <Icon name="user" /> {alert.assigned_to}
          </>
        )}
      </span>
      <span className="marks">
        <StateBadge state={alert.state} />
        {isInIncident && <Tag kind="notable">incident</Tag>}
        {alert.quieted_by && <Tag>{alert.quieted_by.replace("_", " ")}</Tag>}
      </span>
      <span className="when">
        <Moment at={alert.active_since ?? alert.triggered_at} how="ago" />
      </span>
    </div>
  );
});

function Where({ alert }: { alert: Alert }) {
  const labels = Object.entries(alert.labels ?? {}).filter(([name]) => name !== "severity");
  const said = labels.map(([name, value]) => `${name}=${value}`).join(" ");
  return (
    <span className="where">
      {alert.framework_id}
      {said && <span className="labels"> · {said}</span>}
    </span>
  );
}

function classOf(alert: Alert, isSelected: boolean, isOpen: boolean, isWaiting: boolean): string {
  const words = ["alert-row", alert.severity, alert.state];
  if (alert.quieted_by) words.push("quiet");
  if (isSelected) words.push("selected");
  if (isOpen) words.push("open");
  if (isWaiting) words.push("waiting");
  return words.join(" ");
}
