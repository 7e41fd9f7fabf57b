import assert from "node:assert/strict";
import { test } from "node:test";

import { bandOf, dotsOf } from "../src/views/analytics/band.ts";
import {
  byHour,
  countFilters,
  countQuery,
  type CountedAlerts,
  type Counts,
  heatQuery,
} from "../src/views/analytics/counts.ts";
import { cellsOf, hourOfWeek, worstOf } from "../src/views/analytics/heat.ts";
import { changesRule, daysOf, differences, promiseOf, trendOf, verdictOf } from "../src/views/analytics/insights.ts";
import { pathsOf, topOf } from "../src/views/analytics/lines.ts";
import {
  asSaid,
  followsAfter,
  isWanted,
  type Pattern,
  patternFilters,
  statesOf,
  supportOf,
} from "../src/views/analytics/patterns.ts";
import { pastQuery } from "../src/views/analytics/past.ts";
import {
  type Breach,
  crossingOf,
  type DayCount,
  type Prediction,
  reasonsOf,
  sorted,
  whoseOf,
} from "../src/views/analytics/predictions.ts";
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

function pattern(id: string, more: Partial<Pattern> = {}): Pattern {
  return {
    id,
    kind: "recurring",
    state: "new",
    framework: "web",
    sources: [],
    summary: "It comes back",
    confidence: 0.8,
    support: 27,
    occasions: 30,
    lift: 4.24,
    evidence: [],
    first_at: "2026-11-01T00:00:00Z",
    last_at: "2026-11-22T00:00:00Z",
    found_at: "2026-11-22T00:00:00Z",
    since: "2026-11-22T00:00:00Z",
    times: null,
    within_s: null,
    typical_s: null,
    said: null,
    version: 0,
    ...more,
  };
}

test("without a choice what was put away is not shown", () => {
  const usual = patternFilters(new URLSearchParams("state=odd&kind=odd"));
  assert.deepEqual(statesOf(usual), ["new", "confirmed"]);
  assert.deepEqual(
    [isWanted(pattern("1"), usual), isWanted(pattern("1", { state: "dismissed" }), usual)],
    [true, false],
  );
  const noisy = patternFilters(new URLSearchParams("state=dismissed&kind=noisy"));
  assert.ok(!isWanted(pattern("1", { state: "dismissed" }), noisy));
  assert.ok(isWanted(pattern("1", { state: "dismissed", kind: "noisy" }), noisy));
});

test("what was said of a pattern holds until the engine has a newer word", () => {
  const said = new Map([
    ["1", pattern("1", { state: "dismissed", version: 2 })],
    ["9", pattern("9")],
  ] as const);
  const states = (version: number) => asSaid([pattern("1", { version }), pattern("2")], said).map(({ state }) => state);
  assert.deepEqual(
    [states(1), states(2), states(3)],
    [
      ["dismissed", "new"],
      ["dismissed", "new"],
      ["new", "new"],
    ],
  );
});

test("how sure a pattern is, is said in occasions", () => {
  assert.equal(supportOf(pattern("1")), "It held 27 of 30 times, 4.2 times as often as by chance.");
  assert.equal(supportOf(pattern("1", { lift: 0 })), "It held 27 of 30 times.");
  assert.equal(followsAfter(pattern("1")), null);
  const after = followsAfter(pattern("1", { typical_s: 600, within_s: 1_500 }));
  assert.equal(after, "Usually after 10 min, in 9 of 10 cases within 25 min.");
});

const BREACH: Breach = {
  what: "breach",
  metric: "disk",
  labels: { host: "a" },
  comparison: ">",
  threshold: 90,
  probability: 0.2,
  expected_at: null,
  earliest_at: null,
  latest_at: null,
  trend_at: null,
  hours: [],
  days: 56,
};
const COUNT: DayCount = { what: "count", expected: 3, low: 1, high: 5, probability: 0.9, days: 28 };

function prediction(id: string, more: Partial<Prediction> = {}): Prediction {
  const at = "2026-11-23T00:00:00Z";
  const times = { made_at: at, since: at, until: at };
  const whose = { framework_id: "web", rule_id: "disk" };
  return { id, kind: "breach", state: "open", ...whose, ...times, forecast: BREACH, reason: null, ...more };
}

