import assert from "node:assert/strict";
import { test } from "node:test";

import { draftOf, emptyDraft, labelsIn, ruleOf, suggestedId } from "../src/views/rules/draft.ts";
import { DRAFTS_MAX, dropDraft, keepDraft, keptDraft } from "../src/views/rules/drafts.ts";
import { isAsked } from "../src/views/rules/fields.ts";
import { latestOnly } from "../src/views/rules/latest.ts";
import { differences, merged } from "../src/views/rules/merge.ts";
import { refusalOf } from "../src/views/rules/refusals.ts";
import { secondsOf, spanOf } from "../src/views/rules/spans.ts";
import { TEMPLATES } from "../src/views/rules/templates.ts";

const cpu = { framework: "web", metric: "cpu_percent", threshold: "90" };

test("a span of time is read as people write it, and written as short as it can be", () => {
  for (const [text, seconds] of [
    ["90", 90],
    ["1.5h", 5_400],
    ["1h 30m", 5_400],
    ["5min", 300],
    ["2d", 172_800],
  ] as const) {
    assert.equal(secondsOf(text), seconds, text);
  }
  for (const text of ["", "five", "5x", "m5", "5m and", "-5"]) assert.equal(secondsOf(text), null, text);
  assert.deepEqual([0, 90, 5_400, 604_800, 0.5].map(spanOf), ["0s", "1m30s", "1h30m", "7d", "0.5s"]);
});

test("a new rule says only what was typed, and has an id even if nobody gave it one", () => {
  const { rule, faults } = ruleOf(emptyDraft(cpu));
  assert.deepEqual(faults, {});
  assert.equal(rule["id"], "web-cpu_percent");
  assert.equal(rule["threshold"], 90);
  for (const name of ["for_s", "match", "upper", "window_s", "schedule", "hours", "goals"])
    assert.ok(!(name in rule), name);
  assert.equal(suggestedId(emptyDraft({ ...cpu, kind: "anomaly" })), "web-cpu_percent-anomaly");
  assert.equal(ruleOf(emptyDraft(cpu), 2).rule["id"], "web-cpu_percent-2");
  assert.equal(suggestedId(emptyDraft({ framework: "f".repeat(127), metric: "m" }), 12).length, 128);
});

test("what is missing or no value is said at once, by field", () => {
  const typed = {
    threshold: "much",
    for_s: "soon",
    match: "host",
    labels: "a=1\na=2",
    window_s: "?",
    aggregate: "avg",
  };
  const { faults } = ruleOf(emptyDraft(typed));
  assert.deepEqual(Object.keys(faults).sort(), [
    "for_s",
    "framework",
    "labels",
    "match",
    "metric",
    "threshold",
    "window_s",
  ]);
  assert.match(faults.for_s!, /soon is no span of time; write/);
  assert.match(ruleOf(emptyDraft({ ...cpu, kind: "milestone", goals: "10, x" })).faults.goals!, /^x is no number/);
});

test("fields that mean nothing to the rule as it stands are neither asked nor sent", () => {
  const draft = emptyDraft({ ...cpu, kind: "milestone", goals: "10, 100", for_s: "5m", upper: "4", no_data: "alert" });
  assert.deepEqual(ruleOf(draft).rule["goals"], [10, 100]);
  for (const name of ["for_s", "threshold", "upper", "no_data", "no_data_s"] as const) {
    assert.ok(!isAsked(draft, name) && !(name in ruleOf(draft).rule), name);
  }
  assert.ok(isAsked({ ...draft, kind: "threshold", comparison: "outside" }, "upper"));
  assert.ok(!isAsked({ ...draft, kind: "threshold", comparison: "outside" }, "recovery"));
  assert.ok(isAsked({ ...draft, kind: "performance", objective: "burn_rate" }, "slo"));
});

test("a rule of the engine comes back as it was", () => {
  const rule = {
    kind: "threshold",
    id: "a/b",
    framework: "web",
    metric: "ms",
    title: "t",
    severity: "error",
    enabled: false,
    match: { host: "web-1", path: "a=b" },
    for_s: 90,
    threshold: 0,
    comparison: "outside",
    upper: 10.5,
    aggregate: "avg",
    window_s: 300,
    no_data: "alert",
    no_data_s: 60,
    notify: ["on-call", "mail"],
    schedule: { start: "22:00", end: "06:00", days: ["mon", "tue"], zone: "Europe/Berlin" },
  };
  const read = ruleOf(draftOf({ ...rule, recovery: null, suppression_s: null, labels: {}, version: 3 }));
  assert.deepEqual(read.faults, {});
  for (const [name, value] of Object.entries(rule)) assert.deepEqual(read.rule[name], value, name);
  assert.deepEqual(read.rule["labels"] ?? {}, {});
});

