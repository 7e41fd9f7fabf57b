/** A table that a screen reader reads as one; where it has no room each row is a card with the columns' names. */
import { type ReactNode, useRef } from "react";

import { useIsStacked, widthOf } from "./stacking.ts";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  /** Figures stand to the right, under each other. */
  isFigure?: boolean;
  /** Titles and the like: words that shall not stand one in a line. */
  isLong?: boolean;
  /** Its name is for screen readers alone (a column of buttons, say). */
  isTitleHidden?: boolean;
}

interface TableProps<Row> {
  /** What it lists, for screen readers. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** The row that is open beside the table. */
  current?: string | null;
}

export function Table<Row>({ caption, columns, rows, keyOf, current }: TableProps<Row>) {
  const frame = useRef<HTMLDivElement>(null);
  const isStacked = useIsStacked(frame, widthOf(columns));
  return (
    <div
      className={isStacked ? "table-frame stacked" : "table-frame"}
      role="region"
      aria-label={caption}
      tabIndex={0}
      ref={frame}
    >
      <table className="table">
        <caption className="for-readers">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={column.isFigure ? "figure" : undefined}>
                <span className={column.isTitleHidden ? "for-readers" : undefined}>{column.title}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-current={current === keyOf(row) ? "true" : undefined}>
              {columns.map((column) => (
                <td key={column.title} data-title={column.title} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf({ isFigure, isLong }: { isFigure?: boolean; isLong?: boolean }): string | undefined {
  return isFigure ? "figure" : isLong ? "long" : undefined;
}
