/** Rules as a file: all of them out, or many of them in, with a look at what would become of them first. */
import { useState } from "react";

import { getText } from "../../api.ts";
import { saveFile } from "../../files.ts";
import { useMay } from "../../session.ts";
import { Button, Menu, sayFailed } from "../../ui/index.ts";
import { RULES } from "./actions.ts";
import { ImportDialog } from "./importdialog.tsx";

const FORMS = ["toml", "yaml", "json"] as const;

export function Transfer() {
  const mayEdit = useMay("edit");
  const [isImporting, setImporting] = useState(false);
  return (
    <>
      <Menu title="Export" className="button">
        {(close) =>
          FORMS.map((form) => (
            <Button
              key={form}
              icon="download"
              onClick={() => {
                close();
                void exportRules(form);
              }}
            >
              {form.toUpperCase()}
            </Button>
          ))
        }
      </Menu>
      {mayEdit && <Button onClick={() => setImporting(true)}>Import</Button>}
      {isImporting && <ImportDialog onClose={() => setImporting(false)} />}
    </>
  );
}

async function exportRules(form: (typeof FORMS)[number]): Promise<void> {
  try {
    saveFile(`rules.${form}`, await getText(`${RULES}/export`, { format: form }), "text/plain");
  } catch (fault) {
    sayFailed("The rules could not be exported", fault);
  }
}
