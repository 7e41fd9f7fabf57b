/** The hours of a week, in the viewer's zone: a table, whose squares are larger and darker the more alerts there are. */
import { type Cell, cellsOf, type HeatMap, hourOfWeek, WEEKDAYS, worstOf } from "./heat.ts";
import { count } from "./words.ts";

export function HeatTable({ map }: { map: HeatMap }) {
  const cells = cellsOf(map);
  const worst = worstOf(cells);
  if (!worst) return <p className="hint">No alerts in this time.</p>;
  return (
    <>
      <p>
        Most come on {hourOfWeek(worst)}: {count(worst.alerts, "alert")} in {count(worst.times, "such hour")}. Times are
        of {map.zone}.
      </p>
      <table className="heat">
        <caption className="for-readers">Alerts by weekday and hour</caption>
        <thead>
          <tr>
            <td />
            {Array.from({ length: 24 }, (_, hour) => (
              <th key={hour} scope="col" className={hour % 6 === 0 ? undefined : "between"}>
                {hour}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {cells.map((row, weekday) => (
            <tr key={WEEKDAYS[weekday]}>
              <th scope="row">
                <abbr title={WEEKDAYS[weekday]}>{WEEKDAYS[weekday]?.slice(0, 2)}</abbr>
              </th>
              {row.map((cell) => (
                <Hour key={cell.hour} cell={cell} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Hour({ cell }: { cell: Cell }) {
  return (
    <td title={`${hourOfWeek(cell)}: ${count(cell.alerts, "alert")}`}>
      <span className={`level level-${cell.level}`} />
      <span className="for-readers">{cell.alerts}</span>
    </td>
  );
}
