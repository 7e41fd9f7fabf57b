/** Figures, and counts in sentences, as people read them. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { brief, number, several } from "../src/times.ts";

const LONGEST = 10;
const VALUES = [0, 1, -1.5e12, 123_456_789.123, 999_999.9, 999_950, 1e15, 1.7976931348623157e308, -5e-324, 0.0000123];

test("a value has at most four digits behind its point, and none above ten thousand", () => {
  assert.equal(number(12.34567).replace(/\D/g, ""), "1235");
  assert.equal(number(1_234_567.8).replace(/\D/g, ""), "1234568");
  assert.equal(number(0), "0");
});

test("a value of hundreds of digits is told by its power", () => {
  assert.match(number(1.7976931348623157e308), /^1.798E308$/);
  assert.match(number(0.00000000123), /^1.23E-9$/);
});

test("in a column every value is short, and none becomes nothing", () => {
  for (const value of VALUES) assert(brief(value).length <= LONGEST, `${value}: ${brief(value)}`);
  assert.deepEqual(
    VALUES.filter((value) => value !== 0 && Number.parseFloat(brief(value)) === 0),
    [],
  );
  assert.equal(brief(1_340), number(1_340));
  assert.match(brief(123_456_789.123), /^123.5 M$/);
  assert.match(brief(-1.5e12), /^-1.5 T$/);
});

test("one is no plural", () => {
  assert.equal(several(0, "alert"), "0 alerts");
  assert.equal(several(1, "failed job"), "1 failed job");
  assert.equal(several(12_345, "alert"), "12,345 alerts");
});