test("the likeliest comes first, counts go from the whole to its parts, what is refused stands apart", () => {
  const found = sorted([
    prediction("unlikely"),
    prediction("likely", { forecast: { ...BREACH, probability: 0.9 } }),
    prediction("rule", { kind: "count", forecast: COUNT }),
    prediction("all", { kind: "count", forecast: COUNT, framework_id: null, rule_id: null }),
    prediction("web", { kind: "count", forecast: COUNT, rule_id: null }),
    prediction("past", { state: "scored" }),
    prediction("none", { state: "refused", forecast: null, reason: "needs 14 days, has 3" }),
  ]);
  assert.deepEqual(
    found.breaches.map(({ id }) => id),
    ["likely", "unlikely"],
  );
  assert.deepEqual(
    found.counts.map(({ id }) => id),
    ["all", "web", "rule"],
  );
  assert.deepEqual(
    found.refused.map(({ id }) => id),
    ["none"],
  );
});

test("whose a prediction is, and what is reached, is said as people write it", () => {
  const whose = [prediction("1"), prediction("2", { rule_id: null }), prediction("3", { framework_id: null })];
  assert.deepEqual(whose.map(whoseOf), ["disk (web)", "web", "disk"]);
  assert.equal(whoseOf({ framework_id: null, rule_id: null }), "everything");
  assert.equal(crossingOf(BREACH), 'disk{host="a"} > 90');
  assert.equal(crossingOf({ ...BREACH, labels: {} }), "disk > 90");
});

test("rules that lack the same are named together", () => {
  const refused = ["a", "b"].map((rule_id) => prediction(rule_id, { rule_id, reason: "needs 14 days, has 3" }));
  const other = prediction("c", { rule_id: "c", reason: null });
  assert.deepEqual(reasonsOf([...refused, other]), [
    { reason: "needs 14 days, has 3", whose: ["a (web)", "b (web)"] },
    { reason: "", whose: ["c (web)"] },
  ]);
});

test("a band shows its interval and the threshold, however far away that is", () => {
  const hours = [0, 1].map((hour) => ({ at: String(hour), expected: 10, low: 8, high: 12, by: 0 }));
  const { area, line, y } = bandOf(hours, 100, 100, 100);
  assert.match(area, /^M0 \S+L100 \S+L100 \S+L0 \S+Z$/);
  assert.match(line, /^M0 \S+L100 /);
  assert.ok(y(100) > 0 && y(100) < y(12) && y(12) < y(8) && y(8) < 100);
  assert.equal(bandOf([], 5, 100, 100).area, "");
});

test("calibration lies on the diagonal where what was said came as often", () => {
  const bin = { low: 0.2, high: 0.3, count: 9, said: 0.25, came: 0.25 };
  const [dot, ...rest] = dotsOf([bin, { ...bin, count: 0, said: null, came: null }], 200);
  assert.deepEqual([dot?.x, dot?.y, dot?.radius, rest.length], [50, 150, 10, 0]);
});

test("of what nothing is known is not good", () => {
  assert.deepEqual(
    [null, 69.9, 70, 90].map((health) => verdictOf(health).word),
    ["unknown", "poor", "fair", "good"],
  );
  assert.equal(trendOf({ days: 30, change: null, note: "needs 14 days, has 10" }), "30 days: needs 14 days, has 10");
  assert.equal(trendOf({ days: 7, change: null, note: null }), "7 days: not known");
  assert.equal(trendOf({ days: 7, change: -9, note: null }), "7 days: 9 worse than before");
  assert.equal(trendOf({ days: 7, change: 1.5, note: null }), "7 days: 1.5 better than before");
  assert.equal(trendOf({ days: 7, change: 0, note: null }), "7 days: as before");
});

test("a recommendation says what it would have sent, and what it changes", () => {
  const promise = { before: { fired: 9, notified: 212 }, after: { fired: 2, notified: 14 } };
  const times = { basis: "readings", since: "", until: "", note: null } as const;
  assert.equal(promiseOf({ promise: { ...times, ...promise } }), "would have sent 14 instead of 212");
  assert.deepEqual([changesRule({ measure: "wait" }), changesRule({ measure: "silence" })], [true, false]);
  assert.deepEqual(differences({ for_s: 300, recovery: null }, { for_s: 0 }), [
    { field: "for_s", before: "0", after: "300" },
    { field: "recovery", before: "–", after: "–" },
  ]);
  const made = differences({ comment: "noise", matchers: [{ name: "rule_id" }] }, null);
  assert.deepEqual(
    made.map(({ before, after }) => [before, after]),
    [
      ["", "noise"],
      ["", '[{"name":"rule_id"}]'],
    ],
  );
});

test("a day without a score is one of the days, and a gap", () => {
  const score = (day: string) => ({ day, health: 90, risk: 1 });
  assert.deepEqual(daysOf([]), []);
  assert.deepEqual(daysOf([score("2026-03-02"), score("2026-02-28")]), [
    score("2026-02-28"),
    { day: "2026-03-01", health: null, risk: null },
    score("2026-03-02"),
  ]);
});
