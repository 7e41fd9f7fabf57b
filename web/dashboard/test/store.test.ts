import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { makeStore, slowed } from "../src/store.ts";
import { isTicket } from "../src/tickets.ts";
import { lossesSaid } from "../src/views/stream/losses.ts";

test("a slowed store tells the first change at once, and then the last one of each pause", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const store = makeStore(0);
  const heard: number[] = [];
  const slow = slowed(store, 250);
  slow.subscribe(() => heard.push(slow.get()));
  for (const value of [1, 2, 3]) store.set(value);
  assert.deepEqual(heard, [1]);
  mock.timers.tick(249);
  store.set(4);
  assert.deepEqual(heard, [1]);
  mock.timers.tick(1);
  assert.deepEqual(heard, [1, 4]);
  mock.timers.tick(1_000);
  store.set(5);
  assert.deepEqual(heard, [1, 4, 5]);
  mock.timers.reset();
});

test("what the page does not show is said, and nothing if nothing is missing", () => {
  assert.equal(lossesSaid({ dropped: 0, unknown: 0 }, 10_000), null);
  assert.equal(
    lossesSaid({ dropped: 1_621, unknown: 1 }, 10_000),
    "left out 1,621 older alerts: this page keeps 10,000; history has all; 1 change of alerts that are not on this page",
  );
  assert.match(lossesSaid({ dropped: 1, unknown: 0 }, 10_000) ?? "", /^left out 1 older alert:/);
});

test("a ticket is told from a token by its form", () => {
  const secret = "a-_9".repeat(10) + "abc";
  assert.equal(isTicket(secret), true);
  assert.equal(isTicket(` 4f2a.${secret}\n`), true);
  assert.equal(isTicket(`${secret}.${secret}.${secret}`), false);
  assert.equal(isTicket("no token"), false);
  assert.equal(isTicket(""), false);
});
