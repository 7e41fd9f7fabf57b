import assert from "node:assert/strict";
import { test } from "node:test";

import { barsOf, linesOf, rangeOf } from "../src/ui/shape.ts";

const points = [
  { at: 0, value: 10 },
  { at: 50, value: 20 },
  { at: 100, value: 15 },
];

test("the threshold is always in sight", () => {
  const range = rangeOf(points, 100);
  assert.ok(range.high > 100 && range.low < 10);
});

test("a line goes from the left edge to the right one, and stays inside", () => {
  const { path, x, y } = linesOf(points, rangeOf(points, null), 600, 120);
  assert.match(path, /^M0 [\d.]+L300 [\d.]+L600 [\d.]+$/);
  assert.equal(x(100), 600);
  assert.ok(y(20) > 0 && y(10) < 120 && y(20) < y(10));
});

test("values that are all the same have a range, and one point is a line", () => {
  const same = [{ at: 5, value: 0 }];
  const range = rangeOf(same, null);
  assert.ok(range.high > range.low);
  assert.equal(linesOf(same, range, 600, 120).path, "M0 60h600");
});

test("the highest bar is as high as the frame; without values there are none", () => {
  const bars = barsOf([{ value: 5 }, { value: 10 }, { value: 0 }], 300, 100);
  assert.deepEqual(
    bars.map((bar) => bar.height),
    [50, 100, 0],
  );
  assert.deepEqual(barsOf([], 300, 100), []);
});
