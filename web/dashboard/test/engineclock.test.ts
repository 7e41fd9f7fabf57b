/** Whose time counts: the engine's, as its answers tell it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engineNow, engineTimeOf, hearEngineTime, isEngineTimeKnown, onEngineTime } from "../src/engineclock.ts";

const HOUR_MS = 3_600_000;
const NOW = Date.parse("2026-11-23T01:00:00Z");

test("a browser's clock that is wrong is set right by the engine's answers, and a second of difference is none", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: NOW });
  const told: number[] = [];
  const stop = onEngineTime(() => told.push(engineNow()));

  hearEngineTime(null, NOW);
  hearEngineTime("yesterday", NOW);
  assert.equal(isEngineTimeKnown(), false);
  assert.equal(engineNow(), NOW);

  hearEngineTime(new Date(NOW + 1_000).toUTCString(), NOW);
  assert.equal(isEngineTimeKnown(), true);
  assert.equal(engineNow(), NOW, "whole seconds and clocks kept by the network");

  hearEngineTime(new Date(NOW - HOUR_MS).toUTCString(), NOW);
  assert.equal(engineNow(), NOW - HOUR_MS + 500);
  assert.equal(engineTimeOf(NOW - 10), NOW - HOUR_MS + 490);

  hearEngineTime(new Date(NOW - HOUR_MS + 2_000).toUTCString(), NOW);
  assert.equal(engineNow(), NOW - HOUR_MS + 500, "it does not jump about");

  hearEngineTime(new Date(NOW).toUTCString(), NOW);
  assert.equal(engineNow(), NOW, "the browser's clock was mended");

  stop();
  hearEngineTime(new Date(NOW + HOUR_MS).toUTCString(), NOW);
  assert.deepEqual(told, [NOW, NOW - HOUR_MS + 500, NOW]);
});

test("an answer that took long says little", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: NOW });
  hearEngineTime(new Date(NOW).toUTCString(), NOW);
  assert.equal(engineNow(), NOW);
  hearEngineTime(new Date(NOW - 8_000).toUTCString(), NOW - 20_000);
  assert.equal(engineNow(), NOW);
});
