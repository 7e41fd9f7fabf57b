/** Every state that a rule had: who made it so, when, and what was different. */
import { useState } from "react";

import { all } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { setQuery } from "../../place.ts";
import { Answered, Button, Moment } from "../../ui/index.ts";
import { addressOf } from "./actions.ts";
import { useFresh } from "./asking.ts";
import { draftOf } from "./draft.ts";
import { keepDraft } from "./drafts.ts";
import { differences } from "./merge.ts";
import type { Rule, Version } from "./model.ts";

const STEP = 20;

export function History({ rule, mayEdit }: { rule: Rule; mayEdit: boolean }) {
  const [max, setMax] = useState(STEP);
  const asked = useAsked(`versions ${rule.id} ${rule.version} ${max}`, (signal) =>
    all<Version>(`${addressOf(rule.id)}/versions`, { limit: STEP }, max, signal),
  );
  useFresh(asked.again);
  return (
    <section className="stack" aria-label="History">
      <h3>History</h3>
      <Answered asked={asked} what="History">
        {({ items, isCut }) => (
          <>
            <ol className="versions">
              {items.map((version, place) => (
                <li key={version.version}>
                  <Step version={version} before={items[place + 1]} rule={rule} mayEdit={mayEdit} />
                </li>
              ))}
            </ol>
            {isCut && <Button onClick={() => setMax(max + STEP)}>Show older</Button>}
          </>
        )}
      </Answered>
    </section>
  );
}

interface StepProps {
  version: Version;
  before: Version | undefined;
  rule: Rule;
  mayEdit: boolean;
}

function Step({ version, before, rule, mayEdit }: StepProps) {
  const changes = before?.object && version.object ? differences(before.object, version.object) : [];
  const isOld = version.version !== rule.version && version.object !== null;
  return (
    <>
      <p className="row">
        <strong>{version.verb.replaceAll("_", " ")}</strong> by {version.by}
        <span className="hint">
          <Moment at={version.at} />
        </span>
        {isOld && mayEdit && <Button onClick={() => editAgain(rule, version)}>Edit from here</Button>}
      </p>
      {changes.length > 0 && (
        <ul className="changes">
          {changes.map(({ field, before: was, after }) => (
            <li key={field}>
              <code>{field}</code> <del>{was ?? "default"}</del> → <ins>{after ?? "default"}</ins>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** As it was then, to be looked at and saved: nothing changes before that. */
function editAgain(rule: Rule, { object }: Version): void {
  if (!object) return;
  const base = draftOf(rule);
  keepDraft(`edit ${rule.id}`, { draft: { ...draftOf(object), id: rule.id }, base, version: rule.version });
  setQuery({ edit: rule.id, rule: null }, "push");
}
