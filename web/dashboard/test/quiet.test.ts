import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldOf, momentOf } from "../src/times.ts";
import {
  maintenanceBody,
  maintenanceDraft,
  maintenanceFaults,
  newSpan,
  NO_MATCHER,
  silenceBody,
  silenceDraft,
  silenceFaults,
  spanFaults,
} from "../src/views/quiet/drafts.ts";
import {
  filled,
  type Maintenance,
  matcherOf,
  matchersFault,
  matcherText,
  nextChange,
  ordered,
  restText,
  type Silence,
  weeklyText,
} from "../src/views/quiet/quiet.ts";

const NOW = Date.parse("2026-11-22T12:00:30.000Z");
const HOST = { name: "host", operator: "=", value: "h1" } as const;
const SILENCE: Silence = {
  id: "s",
  version: 3,
  state: "active",
  matchers: [HOST],
  starts_at: "2026-11-22T11:00:00.123456Z",
  ends_at: "2026-11-22T13:00:00.654321Z",
  author: "ann",
  comment: "disk",
  created_at: null,
  updated_at: null,
  updated_by: null,
  archived_at: null,
};

test("a matcher is written as Alertmanager writes it, and read back from there", () => {
  for (const matcher of [
    HOST,
    { name: "host", operator: "=~", value: "web-(1|2)" },
    { name: "a", operator: "!=", value: 'say "no"' },
    { name: "a", operator: "!~", value: "" },
  ] as const) {
    assert.deepEqual(matcherOf(matcherText(matcher)), matcher);
  }
  assert.deepEqual(matcherOf(" host = h1 "), HOST);
  assert.equal(matcherOf("host"), null);
  assert.equal(matcherOf("h1 is = full"), null);
});

test("matchers that name nothing, or everything, are wrong before anybody is asked", () => {
  assert.match(matchersFault([NO_MATCHER]) ?? "", /Say which alerts/);
  assert.match(matchersFault([{ ...NO_MATCHER, value: "x" }]) ?? "", /needs a label/);
  assert.match(matchersFault([{ name: "a", operator: "!=", value: "x" }]) ?? "", /everything is silenced/);
  assert.match(matchersFault([{ name: "a", operator: "=", value: "" }]) ?? "", /everything is silenced/);
  for (const operator of ["=~", "!~"] as const) {
    assert.equal(matchersFault([{ name: "a", operator, value: "x" }]), undefined, "only RE2 knows");
  }
  assert.equal(matchersFault([{ name: "a", operator: "!=", value: "" }, NO_MATCHER]), undefined);
  assert.deepEqual(filled([NO_MATCHER, { ...HOST, name: " host " }]), [HOST]);
});

test("a field of date and time is the viewer's wall clock, there and back", () => {
  const at = new Date(2026, 2, 5, 9, 7);
  assert.equal(fieldOf(at), "2026-03-05T09:07");
  assert.equal(momentOf("2026-03-05T09:07")?.getTime(), at.getTime());
  assert.equal(momentOf(""), null);
  assert.equal(momentOf("soon"), null);
});

test("what nobody touched keeps its moment to the microsecond", () => {
  const draft = silenceDraft(SILENCE, [], NOW);
  const body = silenceBody({ ...draft, comment: " other " }, SILENCE, NOW);
  const { starts_at, ends_at } = SILENCE;
  assert.deepEqual(body, { matchers: [HOST], starts_at, ends_at, comment: "other" });
});

test("a new silence begins when the engine says that it is now, and ends after its length", () => {
  const draft = { ...silenceDraft(null, [HOST], NOW), comment: "why" };
  assert.deepEqual(silenceFaults(draft, NOW), {});
  assert.deepEqual(silenceBody(draft, null, NOW), {
    matchers: [HOST],
    ends_at: "2026-11-22T14:00:30.000Z",
    comment: "why",
  });
});

test("a form says what is missing", () => {
  const faults = silenceFaults({ ...silenceDraft(null, [], NOW), lasts: "until", ends_at: "" }, NOW);
  assert.deepEqual(Object.keys(faults).sort(), ["comment", "ends_at", "matchers"]);
  const span = newSpan(NOW);
  const past = fieldOf(new Date(NOW - 3_600_000));
  assert.deepEqual(Object.keys(spanFaults({ ...span, begins: "at", starts_at: "" }, NOW)), ["starts_at"]);
  assert.match(spanFaults({ ...span, lasts: "until", ends_at: past }, NOW).ends_at ?? "", /after it begins/);
  const over = { ...span, begins: "at" as const, starts_at: fieldOf(new Date(NOW - 9_000_000)) };
  assert.match(spanFaults({ ...over, lasts: "until", ends_at: past }, NOW).ends_at ?? "", /over already/);
});

