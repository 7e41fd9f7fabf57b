/** The words of alerts: those of the wire. */
export { ALERT_STATES, ALERTS_MAX, isOpen, SEVERITIES } from "@tocsin/client";
export type { Alert, AlertMessage, AlertState, EventKind, QuietedBy, Severity } from "@tocsin/client";
