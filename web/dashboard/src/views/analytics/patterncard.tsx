/** One pattern: what it is, how sure it is, its proof, and whether it is worth something. */
import type { Pattern } from "@tocsin/client";
import { useState } from "react";

import { post, segment } from "../../api.ts";
import { useMay } from "../../session.ts";
import { Button, Moment, sayDone, sayFailed, Tag } from "../../ui/index.ts";
import { Evidence } from "./evidence.tsx";
import { Share } from "./chart.tsx";
import { followsAfter, KINDS, type State, supportOf } from "./patterns.ts";
import { percent } from "./words.ts";

const TAGS: Readonly<Record<State, "notable" | "good" | "neutral">> = {
  new: "notable",
  confirmed: "good",
  dismissed: "neutral",
};

interface CardProps {
  pattern: Pattern;
  onChange: (pattern: Pattern) => void;
}

export function PatternCard({ pattern, onChange }: CardProps) {
  const after = followsAfter(pattern);
  const { kind, state, summary, confidence, said } = pattern;
  return (
    <li className="card pattern">
      <p className="row">
        <Tag>{KINDS[kind]}</Tag>
        <Tag kind={TAGS[state]}>{state}</Tag>
        <span className="hint">
          last <Moment at={pattern.last_at} how="ago" />, first <Moment at={pattern.first_at} />
        </span>
      </p>
      <h2>{summary}</h2>
      <p className="with-share">
        <strong>{percent(confidence)}</strong> <Share share={confidence} />
      </p>
      <p>
        How sure the engine is of it, at least. {supportOf(pattern)} {after}
      </p>
      {said && (
        <p className="hint">
          {state} by {said.by} <Moment at={said.at} how="ago" />
          {said.notes && `: ${said.notes}`}
        </p>
      )}
      <Evidence ids={pattern.evidence} />
      <Deeds pattern={pattern} onChange={onChange} />
    </li>
  );
}

const DEEDS = [
  { verb: "confirm", state: "confirmed", says: "Confirm", does: "Patterns like it are told sooner" },
  { verb: "dismiss", state: "dismissed", says: "Dismiss", does: "It is put away, and not told again" },
] as const;

/** Shown at once, taken back with the reason if the engine refuses. */
function Deeds({ pattern, onChange }: CardProps) {
  const mayRespond = useMay("respond");
  const [isBusy, setBusy] = useState(false);
  if (!mayRespond) return null;
  async function say({ verb, state, does }: (typeof DEEDS)[number]): Promise<void> {
    setBusy(true);
    onChange({ ...pattern, state });
    try {
      onChange(await post<Pattern>(`/api/v1/patterns/${segment(pattern.id)}/${verb}`));
      sayDone(does);
    } catch (fault) {
      onChange(pattern);
      sayFailed("Nothing was said of the pattern", fault);
    } finally {
      setBusy(false);
    }
  }
  return (
    <div className="actions">
      {DEEDS.filter(({ state }) => state !== pattern.state).map((deed) => (
        <Button
          key={deed.verb}
          isBusy={isBusy}
          title={deed.does}
          aria-label={`${deed.says}: ${pattern.summary}`}
          onClick={() => void say(deed)}
        >
          {deed.says}
        </Button>
      ))}
    </div>
  );
}
