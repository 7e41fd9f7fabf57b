/** The engine's health score, and what took points of it. */
import { Icon, Tag } from "../../ui/index.ts";
import type { Contribution, EngineHealth, HealthState } from "./answers.ts";

const KINDS: Readonly<Record<HealthState, "good" | "notable" | "bad" | "neutral">> = {
  healthy: "good",
  unknown: "neutral",
  warning: "notable",
  critical: "bad",
};
const ICONS = { healthy: "check", unknown: "help", warning: "warning", critical: "critical" } as const;
const FULL = 100;

export function Score({ health }: { health: EngineHealth }) {
  const taking = health.contributions.filter(({ points }) => points > 0);
  const others = health.contributions.filter(({ points }) => points === 0);
  return (
    <section aria-label="Health score">
      <p className="score">
        <strong className="figure">{health.score}</strong> of {FULL}{" "}
        <Tag kind={KINDS[health.status]}>{health.status}</Tag>
      </p>
      <Parts parts={taking} />
      <details>
        <summary>What takes nothing ({others.length})</summary>
        <Parts parts={others} />
      </details>
    </section>
  );
}

function Parts({ parts }: { parts: readonly Contribution[] }) {
  return (
    <ul className="findings">
      {parts.map(({ part, state, points, text, advice }) => (
        <li key={part} className={state === "critical" ? "fail" : state}>
          <Icon name={ICONS[state]} />
          <span>
            <span className="for-readers">{state}: </span>
            {points > 0 && <strong>−{points} </strong>}
            {text}
            {advice && <span className="advice">{advice}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
