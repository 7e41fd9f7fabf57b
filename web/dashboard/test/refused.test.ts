import assert from "node:assert/strict";
import { test } from "node:test";

import { placeOf } from "../src/ui/refused.ts";

test("what the engine refuses is brought to its field, and people count from one", () => {
  const cases: [string, string, string][] = [
    ["comment: it is empty; say why", "comment", "it is empty; say why"],
    [
      "matchers[1].value: the regular expression is not allowed",
      "matchers",
      "number 2, value: the regular expression is not allowed",
    ],
    [
      'invalid body: Expected `str` of length <= 1024 - at `$.matchers[0].value`; for example "value": "h1"',
      "matchers",
      'number 1, value: Expected `str` of length <= 1024; for example "value": "h1"',
    ],
    ["invalid body: Expected `str`, got `int` - at `$.title`", "title", "Expected `str`, got `int`"],
    ["invalid body: Object missing required field `ends_at`", "ends_at", "Object missing required field `ends_at`"],
    ["weekly.zone: 'Mars' is no time zone", "weekly", "zone: 'Mars' is no time zone"],
  ];
  for (const [reason, name, why] of cases) assert.deepEqual(placeOf(reason), { name, why }, reason);
  assert.equal(placeOf("at most 200 silences may have expressions"), null);
});
