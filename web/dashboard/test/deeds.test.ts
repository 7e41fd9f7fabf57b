import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { book } from "../src/live.ts";
import { toastsNow } from "../src/ui/toasts.tsx";
import { act, after, applies, expectedNow } from "../src/views/stream/deeds.ts";
import { alert } from "./alerts.ts";

const fetched = globalThis.fetch;
const AT = "2026-01-05T10:00:01.000Z";

interface Asked {
  path: string;
  body: Record<string, unknown>;
  answer: (status: number, body: object) => void;
  fail: () => void;
}

/** From here on requests wait until the test answers them. */
function engine(): Asked[] {
  const asked: Asked[] = [];
  globalThis.fetch = (path, request) =>
    new Promise((resolve, reject) =>
      asked.push({
        path: String(path),
        body: JSON.parse(String(request?.body)) as Record<string, unknown>,
        answer: (status, body) => resolve(new Response(JSON.stringify(body), { status })),
        fail: () => reject(new TypeError("fetch failed")),
      }),
    );
  return asked;
}

function lastSaid(): { kind?: string; text?: string; action?: unknown } {
  return toastsNow().at(-1) ?? {};
}

afterEach(() => {
  globalThis.fetch = fetched;
  book.clear();
});

test("a deed is expected at once, and is the alert's when the engine has agreed", async () => {
  const asked = engine();
  const one = alert("1");
  book.set(one);
  const done = act({ verb: "acknowledge", by: "ann" }, [one]);
  assert.equal(expectedNow().get("1")?.state, "acknowledged");
  assert.equal(book.get("1")?.state, "active");
  assert.equal(asked[0]?.path, "/api/v1/alerts/1/acknowledge");
  asked[0]?.answer(200, { ...one, ...after({ verb: "acknowledge", by: "ann" }, AT) });
  assert.equal(await done, true);
  assert.equal(expectedNow().size, 0);
  assert.equal(book.get("1")?.acknowledged_by, "ann");
  assert.equal(lastSaid().text, "Acknowledged: Alert 1");
});

test("a refusal undoes it and says why; what would be refused again is not offered again", async () => {
  const asked = engine();
  book.set(alert("1"));
  const done = act({ verb: "resolve", by: "vera" }, [alert("1")]);
  asked[0]?.answer(403, { detail: "the role 'viewer' may not resolve", code: 103, temporary: false });
  assert.equal(await done, false);
  assert.equal(expectedNow().size, 0);
  assert.equal(book.get("1")?.state, "active");
  assert.deepEqual(
    { ...lastSaid(), id: 0 },
    { kind: "failed", text: "Not resolved: Alert 1: the role 'viewer' may not resolve", id: 0 },
  );
});

test("an engine that is away undoes it, and one may try again", async () => {
  const asked = engine();
  const done = act({ verb: "acknowledge", by: "ann" }, [alert("1")]);
  asked[0]?.fail();
  assert.equal(await done, false);
  assert.equal(expectedNow().size, 0);
  assert.match(lastSaid().text ?? "", /^Not acknowledged: Alert 1: The engine does not answer/);
  assert.ok(lastSaid().action);
});

test("of many, those that were refused are as before, and their reasons are said", async () => {
  const asked = engine();
  const some = [alert("1"), alert("2"), alert("3", { state: "resolved" })];
  some.forEach((each) => book.set(each));
  const done = act({ verb: "acknowledge", by: "ann" }, some);
  assert.deepEqual(asked[0]?.body["alertIds"], ["1", "2"], "the third is over");
  asked[0]?.answer(200, {
    results: [
      { status: "acknowledged", reason: "acknowledged", alertId: "1" },
      { status: "rejected", reason: "unknown_alert", alertId: null, message: "there is no such alert" },
    ],
  });
  assert.equal(await done, false);
  assert.equal(expectedNow().size, 0);
  assert.deepEqual(
    ["1", "2", "3"].map((id) => book.get(id)?.state),
    ["acknowledged", "active", "resolved"],
  );
  assert.equal(lastSaid().text, "1 of 2 refused acknowledge: there is no such alert");
});

test("what changes nothing is not asked", async () => {
  const asked = engine();
  assert.equal(await act({ verb: "acknowledge", by: "ann" }, [alert("1", { state: "resolved" })]), false);
  assert.equal(asked.length, 0);
  assert.equal(lastSaid().text, "Nothing to acknowledge: it is resolved");
});

test("each deed fits some states, and leaves its trace", () => {
  assert.equal(applies("reopen", { state: "expired" }), true);
  assert.equal(applies("reopen", { state: "active" }), false);
  assert.deepEqual(after({ verb: "assign", by: "ann", assignedTo: null }, AT), { assigned_to: "" });
  assert.deepEqual(after({ verb: "comment", by: "ann", notes: "hm" }, AT), { notes: "hm", notes_by: "ann" });
  assert.deepEqual(after({ verb: "reopen", by: "ann" }, AT), { state: "active", active_since: AT });
});
