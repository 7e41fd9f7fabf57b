import assert from "node:assert/strict";
import { test } from "node:test";

import { find, type Offer, type Shortcut } from "../src/keys.ts";

function shortcut(keys: string): Shortcut {
  return { keys, says: keys, does: () => {} };
}
const everywhere: Offer = { title: "Everywhere", shortcuts: [shortcut("g s"), shortcut("?"), shortcut("j")] };
const view: Offer = { title: "Stream", shortcuts: [shortcut("j"), shortcut("s")] };

test("one key, or two after each other", () => {
  assert.equal(find([everywhere], null, "?"), everywhere.shortcuts[1]);
  assert.equal(find([everywhere], null, "g"), "begun");
  assert.equal(find([everywhere], "g", "s"), everywhere.shortcuts[0]);
  assert.equal(find([everywhere], null, "x"), null);
});

test("whoever came last is asked first", () => {
  assert.equal(find([everywhere, view], null, "j"), view.shortcuts[0]);
});

test("a second key that continues nothing counts for itself", () => {
  assert.equal(find([everywhere, view], "g", "j"), view.shortcuts[0]);
  assert.equal(find([everywhere, view], "g", "x"), null);
});
