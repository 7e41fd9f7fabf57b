/** Whether the engine is well, what pulls it down and what to do about that; and its figures. */
import { typed } from "../../command.ts";
import { get } from "../../api.ts";
import { Icon, Tag } from "../../ui/index.ts";
import type { Finding, System } from "./answers.ts";
import { Current } from "../../ui/current.tsx";
import { Figures } from "./figures.tsx";
import { Score } from "./score.tsx";
import { useWatched } from "../../watched.ts";

export function Health() {
  const asked = useWatched("system", (signal) => get<System>("/api/v1/system", {}, signal));
  return (
    <>
      <section className="card" aria-labelledby="system-health">
        <h2 id="system-health">Health</h2>
        <Current asked={asked} what="The engine's health">
          {(system) => <Findings system={system} />}
        </Current>
      </section>
      <Figures />
    </>
  );
}

function Findings({ system }: { system: System }) {
  // The score has a place of its own.
  const others = system.findings.filter(({ check }) => check !== "health");
  const amiss = others.filter(({ level }) => level !== "OK");
  const well = others.filter(({ level }) => level === "OK");
  return (
    <>
      <Verdict system={system} count={amiss.length} />
      <Score health={system.health} />
      <List findings={amiss} />
      {well.length > 0 && (
        <details>
          <summary>What is well ({well.length})</summary>
          <List findings={well} />
        </details>
      )}
      <p className="hint">
        Found in the figures of the process that served this page, as <code>{typed("doctor")}</code> finds it; that one
        looks at the machine, the store and the configuration as well.
      </p>
    </>
  );
}

function Verdict({ system, count }: { system: System; count: number }) {
  if (!system.ready) return <Line kind="bad" title="Not ready" text="A trigger would not be acknowledged now." />;
  if (system.overload) {
    return <Line kind="bad" title="Full" text={`Nobody new may connect: ${system.overload}`} />;
  }
  if (count > 0) {
    const text = `It works, but ${count === 1 ? "one thing wants" : `${count} things want`} looking after.`;
    return <Line kind="notable" title="Ready" text={text} />;
  }
  return <Line kind="good" title="Ready" text="Triggers are acknowledged, new connections are let in." />;
}

function Line({ kind, title, text }: { kind: "good" | "bad" | "notable"; title: string; text: string }) {
  return (
    <p className="verdict" role="status">
      <Tag kind={kind}>{title}</Tag> {text}
    </p>
  );
}

function List({ findings }: { findings: readonly Finding[] }) {
  return (
    <ul className="findings">
      {findings.map((finding, index) => (
        <li key={`${finding.check}${index}`} className={finding.level.toLowerCase()}>
          <Icon name={finding.level === "OK" ? "check" : finding.level === "FAIL" ? "critical" : "warning"} />
          <span>
            <span className="for-readers">{finding.level}: </span>
            <strong>{finding.check}</strong> {finding.text}
            {finding.advice && <span className="advice">{finding.advice}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
