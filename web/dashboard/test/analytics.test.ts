/** Alerts counted: questions, stretches of time, lines and the week. Pure. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  byHour,
  countFilters,
  countQuery,
  type CountedAlerts,
  type Counts,
  heatQuery,
} from "../src/views/analytics/counts.ts";
import { cellsOf, hourOfWeek, worstOf } from "../src/views/analytics/heat.ts";
import { pathsOf, topOf } from "../src/views/analytics/lines.ts";
import { pastQuery } from "../src/views/analytics/past.ts";
import { nameOf, onlyOf, piecesOf, stretchesOf, valuesOf } from "../src/views/analytics/stretches.ts";
import { count, percent, took } from "../src/views/analytics/words.ts";

const NOW = Date.parse("2026-11-23T12:34:56Z");
const NOTHING = { count: 0, mean_s: null, p50_s: null, p95_s: null };
const filters = (query: string) => countFilters(new URLSearchParams(query));

test("who asks by the month, or by the hour, and not of how long gets as long as that is counted for", () => {
  const asked = (query: string) => {
    const { span, by } = filters(query);
    return `${span} by ${by}`;
  };
  assert.equal(asked(""), "30d by day");
  assert.equal(asked("by=week"), "30d by week");
  assert.equal(asked("by=month"), "90d by month");
  assert.equal(asked("by=hour"), "2d by hour");
  assert.equal(asked("by=century"), "30d by day");
  assert.equal(asked("span=7d&by=month"), "7d by day");
});

function counted(since: string, more: Partial<CountedAlerts> = {}): CountedAlerts {
  return {
    since,
    until: since,
    severity: null,
    alerts: 2,
    active: 0,
    acknowledged: 0,
    suppressed: 0,
    quieted: 0,
    notified: 0,
    noisy: 0,
    noise_ratio: null,
    confirmed: 0,
    false_alarms: 0,
    precision: null,
    to_acknowledge: NOTHING,
    to_resolve: NOTHING,
    ...more,
  };
}

function counts(by: Counts["by"], since: string, until: string, items: CountedAlerts[]): Counts {
  const fresh = { hours_waiting: 0, changed_at: null, counted_at: null };
  return { by, since, until, items, totals: counted(since), fresh };
}

test("what cannot be counted so finely is counted by what is usual for that time", () => {
  assert.deepEqual(
    ["", "span=1y&by=hour", "span=soon&by=week", "span=2d&by=day"].map((query) => filters(query).by),
    ["day", "week", "week", "day"],
  );
});

test("questions begin at whole hours, so the same question is the same for an hour", () => {
  const query = countQuery(filters("framework=web&severity=error&severity=loud"), NOW);
  assert.equal(query["since"], "2026-10-24T12:00:00.000Z");
  assert.deepEqual(query, countQuery(filters("framework=web&severity=error"), NOW + 60_000));
});

test("the hours of a week are asked for as far back as the engine goes", () => {
  const query = heatQuery(filters("span=1y"), "Europe/Berlin", NOW);
  assert.deepEqual(
    [query["since"], query["zone"], query["by"]],
    ["2026-08-24T12:00:00.000Z", "Europe/Berlin", undefined],
  );
});

test("stretches without alerts are there as well, months as long as they are", () => {
  const days = stretchesOf(
    counts("day", "2026-11-20T00:00:00Z", "2026-11-23T00:00:00Z", [counted("2026-11-21T00:00:00Z")]),
  );
  assert.deepEqual(
    days.map(({ figures }) => figures?.alerts ?? null),
    [null, 2, null],
  );
  const months = stretchesOf(counts("month", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", []));
  assert.deepEqual(
    months.map(({ from, to }) => (to - from) / 86_400_000),
    [31, 28, 31],
  );
});

test("severities are stacked in the stretch that they belong to", () => {
  const found = counts("day", "2026-11-20T00:00:00Z", "2026-11-22T00:00:00Z", []);
  const loud = [
    counted("2026-11-21T00:00:00Z", { severity: "critical", alerts: 3 }),
    counted("2026-11-21T00:00:00Z", { severity: "info", alerts: 1 }),
    counted("2026-12-21T00:00:00Z", { severity: "info", alerts: 9 }),
  ];
  const pieces = piecesOf(stretchesOf(found), loud);
  assert.deepEqual(
    pieces.map(({ total }) => total),
    [0, 4],
  );
  assert.equal(pieces[1]?.counts.critical, 3);
});

test("one day alone is told, and has its hours", () => {
  const day = counted("2026-11-21T00:00:00Z");
  const of = (...items: CountedAlerts[]) =>
    onlyOf(stretchesOf(counts("day", "2026-11-20T00:00:00Z", "2026-11-23T00:00:00Z", items)))?.from;
  assert.equal(of(day), Date.parse("2026-11-21T00:00:00Z"));
  assert.equal(of(day, counted("2026-11-22T00:00:00Z")), undefined);
  assert.equal(of(), undefined);
  const query = byHour(filters("span=1y&framework=web&severity=error&severity=info"));
  assert.deepEqual(countFilters(query), {
    ...filters("span=2d&by=hour"),
    framework: "web",
    severities: ["info", "error"],
  });
});

test("what cannot be told is a gap, and not nothing", () => {
  const found = stretchesOf(
    counts("day", "2026-11-20T00:00:00Z", "2026-11-22T00:00:00Z", [
      counted("2026-11-21T00:00:00Z", { noise_ratio: 0 }),
    ]),
  );
  assert.deepEqual(
    valuesOf(found, ({ noise_ratio }) => noise_ratio),
    [null, 0],
  );
});

test("lines break at gaps, and a value alone can be seen", () => {
  assert.deepEqual(pathsOf([1, 2, null, 4], 4, 40, 100), ["M5 75L15 50", "M35 0h0"]);
  assert.deepEqual(pathsOf([null, 0], 0, 20, 100), ["M15 100h0"]);
  assert.equal(topOf([1, null], [null, 3]), 3);
});

test("an hour of the week is as dark as it is worse than others, by how often there was one", () => {
  const rows = (of: (weekday: number, hour: number) => number) =>
    Array.from({ length: 7 }, (_, weekday) => Array.from({ length: 24 }, (__, hour) => of(weekday, hour)));
  const alerts = rows((weekday, hour) => (weekday === 1 && hour === 9 ? 8 : weekday === 2 && hour === 3 ? 9 : 0));
  const hours = rows((weekday, hour) => (weekday === 2 && hour === 3 ? 9 : weekday === 6 ? 0 : 4));
  const cells = cellsOf({ alerts, hours });
  assert.deepEqual([cells[1]?.[9]?.level, cells[2]?.[3]?.level, cells[6]?.[0]?.level], [5, 3, 0]);
  const worst = worstOf(cells);
  assert.equal(worst && hourOfWeek(worst), "Tuesday 9:00 to 10:00");
  assert.deepEqual([worst?.alerts, worst?.times], [8, 4]);
  assert.equal(worstOf(cellsOf({ alerts: rows(() => 0), hours })), null);
});

test("figures are said shortly, and what is not known is said to be", () => {
  assert.deepEqual([percent(0.1234), percent(0), percent(null)], ["12.3 %", "0 %", "–"]);
  assert.deepEqual([0.4, 59, 90, 5_400, 700_000, null].map(took), ["0.4 s", "59 s", "1.5 min", "1.5 h", "8.1 d", "–"]);
  assert.deepEqual([count(1, "alert"), count(2_000, "alert"), count(2, "day")], ["1 alert", "2,000 alerts", "2 days"]);
});

test("a stretch leads to its alerts, with the same filters", () => {
  const query = pastQuery(NOW, NOW + 60_000, filters("framework=web&severity=error"));
  assert.deepEqual([query.get("span"), query.get("framework"), query.get("rule")], ["between", "web", null]);
  assert.equal(Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? ""), 60_000);
});

test("days are called by their UTC names", () => {
  assert.match(nameOf("day", Date.parse("2026-11-23T00:00:00Z")), /23/);
  assert.match(nameOf("week", Date.parse("2026-11-23T00:00:00Z")), /^Week of/);
});
