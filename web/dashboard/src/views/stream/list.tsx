/**
 * The list of alerts: only the rows in sight are in the document, so ten thousand cost what thirty do.
 *
 * To a screen reader each row says which one of how many it is. The keyboard's place is the alert whose title has the
 * focus.
 */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useRef, useState } from "react";

import type { Alert } from "../../alerts.ts";
import { useIncidents } from "../../incidents.ts";
import { Row, type RowHandlers } from "./row.tsx";

// As rows.css has room in them, in the letters' size; a row that is measured each time would cost a layout each time.
const ROW_REM = 3.25;
const CARD_REM = 6;
// Of the list, not of the window: an alert that is open beside it takes its room.
const NARROW_PX = 700;

interface ListProps extends RowHandlers {
  alerts: readonly Alert[];
  selected: ReadonlySet<string>;
  waiting: ReadonlyMap<string, unknown>;
  openId: string | null;
  /** Where the keyboard is; a new one is scrolled to and focused. */
  cursor: { id: string; moves: number } | null;
  frame: RefObject<HTMLDivElement | null>;
}

export function List({ alerts, selected, waiting, openId, cursor, frame, ...given }: ListProps) {
  const incidents = useIncidents();
  const handlers = useLatest(given);
  const height = useHeight(frame);
  const virtual = useVirtualizer({
    count: alerts.length,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    overscan: 10,
  });
  useEffect(() => virtual.measure(), [virtual, height]);
  useCursor(cursor, alerts, virtual.scrollToIndex, frame);
  return (
    <div className="rows" role="list" aria-label="Alerts, newest first" style={{ height: virtual.getTotalSize() }}>
      {virtual.getVirtualItems().map(({ index, start, size }) => {
        const alert = alerts[index];
        if (!alert) return null;
        const position = { transform: `translateY(${start}px)`, height: size };
        return (
          <div key={alert.id} role="listitem" aria-setsize={alerts.length} aria-posinset={index + 1} style={position}>
            <Row
              alert={alert}
              isSelected={selected.has(alert.id)}
              isOpen={openId === alert.id}
              isWaiting={waiting.has(alert.id)}
              isInIncident={incidents.has(alert.id)}
              {...handlers}
            />
          </div>
        );
      })}
    </div>
  );
}

/** The same functions at each drawing, which do what the latest ones do: else no row could be left as it is. */
function useLatest(given: RowHandlers): RowHandlers {
  const latest = useRef(given);
  latest.current = given;
  const [same] = useState<RowHandlers>(() => ({
    onOpen: (id) => latest.current.onOpen(id),
    onCursor: (id) => latest.current.onCursor(id),
    onSelect: (id, isSelected, toHere) => latest.current.onSelect(id, isSelected, toHere),
  }));
  return same;
}

/** A row far away is not in the document yet: it is scrolled to, drawn, and focused then. */
function useCursor(
  cursor: ListProps["cursor"],
  alerts: readonly Alert[],
  scrollToIndex: (index: number) => void,
  frame: RefObject<HTMLDivElement | null>,
): void {
  const moved = useRef(0);
  useEffect(() => {
    if (!cursor || moved.current === cursor.moves) return;
    const title = frame.current?.querySelector<HTMLElement>(`[data-alert="${CSS.escape(cursor.id)}"] .title`);
    const index = alerts.findIndex((alert) => alert.id === cursor.id);
    if (index >= 0) scrollToIndex(index);
    if (!title) return;
    moved.current = cursor.moves;
    title.focus({ preventScroll: true });
  });
}

/** Of each row, in pixels, as wide as the frame is now. */
function useHeight(frame: RefObject<HTMLDivElement | null>): number {
  // The frame is not there before the first drawing.
  const [height, setHeight] = useState(() => heightAt(innerWidth));
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const look = (): void => setHeight(heightAt(element.clientWidth));
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, [frame]);
  return height;
}

/** Letters are larger on a wall, and as large as somebody has set them: a row in pixels would cut them. */
function heightAt(width: number): number {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return (width < NARROW_PX ? CARD_REM : ROW_REM) * rem;
}
