import assert from "node:assert/strict";
import { test } from "node:test";

import { bodyOf, countsOf, formOf } from "../src/views/rules/files.ts";
import type { Backtest, BacktestEvent, Rule } from "../src/views/rules/model.ts";
import { limitsOf, pointsOf, ringings, summary, watched } from "../src/views/rules/outlook.ts";
import { sentenceOf } from "../src/views/rules/words.ts";

const AT = "2026-01-31T12:00:00Z";

function event(kind: string, minute: number, labels: Record<string, string>): BacktestEvent {
  const at = new Date(Date.parse(AT) + minute * 60_000).toISOString();
  const rest = {
    severity: "error",
    title: "t",
    value: 1,
    threshold: 1,
    swallowed: 0,
    quieted_by: null,
    notifies: true,
  } as const;
  return { at, event: kind, labels, ...rest };
}

function found(given: Partial<Backtest>): Backtest {
  return {
    readings: 10,
    reasons: {},
    told: {},
    events: [],
    more: 0,
    notified: 0,
    suppressed: [],
    note: null,
    ...given,
  };
}

test("a series rings from when it fired to when it was over, without what others did", () => {
  const [one, other] = [{ host: "web-1" }, { host: "web-2" }];
  const events = [event("fired", 0, { ...one, team: "a" }), event("fired", 1, other), event("repeated", 2, one)];
  const later = [event("resolved", 5, one), event("fired", 9, one)];
  const start = Date.parse(AT);
  assert.deepEqual(ringings([...events, ...later], one), [
    { from: start, to: start + 300_000 },
    { from: start + 540_000, to: null },
  ]);
});

test("the series that would have rung most often comes first, what the rule does not look at never", () => {
  const series = ["web-1", "web-2", "db"].map((host) => ({
    metric: "cpu",
    labels: { host },
    last_at: null,
    last_value: 1,
  }));
  const other = { metric: "ram", labels: {}, last_at: null, last_value: 1 };
  const told = found({ events: [event("fired", 0, { host: "web-2" })] });
  const hosts = watched([...series, other], { metric: "cpu" }, told).map(({ host }) => host);
  assert.deepEqual(hosts, ["web-2", "web-1", "db"]);
  assert.deepEqual(watched(series, { metric: "cpu", match: { host: "db" } }, null), [{ host: "db" }]);
});

test("a graph has exactly its series, by time; an added-up milestone the sum so far", () => {
  const readings = [3, 1, 2].map((value) => ({ at: event("", value, {}).at, labels: {}, value }));
  const wider = { at: AT, labels: { host: "x" }, value: 99 };
  const values = (rule: object) => pointsOf([...readings, wider], {}, { ...rule }).map(({ value }) => value);
  assert.deepEqual(values({ kind: "threshold" }), [1, 2, 3]);
  assert.deepEqual(values({ kind: "milestone", is_cumulative: true }), [1, 3, 6]);
});

test("only what is in the metric's own unit is drawn as a line over it", () => {
  const points = [{ at: 0, value: 150 }];
  assert.deepEqual(limitsOf({ kind: "threshold", threshold: 5, upper: 9 }, points), [5, 9]);
  assert.deepEqual(limitsOf({ kind: "threshold", threshold: 5, aggregate: "count" }, points), []);
  assert.deepEqual(limitsOf({ kind: "performance", threshold: 5 }, points), [5]);
  assert.deepEqual(limitsOf({ kind: "performance", threshold: 5, objective: "burn_rate" }, points), []);
  assert.deepEqual(limitsOf({ kind: "milestone", goals: [100, 200, 900] }, points), [100, 200]);
  assert.deepEqual(limitsOf({ kind: "anomaly" }, points), []);
});

test("a backtest is one sentence", () => {
  assert.match(summary(found({ readings: 0 })), /^There are no readings/);
  assert.equal(summary(found({})), "It would not have rung: 10 readings looked at.");
  const suppressed = [{ reason: "cooldown", first_at: AT, last_at: AT, count: 4 }];
  assert.equal(
    summary(found({ told: { fired: 2, reopened: 1 }, notified: 1, suppressed, more: 1 })),
    "It would have rung 3 times, with 1 notification. 4 readings more would have been kept quiet. 1 event more are not listed.",
  );
});

test("a rule of each kind is a sentence", () => {
  const said = (fields: object) => sentenceOf({ metric: "ms", for_s: 0, ...fields } as unknown as Rule);
  const mean = { kind: "threshold", aggregate: "avg", window_s: 300, comparison: ">", threshold: 90, for_s: 120 };
  assert.equal(said(mean), "Rings when the mean of ms over 5m is above 90, for 2m.");
  const range = { kind: "threshold", aggregate: "last", comparison: "outside", threshold: 1, upper: 2 };
  assert.equal(said(range), "Rings when ms is outside of 1 to 2.");
  const p95 = { kind: "performance", objective: "percentile", percentile: 95, window_s: 60, threshold: 500 };
  assert.equal(said(p95), "Rings when p95 of ms over 1m is above 500.");
  const burn = { kind: "performance", objective: "burn_rate", total_metric: "all", window_s: 60, threshold: 14.4 };
  assert.equal(said(burn), "Rings when the burn rate of ms of all over 1m is above 14.4.");
  assert.equal(said({ kind: "milestone", goals: [10, 20] }), "Rings once when ms reaches 10, 20.");
  assert.match(said({ kind: "anomaly", sensitivity: 6 }), /unlike its own past \(sensitivity 6\)/);
});

test("a file says by its name and its text what it is, and a JSON goes as one", () => {
  assert.deepEqual(
    [formOf("a.JSON", ""), formOf("a.yml", "groups:\n"), formOf("a.yaml", "rules:\n"), formOf("tocsin.toml", "")],
    ["json", "prometheus", "yaml", "toml"],
  );
  assert.deepEqual(bodyOf("toml", "x", true), { text: "x", dry_run: true });
  assert.deepEqual(bodyOf("json", '{"rules": [1]}', false), { rules: [1], dry_run: false });
  assert.deepEqual(bodyOf("json", "[1]", true), { rules: [1], dry_run: true });
  assert.throws(() => bodyOf("json", "{", true), /The JSON cannot be read/);
  assert.throws(() => bodyOf("json", "null", true), /has no rules/);
  const results = { results: [{ id: "a", action: "create" as const }], left_out: [] };
  assert.equal(countsOf(results), "1 create");
  assert.equal(countsOf({ results: [], left_out: [] }), "nothing to take in");
});
