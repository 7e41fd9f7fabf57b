/** Rules as a file: all of them out, or many of them in, with a look at what would become of them first. */
import { type FocusEvent, type KeyboardEvent, type SyntheticEvent, useState } from "react";

import { getText } from "../../api.ts";
import { saveFile } from "../../files.ts";
import { useMay } from "../../session.ts";
import { Button, sayFailed } from "../../ui/index.ts";
import { RULES } from "./actions.ts";
import { ImportDialog } from "./importdialog.tsx";

const FORMS = ["toml", "yaml", "json"] as const;

export function Transfer() {
  const mayEdit = useMay("edit");
  const [isImporting, setImporting] = useState(false);
  return (
    <>
      <details className="menu-button" onBlur={closeBehind} onKeyDown={closeByKey}>
        <summary className="button">Export</summary>
        <div className="menu">
          {FORMS.map((form) => (
            <Button key={form} icon="download" onClick={(event) => void exportRules(form, event)}>
              {form.toUpperCase()}
            </Button>
          ))}
        </div>
      </details>
      {mayEdit && <Button onClick={() => setImporting(true)}>Import</Button>}
      {isImporting && <ImportDialog onClose={() => setImporting(false)} />}
    </>
  );
}

function close({ currentTarget }: SyntheticEvent): void {
  const menu = currentTarget.closest("details");
  menu?.removeAttribute("open");
  menu?.querySelector("summary")?.focus();
}

function closeByKey(event: KeyboardEvent<HTMLDetailsElement>): void {
  if (event.key !== "Escape" || !event.currentTarget.open) return;
  // It closes the menu, and not what is behind it.
  event.stopPropagation();
  close(event);
}

/** Whoever has gone on to something else wants it no more. */
function closeBehind({ currentTarget, relatedTarget }: FocusEvent): void {
  if (!currentTarget.contains(relatedTarget)) currentTarget.removeAttribute("open");
}

async function exportRules(form: (typeof FORMS)[number], event: SyntheticEvent): Promise<void> {
  close(event);
  try {
    saveFile(`rules.${form}`, await getText(`${RULES}/export`, { format: form }), "text/plain");
  } catch (fault) {
    sayFailed("The rules could not be exported", fault);
  }
}
