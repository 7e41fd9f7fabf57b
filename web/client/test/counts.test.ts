/** The numbers of alerts, and how long ago something was in words. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Alert } from "../src/index.js";
import { countAlerts } from "../src/react/counts.js";
import { ago } from "../src/react/parts.js";

function anAlert(fields: Partial<Alert>): Alert {
  return { severity: "warning", state: "active", triggered_at: "2026-01-01T00:00:00Z", ...fields } as Alert;
}

test("only what is open counts, and what is quiet is not the worst", () => {
  const counts = countAlerts([
    anAlert({ severity: "critical", state: "resolved" }),
    anAlert({ severity: "critical", quieted_by: "silenced" }),
    anAlert({ severity: "critical", state: "acknowledged" }),
    anAlert({ severity: "info", triggered_at: "2026-01-01T00:00:09Z" }),
    anAlert({ severity: "error", triggered_at: "2026-01-01T00:00:05Z" }),
    anAlert({ severity: "warning", triggered_at: "2026-01-01T00:00:03Z" }),
  ]);
  assert.deepEqual(counts, {
    open: 5,
    active: 4,
    acknowledged: 1,
    quieted: 1,
    bySeverity: { info: 1, warning: 1, error: 1, critical: 2 },
    worst: "error",
    oldestActiveAt: "2026-01-01T00:00:03Z",
  });
});

test("without alerts there is no worst", () => {
  const { open, worst, oldestActiveAt } = countAlerts([]);
  assert.deepEqual([open, worst, oldestActiveAt], [0, undefined, undefined]);
});

test("how long ago is said in the unit that fits", () => {
  const said = [-5, 0, 99_000, 100_000, 5_990_000, 6_000_000, 172_000_000, 172_800_000].map(ago);
  assert.deepEqual(said, ["0 s", "0 s", "99 s", "2 min", "100 min", "2 h", "48 h", "2 d"]);
});