test("a weekly window keeps its bounds and its hours, and a single one has none", () => {
  const weekly = { days: ["sun"], start: "02:00", end: "04:00", zone: "Europe/Berlin" };
  const bounds = { starts_at: "2026-01-01T00:00:00Z", ends_at: null };
  const planned: Maintenance = { ...SILENCE, title: "t", frameworks: ["db", "web"], matchers: [], weekly, ...bounds };
  const draft = maintenanceDraft(planned, "UTC", NOW);
  assert.deepEqual(maintenanceFaults(draft, NOW), {});
  const body = { title: "t", frameworks: ["db", "web"], matchers: [], weekly, ...bounds };
  assert.deepEqual(maintenanceBody(draft, planned, NOW), body);
  const once = maintenanceBody({ ...draft, how: "once", begins: "now", lasts: "2h" }, planned, NOW);
  assert.equal(once.weekly, null);
  assert.equal(once.starts_at, "2026-11-22T12:00:30.000Z");
  assert.equal(once.ends_at, "2026-11-22T14:00:30.000Z");
  assert.deepEqual(Object.keys(maintenanceFaults({ ...draft, title: " ", weekly: { ...weekly, days: [] } }, NOW)), [
    "title",
    "weekly",
  ]);
  assert.equal(weeklyText({ ...weekly, days: [] }), "every day 02:00–04:00 (Europe/Berlin)");
});

test("what is in force comes first, what ends soonest on top, and what is over last", () => {
  const make = (id: string, state: Silence["state"], starts_at: string, ends_at: string | null) => ({
    ...SILENCE,
    id,
    state,
    starts_at,
    ends_at,
  });
  const items = [
    make("old", "expired", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    make("just over", "expired", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    make("next week", "pending", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"),
    make("for ever", "active", "2026-01-01T00:00:00Z", null),
    make("nearly over", "active", "2026-01-01T00:00:00Z", "2026-11-22T12:10:00Z"),
    make("tomorrow", "pending", "2026-11-23T00:00:00Z", "2026-12-02T00:00:00Z"),
  ];
  const names = ["nearly over", "for ever", "tomorrow", "next week", "just over", "old"];
  assert.deepEqual(
    ordered(items).map((each) => each.id),
    names,
  );
  assert.equal(nextChange(items, NOW), Date.parse("2026-11-22T12:10:00Z"));
  assert.equal(nextChange([], NOW), null);
});

test("how much is left is said in words", () => {
  assert.equal(restText(SILENCE, NOW), "59 min left");
  assert.equal(restText({ ...SILENCE, state: "pending", starts_at: "2026-11-22T14:00:30Z" }, NOW), "in 2 h");
  assert.equal(restText({ ...SILENCE, state: "expired", ends_at: "2026-11-22T12:00:00Z" }, NOW), "30 s ago");
});

test("the bounds of a weekly window can be set, moved and taken away", () => {
  const weekly = { days: ["sun"], start: "02:00", end: "04:00", zone: "UTC" };
  const draft = { ...maintenanceDraft(null, "UTC", NOW), title: "new disks", how: "weekly" as const, weekly };
  assert.deepEqual([draft.first, draft.last], ["", ""]);
  const unbounded = maintenanceBody(draft, null, NOW);
  assert.deepEqual([unbounded.starts_at, unbounded.ends_at], [null, null]);
  const [first, last] = ["2199-01-04T00:00", "2199-03-01T00:00"];
  const bounded = maintenanceBody({ ...draft, first, last }, null, NOW);
  assert.deepEqual([bounded.starts_at, bounded.ends_at], [new Date(first).toISOString(), new Date(last).toISOString()]);
  assert.deepEqual(Object.keys(maintenanceFaults({ ...draft, first: last, last: first }, NOW)), ["last"]);
  assert.deepEqual(Object.keys(maintenanceFaults({ ...draft, last: "1999-03-01T00:00" }, NOW)), ["last"]);
  assert.deepEqual(maintenanceFaults({ ...draft, first }, NOW), {});
});
