/**
 * How many alerts there are: live over the socket; or asked again and again over HTTP, for pages that may not open one.
 */

import { useEffect, useMemo, useRef, useState } from "react";
import { below } from "../about.js";
import { TocsinError } from "../errors.js";
import type { Alert } from "../messages.js";
import { countAlerts, type AlertCounts } from "./counts.js";
import { useAlerts, type UseAlertsOptions } from "./useAlerts.js";

export interface AlertMetrics extends AlertCounts {
  /** Whether the numbers are up to date: connected, or the last answer was good. */
  isCurrent: boolean;
  error: Error | null;
  /** Wall-clock milliseconds: up to when the numbers are right. */
  verifiedAt(): number | undefined;
}

export interface PollingOptions {
  /** How often to ask. */
  everyMs: number;
  /** The engine's HTTP door; without it the page's own host. */
  host?: string;
  token: string | (() => string | Promise<string>);
}

export interface UseAlertMetricsOptions extends UseAlertsOptions {
  /** Ask over HTTP instead: then there need be no client, and `channel` and `minSeverity` do not count. */
  polling?: PollingOptions;
}

/** The numbers of a channel; or with `polling` of everything. A component does one or the other, all its life. */
export function useAlertMetrics(options: UseAlertMetricsOptions = {}): AlertMetrics {
  const useNumbers = options.polling ? usePolledMetrics : useLiveMetrics;
  return useNumbers(options);
}

function useLiveMetrics(options: UseAlertMetricsOptions): AlertMetrics {
  const { alerts, state, error, verifiedAt } = useAlerts(options);
  const counts = useMemo(() => countAlerts(alerts), [alerts]);
  return { ...counts, isCurrent: state === "ready" && !error, error, verifiedAt };
}

function usePolledMetrics({ polling }: UseAlertMetricsOptions): AlertMetrics {
  const { everyMs, host } = polling as PollingOptions;
  const latest = useRef(polling as PollingOptions);
  useEffect(() => void (latest.current = polling as PollingOptions));
  const [found, setFound] = useState<{ alerts: readonly Alert[]; at?: number; error: Error | null }>(NOTHING);
  useEffect(() => {
    const stop = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const alerts = await openAlerts(latest.current, stop.signal);
        setFound({ alerts, at: Date.now(), error: null });
      } catch (fault) {
        if (!stop.signal.aborted) setFound((known) => ({ ...known, error: fault as Error }));
      }
      // From the end of one to the beginning of the next: a slow engine is not asked twice at once.
      if (!stop.signal.aborted) timer = setTimeout(() => void ask(), everyMs);
    };
    let timer = setTimeout(() => void ask(), 0);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [everyMs, host]);
  const counts = useMemo(() => countAlerts(found.alerts), [found.alerts]);
  const isCurrent = found.at !== undefined && !found.error;
  return { ...counts, isCurrent, error: found.error, verifiedAt: () => found.at };
}

const NOTHING = { alerts: [], error: null };
// Ten thousand alerts; whoever has more of them open has other troubles than a number that is too low.
const PAGE = 500;
const PAGES_MAX = 20;

async function openAlerts({ host, token }: PollingOptions, signal: AbortSignal): Promise<Alert[]> {
  const bearer = typeof token === "function" ? await token() : token;
  const alerts: Alert[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const url = below(host ?? location.origin, "api/v1/alerts");
    url.search = new URLSearchParams({ state: "active,acknowledged", limit: String(PAGE) }).toString();
    if (cursor) url.searchParams.set("cursor", cursor);
    const response = await fetch(url, { headers: { Authorization: `Bearer ${bearer}` }, signal });
    const said = (await response.json().catch(() => ({}))) as Partial<Answered>;
    if (!response.ok) throw new TocsinError(said.detail ?? `HTTP ${response.status}`, said.code, said.temporary);
    alerts.push(...(said.items ?? []));
    cursor = said.next_cursor ?? null;
    if (!cursor) break;
  }
  return alerts;
}

/** A page of alerts; or what is wrong, as problem details. */
interface Answered {
  items: Alert[];
  next_cursor: string | null;
  detail: string;
  code: number;
  temporary: boolean;
}
