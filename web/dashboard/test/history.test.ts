import assert from "node:assert/strict";
import { test } from "node:test";

import type { Alert } from "../src/alerts.ts";
import { cell, csvOf, jsonOf, nameOf } from "../src/views/history/files.ts";
import { areNarrow, faultOf, filtersOf, passing, queryFor, spanOf } from "../src/views/history/filters.ts";
import { gather, told } from "../src/views/history/gather.ts";
import { PIECES_MAX, piecesOf, said, stackOf, sumOf, widthFor } from "../src/views/history/pieces.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const HOUR = 3_600_000;

function alert(id: string, more: Partial<Alert> = {}): Alert {
  return {
    id,
    framework_id: "web",
    severity: "error",
    state: "resolved",
    current_value: 12.5,
    threshold_value: null,
    title: "Slow",
    occurrences: 1,
    triggered_at: "2026-11-22T11:30:00.000000Z",
    last_seen_at: "2026-11-22T11:30:00.000000Z",
    notification_sent: false,
    ...more,
  };
}

const filters = (query: string) => filtersOf(new URLSearchParams(query));

test("what is no filter is left out of the address' meaning", () => {
  const read = filters("span=soon&severity=error&severity=loud&state=open&state=resolved&q=x");
  assert.deepEqual([read.span, read.severities, read.states, read.text], ["24h", ["error"], ["resolved"], "x"]);
  assert.ok(areNarrow(read) && !areNarrow(filters("span=7d")));
});

test("a span that ends now has no end in the question", () => {
  const open = queryFor(filters("span=1h"), spanOf(filters("span=1h"), NOW));
  assert.deepEqual([open["since"], open["until"]], ["2026-11-22T11:00:00.000Z", null]);
  const between = filters("span=between&from=2026-11-20T00:00Z&to=2026-11-21T00:00Z");
  assert.equal(queryFor(between, spanOf(between, NOW))["until"], "2026-11-21T00:00:00.000Z");
  assert.equal(faultOf(between, NOW), null);
});

test("times that make no sense are said to, or count as none", () => {
  assert.match(faultOf(filters("span=between&from=2026-11-21T00:00Z&to=2026-11-20T00:00Z"), NOW) ?? "", /begins/);
  const none = spanOf(filters("span=between&from=never"), NOW);
  assert.deepEqual([none.to, none.isOpen], [NOW, true]);
});

test("words are looked for in labels, notes and names, all of them, in any case", () => {
  const one = alert("1", { labels: { host: "Db7" }, notes: "the disk", resolved_by: "ann" });
  assert.ok(passing(filters("q=host%3Ddb7 DISK ann"))(one));
  assert.ok(!passing(filters("q=host%3Ddb7 tape"))(one));
  assert.ok(!passing(filters("state=active"))(one));
});

test("we go on until enough was found, and say where we stopped", async () => {
  const pages = [0, 1, 2, 3].map((page) => ({
    items: [alert(`${page}a`, { title: "meant" }), alert(`${page}b`)],
    next_cursor: page < 3 ? String(page + 1) : null,
  }));
  const asked: (string | null)[] = [];
  const ask = async (cursor: string | null) => {
    asked.push(cursor);
    return pages[Number(cursor ?? 0)]!;
  };
  const isMeant = (each: Alert) => each.title === "meant";
  const first = await gather(ask, isMeant, null, 2, 100);
  assert.deepEqual([first.alerts.map(({ id }) => id), first.looked, first.cursor], [["0a", "1a"], 4, "2"]);
  const next = await gather(ask, isMeant, first, 100, 2);
  assert.deepEqual([next.alerts.length, next.looked, next.cursor], [3, 6, "3"]);
  const last = await gather(ask, isMeant, next, 100, 100);
  assert.deepEqual([last.alerts.length, last.cursor], [4, null]);
  assert.deepEqual(asked, [null, "1", "2", "3"]);
});

test("what is told changes its row, a new alert comes on top, and no row goes", () => {
  const list = [alert("2"), alert("1", { triggered_at: "2026-11-22T11:00:00.000000Z" })];
  const isMeant = ({ state }: Alert) => state === "resolved";
  const reopened = told(list, alert("1", { state: "active" }), isMeant);
  assert.deepEqual(
    reopened.map(({ id, state }) => [id, state]),
    [
      ["2", "resolved"],
      ["1", "active"],
    ],
  );
  const newer = { triggered_at: "2026-11-22T11:45:00.000000Z" };
  assert.deepEqual(
    told(list, alert("3", newer), isMeant).map(({ id }) => id),
    ["3", "2", "1"],
  );
  assert.equal(told(list, alert("4", { ...newer, state: "active" }), isMeant), list);
  assert.equal(told(list, alert("0", { triggered_at: "2026-11-21T00:00:00.000000Z" }), isMeant), list);
});

test("the pieces cover the span at round times, and hold each alert once", () => {
  const from = NOW - 24 * HOUR;
  const alerts = [
    alert("1", { severity: "critical" }),
    alert("2", { triggered_at: "2026-11-21T12:00:00.000000Z" }),
    alert("3", { triggered_at: "2026-11-01T12:00:00.000000Z" }),
  ];
  const pieces = piecesOf(alerts, from, NOW, -HOUR);
  assert.ok(pieces.length <= PIECES_MAX + 1);
  assert.ok(pieces[0]!.from <= from && pieces.at(-1)!.to >= NOW);
  assert.equal(pieces[0]!.from % widthFor(24 * HOUR), 0);
  assert.equal(said(sumOf(pieces)), "1 critical, 1 error");
  assert.equal(said(sumOf([])), "none");
});

test("years are cut into no more pieces than there is room for", () => {
  for (const days of [1, 3, 40, 400, 4_000]) {
    assert.ok((days * 24 * HOUR) / widthFor(days * 24 * HOUR) <= PIECES_MAX, `${days} days`);
  }
});

test("a stack has the loudest at its foot, and is as high as its share", () => {
  const [piece] = piecesOf([alert("1"), alert("2"), alert("3", { severity: "critical" })], NOW - HOUR, NOW, 0).filter(
    ({ total }) => total > 0,
  );
  assert.deepEqual(stackOf(piece!, 6), [
    { severity: "critical", from: 0, height: 1 / 6 },
    { severity: "error", from: 1 / 6, height: 2 / 6 },
  ]);
});

test("no text of an alert is a formula in a spreadsheet, and numbers stay numbers", () => {
  for (const evil of ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1"]) {
    assert.ok(cell(evil).startsWith(`"'`), JSON.stringify(evil));
  }
  assert.deepEqual([cell(-5.5), cell(null), cell(undefined), cell("a-b")], ["-5.5", "", "", "a-b"]);
  assert.equal(cell('=HYPERLINK("http://x")'), `"'=HYPERLINK(""http://x"")"`);
  assert.equal(cell('say "hi", you'), '"say ""hi"", you"');
});

test("a file has a line for its columns and one for each alert, also if there are line ends inside", () => {
  const csv = csvOf([alert("1", { message: "one\ntwo", labels: { host: "h1" } }), alert("2")]);
  assert.ok(csv.startsWith("\ufeffid,triggered_at,severity,"));
  assert.equal(csv.split("\r\n").length, 4);
  assert.ok(csv.includes('"one\ntwo"') && csv.includes('"{""host"":""h1""}"'));
  assert.deepEqual(JSON.parse(jsonOf([alert("1")])), [alert("1")]);
  assert.equal(nameOf(new Date(NOW), "csv"), "alerts-2026-11-22T12-00-00Z.csv");
});