test("a label may be called as anything, and is a label", () => {
  const { rule } = ruleOf(emptyDraft({ ...cpu, match: "__proto__=x\nconstructor=y" }));
  assert.equal(JSON.stringify(rule["match"]), '{"__proto__":"x","constructor":"y"}');
  assert.deepEqual(labelsIn("host=web-1, zone = a"), { host: "web-1", zone: "a" });
});

test("what the engine refuses finds its field, in the engine's words", () => {
  const first = refusalOf("rules[0]: recovery: 99 is above threshold (85); for example recovery = 75");
  assert.deepEqual(first.faults, { recovery: "99 is above threshold (85); for example recovery = 75" });
  const typed = refusalOf('invalid body: Expected `float` >= 0.0 - at `$.rules[0].for_s`; for example "for_s": 60');
  assert.deepEqual(typed.faults, { for_s: 'Expected `float` >= 0.0; for example "for_s": 60' });
  assert.deepEqual(Object.keys(refusalOf("invalid body: Expected `str` - at `$.goals[2]`").faults), ["goals"]);
  assert.deepEqual(refusalOf("invalid body: Object missing required field `metric`").faults, {
    metric: "Object missing required field `metric`",
  });
  assert.deepEqual(Object.keys(refusalOf("rules[0]: annotations.link: bad").faults), ["annotations"]);
  assert.deepEqual(refusalOf("schedule: zone: 'Mars' is no time zone").faults, { zone: "'Mars' is no time zone" });
  assert.deepEqual(Object.keys(refusalOf("invalid body: no - at `$.rules[0].schedule.end`").faults), ["end"]);
  assert.deepEqual(refusalOf("a workspace has at most 10,000 rules"), {
    faults: {},
    rest: "a workspace has at most 10,000 rules",
  });
  assert.equal(refusalOf("toString: no field").rest, "toString: no field");
});

test("of two edits at once each keeps what only one changed, and a clash is named", () => {
  const base = emptyDraft(cpu);
  const mine = { ...base, threshold: "85", title: "mine", for_s: "1m" };
  const theirs = { ...base, threshold: "80", severity: "critical", for_s: "1m" };
  const { draft, taken, clashes } = merged(base, mine, theirs);
  assert.deepEqual(draft, { ...mine, severity: "critical" });
  assert.deepEqual(taken, ["severity"]);
  assert.deepEqual(clashes, [{ field: "threshold", theirs: "80", mine: "85" }]);
});

test("two states of a rule are told apart field by field, long texts cut", () => {
  const found = differences(
    { a: 1, match: { x: "1" }, old: true },
    { a: 1, match: { x: "2" }, message: "m".repeat(500) },
  );
  assert.deepEqual(
    found.map(({ field, before, after }) => [field, before, after?.length ?? null]),
    [
      ["match", '{"x":"1"}', 9],
      ["old", "true", null],
      ["message", null, 121],
    ],
  );
});

test("one runs at a time, and of those that come meanwhile only the newest", async () => {
  const ran: number[] = [];
  const ends: (() => void)[] = [];
  const want = latestOnly<number>((wanted) => {
    ran.push(wanted);
    return new Promise((end) => ends.push(end));
  });
  for (const wanted of [1, 2, 3]) want(wanted);
  assert.deepEqual(ran, [1]);
  ends[0]!();
  await new Promise(setImmediate);
  assert.deepEqual(ran, [1, 3]);
});

test("what was typed is kept by what is edited, and only so many of it", () => {
  const kept = { draft: emptyDraft(), base: emptyDraft(), version: null };
  for (let place = 0; place <= DRAFTS_MAX; place += 1) keepDraft(`new ${place}`, kept);
  assert.equal(keptDraft("new 0"), undefined);
  assert.equal(keptDraft(`new ${DRAFTS_MAX}`), kept);
  dropDraft(`new ${DRAFTS_MAX}`);
  assert.equal(keptDraft(`new ${DRAFTS_MAX}`), undefined);
});

test("a template leaves to say only what is watched and how much", () => {
  for (const { name, draft } of TEMPLATES) {
    const { faults } = ruleOf(emptyDraft({ framework: "web", metric: "m", total_metric: "all", ...draft }));
    const open = Object.keys(faults).filter((field) => !["threshold", "upper"].includes(field));
    assert.deepEqual(open, [], name);
  }
});
