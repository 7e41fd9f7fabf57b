/** A server that is too old or too new says so. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientStopped, understood } from "../src/index.js";
import { about } from "../src/about.js";
import { parts } from "../src/parts.js";

const ABOUT = { name: "tocsin", version: "0.1.0", ws: "ws://engine:3008", heartbeat_s: 30 };

test("an engine that does not say which protocol it speaks is understood", () => {
  assert.equal(understood(ABOUT, "engine").ws, "ws://engine:3008");
});

test("an engine that is too new, too old, or none says what is to be done", () => {
  assert.throws(() => understood({ ...ABOUT, protocol: 2 }, "engine"), /protocol 2, this client 1: reload the page/);
  assert.throws(() => understood({ ...ABOUT, protocol: 0 }, "engine"), /update the engine/);
  for (const said of [null, {}, { ...ABOUT, name: "grafana" }, "<html>"]) {
    assert.throws(() => understood(said, "engine"), ClientStopped);
  }
});

test("an engine that cannot be reached is told with the reason, which Node keeps behind its error", async (context) => {
  const fails = (fault: unknown): void => void context.mock.method(globalThis, "fetch", () => Promise.reject(fault));
  fails(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:8080") }));
  await assert.rejects(about("http://engine"), /^TocsinError: http:\/\/engine cannot be reached: connect ECONNREFUSED/);
  fails(new TypeError("fetch failed", { cause: { message: "", code: "ECONNREFUSED" } }));
  await assert.rejects(about("http://engine"), /cannot be reached: ECONNREFUSED$/);
  fails(new TypeError("Failed to fetch"));
  await assert.rejects(about("http://engine"), /cannot be reached: TypeError: Failed to fetch$/);
});

test("an engine that a proxy has at a path is asked below it", async (context) => {
  const asked: string[] = [];
  context.mock.method(globalThis, "fetch", (url: URL) => {
    asked.push(url.href);
    return Promise.resolve(Response.json(ABOUT));
  });
  for (const host of ["http://e", "http://e/", "https://e:8/t", "https://e:8/t/", "http://e/a/b//?q#f"]) {
    assert.equal((await about(host)).ws, ABOUT.ws);
  }
  const roots = ["http://e", "http://e", "https://e:8/t", "https://e:8/t", "http://e/a/b"];
  assert.deepEqual(
    asked,
    roots.map((root) => `${root}/api/v1/about`),
  );
});

test("many items leave in messages that the server takes", () => {
  const items = Array.from({ length: 2_500 }, (_, number) => ({ framework_id: "web", title: `ü${number}`.repeat(20) }));
  const made = parts(items, (alerts) => ({ type: "trigger", alerts }));
  assert.deepEqual(made.flat(), items);
  const bytes = made.map((alerts) => Buffer.byteLength(JSON.stringify({ type: "trigger", alerts })));
  assert(bytes.every((size) => size <= 65_536) && made.every((part) => part.length <= 1_000));
  const huge = [{ framework_id: "web", message: "x".repeat(70_000) }];
  assert.throws(() => parts(huge, (alerts) => ({ type: "trigger", alerts })), /limit 65536/);
});
