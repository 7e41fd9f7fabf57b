/** The alerts that there are: folded from events and snapshots, newest first. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { AlertBook, type Alert, type AlertMessage, type Change, type EventKind, type Snapshot } from "../src/index.js";

const CHANNEL = "alerts:acme:web";

function anAlert(number: number, fields: Partial<Alert> = {}): Alert {
  const at = `2026-01-01T00:00:00.${String(number).padStart(6, "0")}Z`;
  return {
    id: `a${number}`,
    framework_id: "web",
    severity: "warning",
    state: "active",
    current_value: null,
    threshold_value: null,
    title: `alert ${number}`,
    occurrences: 1,
    triggered_at: at,
    last_seen_at: at,
    notification_sent: false,
    ...fields,
  };
}

function fired(number: number, fields: Partial<AlertMessage> = {}): AlertMessage {
  const data = anAlert(number);
  const place = { channel: CHANNEL, epoch: "e1", offset: number, prev: number - 1 };
  return { type: "alert", ...place, event: "fired", timestamp: data.triggered_at, data, ...fields };
}

function aPage(page: number, last: boolean, ...alerts: Alert[]): Snapshot {
  return { type: "snapshot", channel: CHANNEL, epoch: "e1", offset: 9, alerts, page, last };
}

function ids(book: AlertBook): string[] {
  return book.list().map((alert) => alert.id);
}

test("alerts are listed newest first, in whatever order they come", () => {
  const book = new AlertBook();
  for (const number of [3, 1, 5, 2, 4]) book.fold(fired(number));
  assert.deepEqual(ids(book), ["a5", "a4", "a3", "a2", "a1"]);
});

test("the list is the same array until something changes", () => {
  const book = new AlertBook();
  book.fold(fired(1));
  const before = book.list();
  assert.equal(book.list(), before);
  book.fold(fired(2));
  assert.deepEqual([before.length, book.list().length], [1, 2]);
});

test("a change of many changes those that are known, and counts the others", () => {
  const book = new AlertBook();
  for (const number of [1, 2, 3]) book.fold(fired(number));
  const change = { at: "2026-01-01T00:01:00Z", state: "resolved" as const, by: "ann", notes: "done" };
  book.fold(fired(4, { data: undefined, event: "resolved", alertIds: ["a1", "a3", "a99"], change }));
  assert.deepEqual([book.open, book.unknown, book.size], [1, 1, 3]);
  const { state, resolved_by, notes, notes_by } = book.get("a3") ?? anAlert(0);
  assert.deepEqual(
    { state, resolved_by, notes, notes_by },
    { state: "resolved", resolved_by: "ann", notes: "done", notes_by: "ann" },
  );
});

test("a change of many says whether they were noise, and re-opening takes it back", () => {
  const book = new AlertBook();
  for (const number of [1, 2]) book.fold(fired(number));
  const alertIds = ["a1", "a2"];
  const at = "2026-01-01T00:01:00Z";
  const told = (number: number, event: EventKind, change: Change) =>
    book.fold(fired(number, { data: undefined, event, alertIds, change }));
  told(3, "acknowledged", { at, state: "acknowledged", by: "ann", noise: true });
  assert.equal(book.get("a1")?.noise, true);
  told(4, "commented", { at, by: "ann", notes: "hm" });
  assert.equal(book.get("a1")?.noise, true);
  told(5, "reopened", { at, state: "active", by: "ann" });
  assert.equal(book.get("a1")?.noise, undefined);
});

test("what a change of many takes back is gone, and null gives to nobody", () => {
  const book = new AlertBook();
  const taken = anAlert(1, { state: "acknowledged", acknowledged_by: "ann", assigned_to: "ann" });
  book.fold(fired(1, { data: taken }));
  const at = "2026-01-01T00:01:00Z";
  book.fold(fired(2, { data: undefined, event: "unacknowledged", alertIds: ["a1"], change: { at, state: "active" } }));
  book.fold(fired(3, { data: undefined, event: "assigned", alertIds: ["a1"], change: { at, assigned_to: null } }));
  const { state, acknowledged_by, assigned_to, active_since } = book.get("a1") ?? anAlert(0);
  assert.deepEqual([state, acknowledged_by, assigned_to, active_since], ["active", undefined, undefined, at]);
});

test("an open alert that a whole snapshot does not show is over, and forgotten", () => {
  const book = new AlertBook();
  for (const number of [1, 2, 3]) book.fold(fired(number));
  book.fold(fired(4, { channel: "alerts:acme:other" }));
  book.show(aPage(0, false, anAlert(3)));
  assert.equal(book.size, 4);
  book.show(aPage(1, true, anAlert(1, { occurrences: 7 })));
  assert.deepEqual(ids(book), ["a4", "a3", "a1"]);
  assert.equal(book.get("a1")?.occurrences, 7);
});

test("an event that another channel tells late does not bring back what is old", () => {
  const book = new AlertBook();
  book.fold(fired(1));
  const data = anAlert(1, { state: "resolved" });
  book.fold(fired(1, { data, event: "resolved", timestamp: "2026-01-01T00:05:00Z" }));
  book.fold(fired(1, { channel: "alerts:acme:*" }));
  assert.deepEqual([book.get("a1")?.state, book.open], ["resolved", 0]);
});

test("past its bound it forgets the oldest that are over, then the oldest, and counts them", () => {
  const book = new AlertBook(3);
  book.fold(fired(1));
  book.fold(fired(2, { data: anAlert(2, { state: "resolved" }) }));
  for (const number of [3, 4]) book.fold(fired(number));
  assert.deepEqual(ids(book), ["a4", "a3", "a1"]);
  book.fold(fired(5));
  assert.deepEqual([ids(book), book.dropped, book.open], [["a5", "a4", "a3"], 2, 3]);
});

test("ten thousand random events leave the list as sorting it would", () => {
  const book = new AlertBook(500);
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 10_000; round++) {
    const state = random(3) ? ("active" as const) : ("resolved" as const);
    const number = random(900);
    book.fold(fired(number, { data: anAlert(number, { state }), timestamp: String(round) }));
  }
  const sorted = [...book.list()].sort((a, b) => (a.triggered_at < b.triggered_at ? 1 : -1));
  assert.deepEqual(book.list(), sorted);
  assert.equal(new Set(ids(book)).size, 500);
  assert.equal(book.open, book.list().filter((alert) => alert.state === "active").length);
});
