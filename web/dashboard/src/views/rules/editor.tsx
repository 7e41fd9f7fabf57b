/** The form of a rule, in groups; what it would have told stands beside it. */
import { type ReactNode, useMemo, useState } from "react";

import { Button, Moment, Refusal } from "../../ui/index.ts";
import { useFrameworks, useSeriesOf } from "./asking.ts";
import { emptyDraft, specOf } from "./draft.ts";
import type { Kept } from "./drafts.ts";
import { type Field, GROUPS, isAsked } from "./fields.ts";
import type { Rule } from "./model.ts";
import { isAbout, nameOf } from "./outlook.ts";
import { Preview } from "./preview.tsx";
import { RuleField } from "./rulefield.tsx";
import { type Editing, type Overtaken, useDraft } from "./usedraft.ts";

/** A hint lists so many series; more nobody reads. */
const SERIES_NAMED = 5;

interface EditorProps {
  title: string;
  editKey: string;
  kept: Kept;
  onSaved: (rule: Rule) => void;
  /** `isChanged`: something was typed that is not saved. */
  onLeave: (isChanged: boolean) => void;
}

export function Editor({ title, editKey, kept, onSaved, onLeave }: EditorProps) {
  const editing = useDraft(editKey, kept, onSaved);
  const known = useKnown(editing);
  const isGood = editing.rule !== null && !Object.keys(editing.opinion?.refusal.faults ?? {}).length;
  return (
    <div className="view rules editor">
      <header>
        <h1>{title}</h1>
      </header>
      <div className="halves">
        <form onSubmit={(event) => void editing.save(event)} noValidate aria-label={title}>
          {GROUPS.map((group) => (
            <Group key={group.title} group={group} editing={editing} known={known} />
          ))}
          {editing.overtaken && <OvertakenNote overtaken={editing.overtaken} />}
          <Refusal why={editing.refusal} />
          <div className="actions">
            <p className="hint verdict" role="status">
              {verdictOf(editing)}
            </p>
            <Button onClick={() => onLeave(editing.isChanged)}>Cancel</Button>
            <Button type="submit" weight="primary" isBusy={editing.isBusy}>
              {editing.isNew ? "Make the rule" : "Save"}
            </Button>
          </div>
        </form>
        <section className="card" aria-label="Preview">
          <h2>What it would have told</h2>
          <Preview rule={isGood ? editing.rule : null} />
        </section>
      </div>
    </div>
  );
}

function verdictOf({ rule, opinion }: Editing): string {
  if (rule === null || opinion === null) return "";
  if (opinion.unchecked) return `Not checked: ${opinion.unchecked}`;
  const isRefused = opinion.refusal.rest !== null || Object.keys(opinion.refusal.faults).length > 0;
  return isRefused ? "The engine would refuse it." : "The engine would take it.";
}

type Known = Partial<Record<Field, readonly string[]>> & { series: readonly string[] };

function useKnown({ draft }: Editing): Known {
  const frameworks = useFrameworks();
  const series = useSeriesOf(frameworks.includes(draft.framework) ? draft.framework : "");
  return useMemo(() => {
    const metrics = [...new Set(series.map(({ metric }) => metric))];
    const named = series.filter(({ metric }) => metric === draft.metric).filter(({ labels }) => isAbout(labels, {}));
    const names = named.filter(({ labels }) => Object.keys(labels).length > 0).map(({ labels }) => nameOf(labels));
    return { framework: frameworks, metric: metrics, total_metric: metrics, series: names };
  }, [frameworks, series, draft.metric]);
}

interface GroupProps {
  group: (typeof GROUPS)[number];
  editing: Editing;
  known: Known;
}

function Group({ group, editing, known }: GroupProps) {
  const asked = group.fields.filter((name) => isAsked(editing.draft, name));
  const [isOpen, setOpen] = useState(() => asked.some((name) => editing.draft[name] !== FIRSTS[name]));
  const isWrong = asked.some((name) => editing.errorOf(name));
  const fields = (
    <div className="fields">
      {asked.map((name) => (
        <RuleField key={name} editing={editing} name={name} known={known[name] ?? []} />
      ))}
    </div>
  );
  const seen = group.fields.includes("match") && known.series.length > 0 && <SeriesHint names={known.series} />;
  if (!group.isAside) return <Framed title={group.title}>{[fields, seen]}</Framed>;
  return (
    <details className="card" open={isOpen || isWrong} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{group.title}</h2>
      </summary>
      {fields}
    </details>
  );
}

const FIRSTS = emptyDraft();

function Framed({ title, children }: { title: string; children: ReactNode[] }) {
  return (
    <fieldset className="card">
      <legend>{title}</legend>
      {children[0]}
      {children[1]}
    </fieldset>
  );
}

function SeriesHint({ names }: { names: readonly string[] }) {
  const more = names.length - SERIES_NAMED;
  return (
    <p className="hint">
      Its series: {names.slice(0, SERIES_NAMED).join(" · ")}
      {more > 0 && `, and ${more} more`}
    </p>
  );
}

function OvertakenNote({ overtaken: { by, at, taken, clashes } }: { overtaken: Overtaken }) {
  return (
    <div className="card overtaken" role="alert">
      <p>
        <strong>{by}</strong> saved this rule {at && <Moment at={at} how="ago" />}, while you edited it. What you typed
        is kept{taken.length > 0 && `; of theirs is here: ${taken.map((field) => specOf(field).label).join(", ")}`}.
      </p>
      {clashes.length > 0 && (
        <ul>
          {clashes.map(({ field, theirs, mine }) => (
            <li key={field}>
              {specOf(field).label}: theirs is <q>{theirs || "empty"}</q>, yours <q>{mine || "empty"}</q>
            </li>
          ))}
        </ul>
      )}
      <p>Save again to put yours in the place of theirs.</p>
    </div>
  );
}
