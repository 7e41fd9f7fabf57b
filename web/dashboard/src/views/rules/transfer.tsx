/** Rules as a file: all of them out, or many of them in, with a look at what would become of them first. */
import { useState } from "react";

import { askText } from "../../api.ts";
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
      <details className="menu-button">
        <summary className="button">Export</summary>
        <div className="menu">
          {FORMS.map((form) => (
            <Button key={form} icon="download" onClick={() => void exportRules(form)}>
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

async function exportRules(form: (typeof FORMS)[number]): Promise<void> {
  try {
    save(await askText(`${RULES}/export`, { format: form }), `rules.${form}`);
  } catch (fault) {
    sayFailed("The rules could not be exported", fault);
  }
}

function save(text: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  URL.revokeObjectURL(address);
}
