/** Where a rule is made, copied or edited: a new one begins with a template. */
import { go, setQuery } from "../../place.ts";
import { useMay } from "../../session.ts";
import { Answered, Button, Empty, sayDone } from "../../ui/index.ts";
import { useState } from "react";

import { addressOf } from "./actions.ts";
import { get } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { draftOf, emptyDraft } from "./draft.ts";
import { dropDraft, keepDraft, type Kept, keptDraft } from "./drafts.ts";
import { Editor } from "./editor.tsx";
import type { Rule } from "./model.ts";
import { TEMPLATES } from "./templates.ts";

interface EditorPageProps {
  edited: string | null;
  copied: string | null;
  /** Of a new one; a name that is none means that it is still to be chosen. */
  template: string | null;
}

export function EditorPage({ edited, copied, template }: EditorPageProps) {
  const mayEdit = useMay("edit");
  if (!mayEdit) {
    return (
      <div className="view rules">
        <header>
          <h1>Rules</h1>
        </header>
        <Empty title="Your role may not change rules">
          <p>Ask an administrator for a token of an editor.</p>
          <Button onClick={() => go("/rules")}>To the list</Button>
        </Empty>
      </div>
    );
  }
  const id = edited ?? copied;
  if (id) return <OfStored key={`${edited} ${copied}`} id={id} isCopy={edited === null} />;
  const chosen = TEMPLATES.find(({ name }) => name === template);
  if (!chosen && template !== "empty") return <Templates />;
  return (
    <Opened key={template} title="New rule" editKey={`new ${template}`} first={newKept(emptyDraft(chosen?.draft))} />
  );
}

function Templates() {
  return (
    <div className="view rules">
      <header>
        <h1>New rule</h1>
        <Button onClick={() => go("/rules")}>Cancel</Button>
      </header>
      <p>What should ring?</p>
      <ul className="cards">
        {TEMPLATES.map(({ name, title, says, draft }) => (
          <li key={name} className="card template">
            <h2>
              <Button onClick={() => setQuery({ new: name }, "push")}>{title}</Button>
            </h2>
            <p>{says}</p>
            <p className="hint">{draft.kind}</p>
          </li>
        ))}
        <li className="card template">
          <h2>
            <Button onClick={() => setQuery({ new: "empty" }, "push")}>Something else</Button>
          </h2>
          <p>An empty form, with all that a rule can be.</p>
        </li>
      </ul>
    </div>
  );
}

function OfStored({ id, isCopy }: { id: string; isCopy: boolean }) {
  const asked = useAsked(`to edit ${id}`, (signal) => get<Rule>(addressOf(id), {}, signal));
  const editKey = `${isCopy ? "copy" : "edit"} ${id}`;
  return (
    <Answered asked={asked} what="This rule">
      {(rule) => (
        <Opened
          title={isCopy ? `Copy of ${id}` : `Edit ${id}`}
          editKey={editKey}
          first={isCopy ? copyOf(rule) : editOf(rule)}
        />
      )}
    </Answered>
  );
}

function newKept(draft: Kept["draft"]): Kept {
  return { draft, base: draft, version: null };
}

function copyOf(rule: Rule): Kept {
  return newKept({ ...draftOf(rule), id: `${rule.id}-copy` });
}

function editOf(rule: Rule): Kept {
  const draft = draftOf(rule);
  return { draft, base: draft, version: rule.version };
}

/** What was typed before and not saved goes on. */
function Opened({ title, editKey, first }: { title: string; editKey: string; first: Kept }) {
  const [kept, setKept] = useState(() => keptDraft(editKey));
  const again = () => {
    dropDraft(editKey);
    setKept(undefined);
  };
  return (
    <>
      {kept && (
        <div className="rules kept row">
          <p>Your changes from before are still here.</p>
          <Button onClick={again}>Begin anew</Button>
        </div>
      )}
      <Editor
        key={kept ? "kept" : "first"}
        title={title}
        editKey={editKey}
        kept={kept ?? first}
        onSaved={(rule) => saved(rule)}
        onLeave={(isChanged) => leave(editKey, isChanged)}
      />
    </>
  );
}

function saved({ id, enabled }: Rule): void {
  go("/rules", new URLSearchParams({ rule: id }));
  sayDone(`The rule ${id} is saved${enabled ? " and watches from now on" : ", and switched off"}.`);
}

function leave(editKey: string, isChanged: boolean): void {
  const back = new URLSearchParams(location.search);
  const draft = keptDraft(editKey);
  dropDraft(editKey);
  go("/rules");
  if (!isChanged || !draft) return;
  const undo = () => {
    keepDraft(editKey, draft);
    go("/rules", back);
  };
  sayDone("Your changes are put away.", { says: "Take them back", does: undo });
}
