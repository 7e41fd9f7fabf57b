import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { AlertBook } from "../book.js";
import type { Client } from "../client.js";
import type { ClientState } from "../conversation.js";
import { SEVERITIES, type Alert, type Severity } from "../messages.js";
import { useClient, useClientState } from "./context.js";
import { drawn } from "./drawn.js";
import { followOf, type Follow } from "./follow.js";

export interface UseAlertsOptions {
  /** Without it that of the nearest `TocsinProvider`. */
  client?: Client;
  /** A framework, `project:7`, `user`, or `workspace`: everything. */
  channel?: string;
  /** Only alerts at least so loud. */
  minSeverity?: Severity;
}

export interface Alerts {
  /** Those that are open, and those that have ended since the page looks, newest first. The same array until a change. */
  alerts: readonly Alert[];
  state: ClientState;
  /** What the server refuses this channel with. */
  error: Error | null;
  /** Wall-clock milliseconds of the last proof that nothing was missed; read it when drawing, it changes silently. */
  verifiedAt(): number | undefined;
  book: AlertBook;
}

const NONE: readonly Alert[] = [];

/** The alerts of a channel, live. Components that look at the same channel share one subscription. */
export function useAlerts(options: UseAlertsOptions = {}): Alerts {
  const { channel = "workspace", minSeverity = "info" } = options;
  const client = useClient(options.client);
  const { state } = useClientState(client);
  const follow = useMemo(() => followOf(client, channel), [client, channel]);
  useEffect(() => follow.use(minSeverity), [follow, minSeverity]);
  const all = useFollowed(follow, () => follow.book.list(), NONE);
  const error = useFollowed(follow, () => follow.fault ?? null, null);
  const alerts = useMemo(() => atLeast(all, minSeverity), [all, minSeverity]);
  return { alerts, state, error, verifiedAt: () => follow.verifiedAt, book: follow.book };
}

function useFollowed<Value>(follow: Follow, look: () => Value, atServer: Value): Value {
  const subscribe = useMemo(() => drawn((listener) => follow.onChange(listener)), [follow]);
  return useSyncExternalStore(subscribe, look, () => atServer);
}

function atLeast(alerts: readonly Alert[], minSeverity: Severity): readonly Alert[] {
  const least = SEVERITIES.indexOf(minSeverity);
  return least ? alerts.filter((alert) => SEVERITIES.indexOf(alert.severity) >= least) : alerts;
}
