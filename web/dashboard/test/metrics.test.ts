import assert from "node:assert/strict";
import { test } from "node:test";

import {
  bucketsOf,
  bytes,
  countOf,
  hitRates,
  quantile,
  samplesOf,
  since,
  span,
  total,
  trimmed,
} from "../src/views/system/metrics.ts";

const TEXT = `# HELP t_seconds How long.
# TYPE t_seconds histogram
t_seconds_bucket{le="0.001"} 0.0
t_seconds_bucket{le="0.005"} 6.0
t_seconds_bucket{le="0.01"} 9.0
t_seconds_bucket{le="0.1"} 9.0
t_seconds_bucket{le="+Inf"} 10.0
t_seconds_count 10.0
closes_total{code="1000"} 3.0
closes_total{code="3503"} 2.0
odd{text="a \\"b\\\\c\\" {x}",two="2"} 1.5e-05 1700000000
cache_hits_total{cache_type="rules"} 30.0
cache_misses_total{cache_type="rules"} 10.0
cache_hits_total{cache_type="patterns"} 0.0
cache_misses_total{cache_type="patterns"} 0.0
`;
const samples = samplesOf(TEXT);

test("samples are read with their labels, whatever is in them", () => {
  assert.deepEqual(samples.get("odd"), [{ labels: { text: 'a "b\\c" {x}', two: "2" }, value: 1.5e-5 }]);
  assert.equal(total(samples, "closes_total"), 5);
  assert.equal(total(samples, "closes_total", "t_seconds_count", "nobody_tells_this"), 15);
  assert.equal(total(samples, "nobody_tells_this"), null);
});

test("a histogram's buckets are counted each by itself, and its quantiles are upper bounds", () => {
  const buckets = bucketsOf(samples, "t_seconds");
  assert.deepEqual(
    buckets.map(({ count }) => count),
    [0, 6, 3, 0, 1],
  );
  assert.equal(countOf(buckets), 10);
  assert.equal(quantile(buckets, 0.5), 0.005);
  assert.equal(quantile(buckets, 0.9), 0.01);
  assert.equal(quantile(buckets, 1), null);
  assert.equal(quantile([], 0.5), null);
});

test("between two looks is what came in between, and all of it after a new start", () => {
  const now = bucketsOf(samples, "t_seconds");
  const before = now.map((bucket) => ({ ...bucket, count: Math.floor(bucket.count / 2) }));
  assert.deepEqual(
    since(before, now).map(({ count }) => count),
    [0, 3, 2, 0, 1],
  );
  assert.deepEqual(since(now, before), before);
  assert.deepEqual(since([], now), now);
});

test("empty buckets at the ends are left out, but for one beside what there is", () => {
  const counts = [0, 0, 0, 4, 0, 1, 0, 0].map((count, index) => ({ upTo: index, count }));
  assert.deepEqual(
    trimmed(counts).map(({ upTo }) => upTo),
    [2, 3, 4, 5, 6],
  );
  assert.deepEqual(trimmed([{ upTo: 1, count: 0 }]), []);
});

test("a cache that nobody asked has no hit rate", () => {
  assert.deepEqual(hitRates(samples), [
    { kind: "rules", lookups: 40, rate: 0.75 },
    { kind: "patterns", lookups: 0, rate: null },
  ]);
});

test("spans and sizes have a unit that one can read", () => {
  assert.deepEqual([0.00025, 0.015, 2.5, Infinity].map(span), ["0.25 ms", "15 ms", "2.5 s", "longer"]);
  assert.deepEqual([0, 999, 15_360, 2_500_000_000].map(bytes), ["0 B", "999 B", "15.4 kB", "2.5 GB"]);
});
