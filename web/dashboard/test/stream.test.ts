import assert from "node:assert/strict";
import { test } from "node:test";

import type { Alert, AlertMessage } from "../src/alerts.ts";
import { pressing, ringsFor } from "../src/ringing/wanted.ts";
import { candidatesOf } from "../src/sockets.ts";
import { areAny, countsOf, filtersOf, passing } from "../src/views/stream/filters.ts";
import { held } from "../src/views/stream/hold.ts";
import { commonMatchers, isUsual } from "../src/views/stream/matchers.ts";
import { pointsOf, windowOf } from "../src/views/stream/readings.ts";
import { between } from "../src/views/stream/selection.ts";
import { alert } from "./alerts.ts";

function shown(query: string, alerts: readonly Alert[]): string[] {
  return alerts.filter(passing(filtersOf(new URLSearchParams(query)), "ann")).map((each) => each.id);
}

const some = [
  alert("1", { severity: "critical", labels: { host: "db-7" } }),
  alert("2", { state: "acknowledged", acknowledged_by: "ann" }),
  alert("3", { state: "resolved", framework_id: "db" }),
  alert("4", { assigned_to: "ann", message: "Disk is FULL" }),
];

test("without filters one sees what is open", () => {
  assert.deepEqual(shown("", some), ["1", "2", "4"]);
  assert.equal(areAny(filtersOf(new URLSearchParams("state=open"))), false);
});

test("filters are read from the address, and all must hold", () => {
  assert.deepEqual(shown("severity=critical&severity=info", some), ["1"]);
  assert.deepEqual(shown("state=resolved", some), ["3"]);
  assert.deepEqual(shown("state=all&framework=db", some), ["3"]);
  assert.deepEqual(shown("mine=1", some), ["2", "4"]);
  assert.deepEqual(shown("mine=1&severity=critical", some), []);
});

test("words are looked for everywhere in the alert, in any case and order", () => {
  assert.deepEqual(shown("q=full+disk", some), ["4"]);
  assert.deepEqual(shown("q=host%3Ddb-7", some), ["1"]);
  assert.deepEqual(shown("q=nowhere", some), []);
});

test("what is not known in an address filters nothing", () => {
  assert.deepEqual(shown("severity=awful&state=gone", some), ["1", "2", "4"]);
});

test("counts are of what is open", () => {
  assert.deepEqual(countsOf(some), { info: 0, warning: 2, error: 0, critical: 1 });
});

test("held rows stay in place with their alerts as they are now, and new ones are counted", () => {
  const acknowledged = alert("1", { state: "acknowledged" });
  const { shown, isNew } = held([some[0]!, some[1]!], [alert("9"), acknowledged], (id) =>
    id === "1" ? acknowledged : undefined,
  );
  assert.deepEqual(
    shown.map((each) => [each.id, each.state]),
    [
      ["1", "acknowledged"],
      ["2", "acknowledged"],
    ],
  );
  assert.equal(isNew, 1);
});

test("a silence offers what its alerts have in common", () => {
  const one = alert("1", { labels: { host: "a", zone: "z" }, rule_id: "slow" });
  const other = alert("2", { labels: { host: "b", zone: "z" }, rule_id: "slow", severity: "error" });
  assert.deepEqual(
    commonMatchers([one, other]).map(({ name, value }) => `${name}=${value}`),
    ["framework_id=web", "alertname=slow", "zone=z"],
  );
  assert.deepEqual(
    commonMatchers([one]).filter((each) => !isUsual(each)),
    [{ name: "severity", operator: "=", value: "warning" }],
  );
  assert.deepEqual(commonMatchers([]), []);
});

test("a range is selected in the order shown, from either end", () => {
  assert.deepEqual(between(some, "4", "2"), ["2", "3", "4"]);
  assert.deepEqual(between(some, "gone", "2"), ["2"]);
  assert.deepEqual(between(some, null, "2"), ["2"]);
});

test("a graph begins half an hour before its alert, and is of six hours at most", () => {
  const now = new Date("2026-01-05T12:00:00Z");
  assert.equal(windowOf(alert("1"), now).since, "2026-01-05T09:30:00.000Z");
  assert.equal(windowOf(alert("1"), new Date("2026-01-09T12:00:00Z")).since, "2026-01-09T06:00:00.000Z");
  const over = windowOf(alert("1", { resolved_at: "2026-01-05T10:30:00Z" }), now);
  assert.equal(over.until, "2026-01-05T10:45:00.000Z");
});

test("of several series only the alert's own is drawn, oldest first", () => {
  const readings = [
    { at: "2026-01-05T10:01:00Z", value: 2, labels: { host: "a" } },
    { at: "2026-01-05T10:00:00Z", value: 1, labels: { host: "a" } },
    { at: "2026-01-05T10:00:00Z", value: 9, labels: { host: "b" } },
  ];
  assert.deepEqual(
    pointsOf(readings, { host: "a", team: "x" }).map((point) => point.value),
    [1, 2],
  );
});

test("the number that matters is of active alerts that nothing keeps quiet", () => {
  assert.deepEqual(pressing([...some, alert("5", { quieted_by: "silenced" })]), { count: 2, worst: "critical" });
  assert.deepEqual(pressing([]), { count: 0, worst: null });
});

test("what fires rings from a severity on; what is quiet, known or over does not", () => {
  const message = (event: AlertMessage["event"], data: Alert): AlertMessage => ({
    type: "alert",
    channel: "alerts:main:*",
    epoch: "e",
    offset: 1,
    prev: 0,
    event,
    timestamp: data.triggered_at,
    data,
  });
  assert.equal(ringsFor(message("fired", some[0]!), "error")?.id, "1");
  assert.equal(ringsFor(message("fired", some[3]!), "error"), null);
  assert.equal(ringsFor(message("acknowledged", some[0]!), "info"), null);
  assert.equal(ringsFor(message("fired", alert("6", { quieted_by: "storm" })), "info"), null);
});

test("a page that came encrypted takes an encrypted socket", () => {
  const page = {
    querySelector: () => ({ getAttribute: () => "wss://a/ws ws://a/ws ws://a:3008" }) as unknown as Element,
  };
  assert.deepEqual(candidatesOf(page, { protocol: "https:" }), ["wss://a/ws"]);
  assert.deepEqual(candidatesOf(page, { protocol: "http:" }), ["ws://a/ws", "ws://a:3008"]);
  assert.deepEqual(candidatesOf({ querySelector: () => null }, { protocol: "http:" }), [undefined]);
});
