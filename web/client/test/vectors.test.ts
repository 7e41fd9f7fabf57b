/** The client talks as the Python client does: both are held to the same recorded conversations. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Replay, type Vector } from "./replay.js";

const FILE = new URL("../../../../../tests/golden/conversations.jsonl", import.meta.url);
const VECTORS = readFileSync(FILE, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Vector);

for (const form of ["json", "msgpack"] as const) {
  describe(`recorded conversations in ${form}`, () => {
    for (const vector of VECTORS) it(vector.name, () => new Replay(vector, form).play());
  });
}

it("there are conversations", () => assert(VECTORS.length > 25));
