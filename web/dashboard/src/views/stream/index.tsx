/**
 * The stream: what rings now, newest first, and everything that one does about it, with the keyboard alone if wanted.
 *
 * Filters are in the address; the open alert is its path (`/alerts/{id}`). Rows are drawn from the live book of alerts,
 * with what was just done on top of it until the engine has answered.
 */
import { useLayoutEffect, useMemo, useRef, useState } from "react";

import { typed } from "../../command.ts";
import type { Alert } from "../../alerts.ts";
import { useKeys } from "../../keys.ts";
import { book, useAlerts, useConnection, useIsKnown } from "../../live.ts";
import { decoded, go, usePlace } from "../../place.ts";
import { useClaims } from "../../session.ts";
import { Button, Empty, Loading } from "../../ui/index.ts";
import { ActionButtons, keysOf, useActions } from "./actions.tsx";
import { useExpected } from "./deeds.ts";
import { Details } from "./details.tsx";
import { FilterBar } from "./filterbar.tsx";
import { areAny, filtersOf, passing } from "./filters.ts";
import { useHeld } from "./hold.ts";
import { List } from "./list.tsx";
import { useMemory } from "./memory.ts";
import { useSelection } from "./selection.ts";
import { StatusLine } from "./status.tsx";
import { Vitals } from "./vitals.tsx";

import "./alert.css";
import "./rows.css";
import "./stream.css";

export default function Stream() {
  const { path, query } = usePlace();
  const { user } = useClaims();
  const key = query.toString();
  const filters = useMemo(() => filtersOf(new URLSearchParams(key)), [key]);
  const waiting = useExpected();
  const alerts = useOverlaid(useAlerts(), waiting);
  const memory = useMemory(filters.state);
  const wanted = useMemo(() => alerts.filter(passing(filters, user)), [alerts, filters, user]);
  const [isPaused, setPaused] = useState(false);
  const [isAway, setAway] = useState(false);
  const { shown, isNew } = useHeld(wanted, isPaused || isAway, key, (id) => overlaid(book.get(id), waiting));
  const openId = path.startsWith("/alerts/") ? decoded(path.slice("/alerts/".length)) : null;
  const [cursor, setCursor] = useState<{ id: string; moves: number } | null>(null);
  const selection = useSelection(shown);
  const actions = useActions();
  const frame = useRef<HTMLDivElement>(null);
  const searchField = useRef<HTMLInputElement>(null);

  const pointAt = (id: string) =>
    setCursor((before) => (before?.id === id ? before : { id, moves: before?.moves ?? 0 }));
  // Also if a link or the way back has opened it: keys mean what is looked at, from the moment it can be seen.
  useLayoutEffect(() => void (openId && pointAt(openId)), [openId]);
  const open = (id: string) => go(`/alerts/${encodeURIComponent(id)}`, query);
  const close = () => go("/", query);
  const place = () => shown.findIndex((alert) => alert.id === cursor?.id);
  function move(by: number): void {
    const to = shown[Math.min(Math.max(place() + by, 0), shown.length - 1)];
    if (!to) return;
    setCursor({ id: to.id, moves: (cursor?.moves ?? 0) + 1 });
    if (openId) open(to.id);
  }
  function targets(): readonly Alert[] {
    if (selection.chosen.length > 0) return selection.chosen;
    const id = cursor?.id ?? openId;
    const one = shown.find((alert) => alert.id === id) ?? (openId ? overlaid(book.get(openId), waiting) : undefined);
    return one ? [one] : [];
  }
  function catchUp(): void {
    setPaused(false);
    setAway(false);
    frame.current?.scrollTo({ top: 0 });
  }
  useKeys("Stream", [
    { keys: "j", says: "Next alert", does: () => move(1) },
    { keys: "k", says: "Previous alert", does: () => move(-1) },
    { keys: "Enter", says: "Open it", does: () => cursor && open(cursor.id) },
    ...keysOf(actions, targets),
    { keys: "x", says: "Select, or not", does: () => cursor && selection.toggle(cursor.id) },
    { keys: "*", says: "Select all that are shown", does: selection.all },
    {
      keys: "Escape",
      says: "Close, or end the selection",
      does: () => (selection.chosen.length > 0 ? selection.none() : openId && close()),
    },
    { keys: "p", says: "Pause, or catch up", does: () => (isPaused || isAway ? catchUp() : setPaused(true)) },
    { keys: "/", says: "Search", does: () => searchField.current?.focus() },
  ]);

  return (
    <div className={openId ? "stream with-details" : "stream"}>
      <section className="stream-list" aria-label="Alerts">
        <h1 className="for-readers">Stream</h1>
        <FilterBar filters={filters} searchField={searchField} />
        <StatusLine
          count={shown.length}
          isNew={isNew}
          isHeld={isPaused || isAway}
          isPaused={isPaused}
          memory={memory}
          onPause={() => setPaused(true)}
          onCatchUp={catchUp}
        />
        {selection.chosen.length > 0 && (
          <div className="selection" role="region" aria-label="Selection">
            <strong>{selection.chosen.length} selected</strong>
            <ActionButtons actions={actions} alerts={selection.chosen} />
            <Button onClick={selection.none}>End selection</Button>
          </div>
        )}
        <div className="frame" ref={frame} onScroll={(event) => setAway(event.currentTarget.scrollTop > 8)}>
          {shown.length === 0 ? (
            <Nothing isFiltered={areAny(filters)} />
          ) : (
            <List
              alerts={shown}
              selected={selection.ids}
              waiting={waiting}
              openId={openId}
              cursor={cursor}
              frame={frame}
              onOpen={open}
              onCursor={pointAt}
              onSelect={selection.select}
            />
          )}
        </div>
      </section>
      {openId && (
        <Details
          key={openId}
          id={openId}
          alert={overlaid(book.get(openId), waiting) ?? null}
          actions={actions}
          onClose={close}
        />
      )}
      {actions.dialog}
    </div>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  const { status } = useConnection();
  const isKnown = useIsKnown();
  if (!isKnown && (status === "connecting" || status === "live")) return <Loading what="alerts" />;
  if (!isKnown)
    return (
      <Empty title="What rings is not known">
        <p>It is shown here as soon as we are connected.</p>
      </Empty>
    );
  if (isFiltered) {
    return (
      <Empty title="Nothing matches">
        <Button onClick={() => go("/")}>Show everything that is open</Button>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing rings">
      <p>Alerts appear here the moment they fire. To see one, in a terminal in the engine&apos;s folder:</p>
      <p>
        <code>{typed('trigger web --title "Checkout is slow" --value 950 --threshold 500')}</code>
      </p>
      <Vitals />
    </Empty>
  );
}

function overlaid(alert: Alert | undefined, waiting: ReadonlyMap<string, Partial<Alert>>): Alert | undefined {
  const patch = alert && waiting.get(alert.id);
  return patch ? { ...alert, ...patch } : alert;
}

/** The alerts with what was just done to some. */
function useOverlaid(alerts: readonly Alert[], waiting: ReadonlyMap<string, Partial<Alert>>): readonly Alert[] {
  return useMemo(
    () => (waiting.size === 0 ? alerts : alerts.map((alert) => overlaid(alert, waiting) ?? alert)),
    [alerts, waiting],
  );
}
