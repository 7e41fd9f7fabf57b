/** Severity and state in words, with a shape and a colour. */
import type { AlertState, Severity } from "../alerts.ts";
import { Icon } from "./icons.tsx";

export function SeverityBadge({ severity }: { severity: Severity }) {
  return (
    <span className={`severity ${severity}`}>
      <Icon name={severity} />
      {severity}
    </span>
  );
}

export function StateBadge({ state }: { state: AlertState }) {
  return <span className={`state ${state}`}>{state}</span>;
}

/** Any other word that deserves a frame. */
export function Tag({
  kind = "neutral",
  children,
}: {
  kind?: "neutral" | "good" | "bad" | "notable";
  children: React.ReactNode;
}) {
  return <span className={`tag ${kind}`}>{children}</span>;
}
