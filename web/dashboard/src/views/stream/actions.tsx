/** What can be done about some alerts: buttons for the drawer and for a selection, and the keys for both. */
import { useState } from "react";

import type { Alert } from "../../alerts.ts";
import { type Shortcut } from "../../keys.ts";
import { useClaims, useMay } from "../../session.ts";
import { Button, type IconName } from "../../ui/index.ts";
import { act, applies, type Verb } from "./deeds.ts";
import { AssignDialog, CommentDialog, SilenceDialog } from "./dialogs.tsx";

type Asking = { kind: "silence" | "assign" | "comment"; alerts: readonly Alert[] };

interface Choice {
  key: string;
  says: string;
  icon: IconName;
  verb: Verb | "silence";
}

const CHOICES: readonly Choice[] = [
  { key: "a", says: "Acknowledge", icon: "check", verb: "acknowledge" },
  { key: "r", says: "Resolve", icon: "close", verb: "resolve" },
  { key: "s", says: "Silence", icon: "quiet", verb: "silence" },
  { key: "t", says: "Assign to", icon: "user", verb: "assign" },
  { key: "c", says: "Comment", icon: "edit", verb: "comment" },
  { key: "u", says: "Give back", icon: "undo", verb: "unacknowledge" },
  { key: "o", says: "Open again", icon: "undo", verb: "reopen" },
];

export interface Actions {
  /** Begins one of them; some ask first. */
  begin: (verb: Choice["verb"], alerts: readonly Alert[]) => void;
  choices: readonly Choice[];
  dialog: React.ReactNode;
}

/** `onDone` is called when something was begun, so that a selection can end. */
export function useActions(): Actions {
  const { user } = useClaims();
  const mayRespond = useMay("respond");
  const maySilence = useMay("silence");
  const [asking, setAsking] = useState<Asking | null>(null);
  const close = () => setAsking(null);
  function begin(verb: Choice["verb"], alerts: readonly Alert[]): void {
    if (alerts.length === 0) return;
    if (verb === "silence" || verb === "assign" || verb === "comment") setAsking({ kind: verb, alerts });
    else void act({ verb, by: user }, alerts);
  }
  const choices = CHOICES.filter(({ verb }) => (verb === "silence" ? maySilence : mayRespond));
  const DialogOf = asking && DIALOGS[asking.kind];
  return { begin, choices, dialog: DialogOf && <DialogOf alerts={asking.alerts} onClose={close} /> };
}

const DIALOGS = { silence: SilenceDialog, assign: AssignDialog, comment: CommentDialog };

export function keysOf(actions: Actions, targets: () => readonly Alert[]): Shortcut[] {
  return actions.choices.map(({ key, says, verb }) => ({
    keys: key,
    says,
    does: () => actions.begin(verb, targets()),
  }));
}

/** Only those that would change something. */
export function ActionButtons({ actions, alerts }: { actions: Actions; alerts: readonly Alert[] }) {
  const fitting = actions.choices.filter(({ verb }) =>
    alerts.some((alert) => applies(verb === "silence" ? "assign" : verb, alert)),
  );
  return (
    <div className="row" role="group" aria-label="Actions">
      {fitting.map(({ key, says, icon, verb }, index) => (
        <Button
          key={verb}
          icon={icon}
          weight={index === 0 && verb === "acknowledge" ? "primary" : "plain"}
          title={`${says} (${key})`}
          onClick={() => actions.begin(verb, alerts)}
        >
          {says}
        </Button>
      ))}
    </div>
  );
}
