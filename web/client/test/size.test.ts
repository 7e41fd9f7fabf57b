/** What a page has to load for the client, as a bundler makes it, is bounded: it is meant to be dropped in anywhere. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const GZIPPED_MAX_BYTES = 12_000;
const ENTRY = new URL("../src/index.js", import.meta.url).pathname;

test("the client has less than 12 kB, gzipped, with both wire forms in it", async () => {
  const bundle = await rolldown({ input: ENTRY });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  assert.equal(output.length, 1);
  const bytes = gzipSync(output[0].code, { level: 9 }).length;
  assert(bytes > 5_000 && bytes < GZIPPED_MAX_BYTES, `${bytes} bytes`);
  assert.match(output[0].code, /tocsin\.v1\.msgpack/);
});
