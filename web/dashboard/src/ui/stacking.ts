/**
 * Whether a table's rows are cards, each cell with its column's name: its columns have no room beside each other.
 *
 * What counts is the room of the table, not the window: a drawer beside it, or a card around it, takes some. And what is
 * in it: names are short in one workspace and long in the next.
 */
import { type RefObject, useLayoutEffect, useRef, useState } from "react";

// So wide is a column that is no ladder of words, in em of the table's letters: a wall display has larger ones.
const COLUMN_EM = 5.5;
const FIGURE_EM = 4;
const LONG_EM = 12;

/** How wide a table of these columns wants to be, in em. */
export function widthOf(columns: readonly { isFigure?: boolean; isLong?: boolean }[]): number {
  const widths = columns.map(({ isFigure, isLong }) => (isLong ? LONG_EM : isFigure ? FIGURE_EM : COLUMN_EM));
  return widths.reduce((sum, width) => sum + width, 0);
}

/** Of the frame around a table that wants that many em. */
export function useIsStacked(frame: RefObject<HTMLElement | null>, wantedEm: number): boolean {
  const [isStacked, setStacked] = useState(false);
  // What it turned out to need, in pixels: it is not tried again with less.
  const needed = useRef(0);
  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const look = (): void => {
      const { clientWidth, scrollWidth } = element;
      if (scrollWidth > clientWidth) needed.current = scrollWidth;
      const em = parseFloat(getComputedStyle(element).fontSize);
      setStacked(clientWidth < Math.max(needed.current, wantedEm * em));
    };
    // Before anything is drawn; then whenever the frame, or what is in it, gets another size.
    look();
    const observer = new ResizeObserver(look);
    for (const each of [element, ...element.children]) observer.observe(each);
    return () => observer.disconnect();
  }, [frame, wantedEm]);
  return isStacked;
}
