/** Hooks and components for React 18 and newer. */

export { AlertIndicator, type AlertIndicatorProps } from "./AlertIndicator.js";
export { AlertMonitor, type AlertMonitorProps } from "./AlertMonitor.js";
export { AlertStream, type AlertStreamProps } from "./AlertStream.js";
export { TocsinProvider, useClient, useClientState } from "./context.js";
export { countAlerts, type AlertCounts } from "./counts.js";
export { drawn } from "./drawn.js";
export {
  useAlertMetrics,
  type AlertMetrics,
  type PollingOptions,
  type UseAlertMetricsOptions,
} from "./useAlertMetrics.js";
export { useAlerts, type Alerts, type UseAlertsOptions } from "./useAlerts.js";
export { useAlertWebSocket, type AlertWebSocket, type UseAlertWebSocketOptions } from "./useAlertWebSocket.js";
