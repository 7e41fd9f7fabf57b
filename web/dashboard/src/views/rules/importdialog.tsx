/** A file of rules, taken in: first what would become of each, and what of it does not map. */
import { type SubmitEvent, useState } from "react";

import { post, reasonOf } from "../../api.ts";
import { Button, Dialog, Refusal, sayDone, SelectField, TextArea, TextField } from "../../ui/index.ts";
import { changed, RULES } from "./actions.ts";
import { bodyOf, countsOf, FILE_FORMS, type FileForm, formOf } from "./files.ts";
import type { ImportResults } from "./model.ts";

export function ImportDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [form, setForm] = useState<FileForm>("toml");
  const [framework, setFramework] = useState("");
  const [checked, setChecked] = useState<ImportResults | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function run(isDry: boolean): Promise<void> {
    setBusy(true);
    setFault(null);
    try {
      const query = { format: form, framework_id: form === "prometheus" ? framework : null };
      const results = await post<ImportResults>(`${RULES}/import`, bodyOf(form, text, isDry), query);
      setChecked(results);
      if (!isDry) finish(results);
    } catch (problem) {
      setChecked(null);
      setFault(reasonOf(problem));
    } finally {
      setBusy(false);
    }
  }
  function finish(results: ImportResults): void {
    changed.set(changed.get() + 1);
    sayDone(`Imported: ${countsOf(results)}.`);
    onClose();
  }
  function change(act: () => void): void {
    act();
    setChecked(null);
    setFault(null);
  }
  async function take(file: File | undefined): Promise<void> {
    if (!file) return;
    const read = await file.text();
    change(() => {
      setText(read);
      setForm(formOf(file.name, read));
    });
  }
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    void run(checked === null);
  }
  return (
    <Dialog title="Import rules" onClose={onClose} isWide>
      <form onSubmit={submit}>
        <p className="hint">
          What is not there is made, what is different is changed; nothing is deleted. All or none.
        </p>
        <div className="fields">
          <TextField label="File" type="file" onChange={(event) => void take(event.target.files?.[0])} />
          <SelectField
            label="Format"
            value={form}
            options={FILE_FORMS}
            onChange={(event) => change(() => setForm(event.target.value as FileForm))}
          />
          {form === "prometheus" && (
            <TextField
              label="Framework"
              hint="What its rules belong to; empty: prometheus."
              value={framework}
              onChange={(event) => change(() => setFramework(event.target.value))}
            />
          )}
        </div>
        <TextArea
          label="Or its text"
          rows={8}
          spellCheck={false}
          value={text}
          onChange={(event) => change(() => setText(event.target.value))}
        />
        <Refusal why={fault} />
        <div role="status">{checked && <Outcome results={checked} />}</div>
        <div className="actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" weight="primary" isBusy={isBusy} disabled={text.trim() === ""}>
            {checked ? "Take them in" : "Check"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Outcome({ results }: { results: ImportResults }) {
  return (
    <div className="stack rules">
      <p>{countsOf(results)}.</p>
      <ul className="outcome">
        {results.results.map(({ id, action }) => (
          <li key={id}>
            <strong>{action}</strong> {id}
          </li>
        ))}
        {results.left_out.map(({ group, rule, part, reason }) => (
          <li key={`${group} ${rule} ${part} ${reason}`}>
            <strong>left out</strong> {[group, rule, part].filter(Boolean).join("/")}: {reason}
          </li>
        ))}
      </ul>
    </div>
  );
}
