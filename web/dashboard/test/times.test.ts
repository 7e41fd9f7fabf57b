/** Counts in sentences. */
import { equal } from "node:assert/strict";
import { test } from "node:test";

import { several } from "../src/times.ts";

test("one is no plural", () => {
  equal(several(0, "alert"), "0 alerts");
  equal(several(1, "failed job"), "1 failed job");
  equal(several(12_345, "alert"), "12,345 alerts");
});
