/** What is said of the engine: one verdict, with all its reasons. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";

import type { Contribution, Finding, HealthState, System } from "../src/views/system/answers.ts";
import { reasonsOf, verdictOf } from "../src/views/system/verdict.ts";

function system(parts: readonly Contribution[], findings: readonly Finding[], others: Partial<System> = {}): System {
  const health = { score: 95, status: "healthy" as const, contributions: parts };
  return { health, findings, ready: true, overload: "", supervision: [], ...others };
}

function part(name: string, state: HealthState, points: number): Contribution {
  return { part: name, state, points, value: 1, unit: "", threshold: 0, text: `${name} is so`, advice: "" };
}

function finding(check: string, level: Finding["level"]): Finding {
  return { check, level, text: `${check} is so`, advice: "" };
}

test("what the score has judged is not said again", () => {
  const { amiss } = reasonsOf(system([part("loop", "warning", 5)], [finding("loop", "WARNING")]));
  deepEqual(
    amiss.map(({ about, points, text }) => [about, points, text]),
    [["", 5, "loop is so"]],
  );
});

test("a restart that the score has forgiven is no reason any more", () => {
  const { title } = verdictOf(system([part("restarts", "healthy", 0)], [finding("restarts", "WARNING")]));
  equal(title, "Healthy");
});

test("what the score does not know is a reason as well", () => {
  const looked = system([part("loop", "warning", 5), part("cache", "unknown", 0)], [finding("queues", "WARNING")]);
  const { amiss, well } = reasonsOf(looked);
  deepEqual(
    amiss.map(({ about, text }) => about || text),
    ["loop is so", "queues"],
  );
  deepEqual(
    well.map(({ state }) => state),
    ["unknown"],
  );
  equal(verdictOf(looked).text, "Triggers are acknowledged, but 2 things want looking after.");
});

test("the verdict is the worst of all: not ready, full, critical, warning", () => {
  const critical = [part("jobs", "critical", 35)];
  const titles = [
    verdictOf(system(critical, [], { ready: false, overload: "full" })),
    verdictOf(system(critical, [], { overload: "20,000 are connected" })),
    verdictOf(system(critical, [finding("queues", "WARNING")])),
    verdictOf(system([], [finding("queues", "WARNING")])),
    verdictOf(system([], [finding("figures", "OK")])),
  ].map(({ title }) => title);
  deepEqual(titles, ["Not ready", "Full", "Critical", "Warning", "Healthy"]);
});
