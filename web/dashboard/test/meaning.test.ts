/** What alerts mean: patterns, predictions, insights and recommendations. Pure. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { bandOf, dotsOf } from "../src/views/analytics/band.ts";
import { changesRule, daysOf, differences, promiseOf, trendOf, verdictOf } from "../src/views/analytics/insights.ts";
import {
  asSaid,
  followsAfter,
  isWanted,
  type Pattern,
  patternFilters,
  statesOf,
  supportOf,
} from "../src/views/analytics/patterns.ts";
import {
  type Breach,
  crossingOf,
  type DayCount,
  type Prediction,
  reasonsOf,
  sorted,
  whoseOf,
} from "../src/views/analytics/predictions.ts";

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
