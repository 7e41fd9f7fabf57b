/** Deletes an entry of a list, after a question: what names it goes on naming nobody. */
import { useState } from "react";

import { ask, reasonOf } from "../../api.ts";
import { Button, Dialog, etagOf, Refusal, sayDone } from "../../ui/index.ts";

interface RemoveProps {
  entry: { id: string; version: number };
  /** Where the engine has it. */
  path: string;
  /** What will be different without it. */
  consequence: string;
  onDone: () => void;
}

export function Remove({ entry, path, consequence, onDone }: RemoveProps) {
  const [isAsked, setAsked] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  async function remove(): Promise<void> {
    setBusy(true);
    try {
      await ask("DELETE", path, { ifMatch: etagOf(entry) });
      sayDone(`${entry.id} is deleted`);
      setAsked(false);
      onDone();
    } catch (fault) {
      setRefusal(reasonOf(fault));
    } finally {
      setBusy(false);
    }
  }
  return (
    <>
      <Button aria-label={`Delete ${entry.id}`} onClick={() => setAsked(true)}>
        Delete
      </Button>
      {isAsked && (
        <Dialog title={`Delete ${entry.id}?`} onClose={() => setAsked(false)}>
          <p>{consequence} What it was stays on record.</p>
          <Refusal why={refusal} />
          <div className="actions">
            <Button onClick={() => setAsked(false)}>Keep it</Button>
            <Button weight="danger" isBusy={isBusy} onClick={() => void remove()}>
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
