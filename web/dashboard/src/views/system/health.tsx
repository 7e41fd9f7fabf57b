/** Whether the engine is well, what pulls it down and what to do about that; and its figures. */
import { typed } from "../../command.ts";
import { get } from "../../api.ts";
import { Icon, Tag } from "../../ui/index.ts";
import type { HealthState, System } from "./answers.ts";
import { Current } from "../../ui/current.tsx";
import { Figures } from "./figures.tsx";
import { type Reason, reasonsOf, verdictOf } from "./verdict.ts";
import { useWatched } from "../../watched.ts";

const FULL = 100;
const KINDS: Readonly<Record<HealthState, "good" | "notable" | "bad" | "neutral">> = {
  healthy: "good",
  unknown: "neutral",
  warning: "notable",
  critical: "bad",
};
const ICONS = { healthy: "check", unknown: "help", warning: "warning", critical: "critical" } as const;

export function Health() {
  const asked = useWatched("system", (signal) => get<System>("/api/v1/system", {}, signal));
  return (
    <>
      <section className="card" aria-labelledby="system-health">
        <h2 id="system-health">Health</h2>
        <Current asked={asked} what="The engine's health">
          {(system) => <Judged system={system} />}
        </Current>
      </section>
      <Figures />
    </>
  );
}

function Judged({ system }: { system: System }) {
  const { state, title, text } = verdictOf(system);
  const { amiss, well } = reasonsOf(system);
  return (
    <>
      <p className="verdict" role="status">
        <Tag kind={KINDS[state]}>{title}</Tag> {text}
      </p>
      <p className="score">
        <strong className="figure">{system.health.score}</strong> of {FULL} points
      </p>
      {amiss.length > 0 && <Reasons reasons={amiss} />}
      <details>
        <summary>What is well, or not known yet ({well.length})</summary>
        <Reasons reasons={well} />
      </details>
      <p className="hint">
        Of the last five minutes of the process that served this page. <code>{typed("doctor")}</code> looks at the
        machine, the store and the configuration as well, and at what was since the start.
      </p>
    </>
  );
}

function Reasons({ reasons }: { reasons: readonly Reason[] }) {
  return (
    <ul className="findings">
      {reasons.map(({ about, state, points, text, advice }) => (
        <li key={`${about} ${text}`} className={state}>
          <Icon name={ICONS[state]} />
          <span>
            <span className="for-readers">{state}: </span>
            {points > 0 && <strong>−{points} </strong>}
            {about && <strong>{about} </strong>}
            {text}
            {advice && <span className="advice">{advice}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
