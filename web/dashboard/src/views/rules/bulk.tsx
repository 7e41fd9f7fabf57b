/** What is done to all rules that are chosen. */
import { useState } from "react";

import { Button, Dialog } from "../../ui/index.ts";
import { type BulkAction, changeMany } from "./actions.ts";
import type { Rule } from "./model.ts";

interface BulkBarProps {
  chosen: ReadonlySet<string>;
  rules: readonly Rule[];
  choose: (next: ReadonlySet<string>) => void;
}

export function BulkBar({ chosen, rules, choose }: BulkBarProps) {
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);
  // Those of the configuration are changed there; where there are no others, there is nothing to choose.
  const ours = rules.filter(({ origin }) => origin !== "config");
  const isAll = chosen.size === ours.length;
  const isAway = rules.some((rule) => chosen.has(rule.id) && rule.archived_at);
  async function act(action: BulkAction): Promise<void> {
    setBusy(true);
    await changeMany(action, [...chosen]);
    setBusy(false);
    choose(new Set());
  }
  const button = (action: BulkAction, says: string) => (
    <Button disabled={chosen.size === 0} isBusy={isBusy} onClick={() => void act(action)}>
      {says}
    </Button>
  );
  if (ours.length === 0) return null;
  return (
    <div className="row bulk" role="group" aria-label="Chosen rules">
      <Button onClick={() => choose(new Set(isAll ? [] : ours.map(({ id }) => id)))}>
        {isAll ? "Choose none" : "Choose all"}
      </Button>
      <span role="status">{chosen.size} chosen</span>
      {button("enable", "Switch on")}
      {button("disable", "Switch off")}
      {isAway ? button("restore", "Take back") : button("archive", "Put away")}
      <Button weight="danger" disabled={chosen.size === 0} onClick={() => setAsking(true)}>
        Delete
      </Button>
      {isAsking && (
        <DeleteDialog
          what={chosen.size === 1 ? `the rule ${[...chosen][0]}` : `${chosen.size} rules`}
          onClose={() => setAsking(false)}
          onDelete={() => act("delete")}
        />
      )}
    </div>
  );
}

interface DeleteDialogProps {
  what: string;
  onClose: () => void;
  onDelete: () => Promise<void>;
}

export function DeleteDialog({ what, onClose, onDelete }: DeleteDialogProps) {
  const [isBusy, setBusy] = useState(false);
  async function act(): Promise<void> {
    setBusy(true);
    await onDelete();
    onClose();
  }
  return (
    <Dialog title={`Delete ${what}?`} onClose={onClose}>
      <p>Its open alerts are closed, and what it has learned is gone. Put away instead, it can be taken back.</p>
      <div className="actions">
        <Button onClick={onClose}>Keep</Button>
        <Button weight="danger" isBusy={isBusy} onClick={() => void act()}>
          Delete
        </Button>
      </div>
    </Dialog>
  );
}
