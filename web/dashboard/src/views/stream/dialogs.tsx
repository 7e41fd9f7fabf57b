/** What needs words before it is done: to silence, to assign, to say something. */
import { engineNow } from "../../engineclock.ts";
import { useState } from "react";

import type { Alert } from "../../alerts.ts";
import { all, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useClaims } from "../../session.ts";
import {
  Button,
  CheckField,
  Dialog,
  FormFoot,
  sayDone,
  sayFailed,
  SelectField,
  TextArea,
  TextField,
  useFields,
} from "../../ui/index.ts";
import { act } from "./deeds.ts";
import { commonMatchers, isUsual } from "./matchers.ts";

interface DialogProps {
  alerts: readonly Alert[];
  onClose: () => void;
}

const HOURS = [
  ["0.5", "30 minutes"],
  ["2", "2 hours"],
  ["8", "8 hours"],
  ["24", "a day"],
  ["168", "a week"],
] as const;
const HOUR_MS = 3_600_000;

export function SilenceDialog({ alerts, onClose }: DialogProps) {
  const matchers = commonMatchers(alerts);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () => new Set(matchers.filter(isUsual).map((each) => each.name)),
  );
  const used = matchers.filter((each) => chosen.has(each.name));
  const form = useFields(
    { hours: "2", comment: "" },
    ({ comment }) => (comment.trim() ? {} : { comment: "Say why, for whoever wonders about the quiet." }),
    async ({ hours, comment }) => {
      const ends_at = new Date(engineNow() + Number(hours) * HOUR_MS).toISOString();
      const silence = await post<{ id: string }>("/api/v1/silences", { matchers: used, ends_at, comment });
      sayDone("Silenced", { says: "Undo", does: () => void endSilence(silence.id) });
      onClose();
    },
  );
  function choose(name: string, isChosen: boolean): void {
    const next = new Set(chosen);
    if (isChosen) next.add(name);
    else next.delete(name);
    setChosen(next);
  }
  return (
    <Dialog
      title={alerts.length === 1 ? `Silence: ${alerts[0]?.title}` : `Silence ${alerts.length} alerts`}
      onClose={onClose}
    >
      <form onSubmit={(event) => void form.submit(event)} noValidate>
        <fieldset className="choice">
          <legend>Whatever has all of these stays quiet</legend>
          {matchers.map(({ name, value }) => (
            <CheckField
              key={name}
              label={`${name} = ${value}`}
              checked={chosen.has(name)}
              onChange={(event) => choose(name, event.target.checked)}
            />
          ))}
          {used.length === 0 && <p className="fault">Choose at least one: a silence of everything is refused.</p>}
        </fieldset>
        <SelectField
          label="For"
          options={HOURS}
          value={form.values.hours}
          onChange={(event) => form.set("hours", event.target.value)}
        />
        <TextArea
          label="Why"
          autoFocus
          value={form.values.comment}
          onChange={(event) => form.set("comment", event.target.value)}
          onBlur={() => form.leave("comment")}
          error={form.errorOf("comment")}
        />
        <FormFoot form={form} says="Silence" onClose={onClose} isReady={used.length > 0} />
      </form>
    </Dialog>
  );
}

async function endSilence(id: string): Promise<void> {
  try {
    await post(`/api/v1/silences/${segment(id)}/expire`);
    sayDone("The silence is over");
  } catch (fault) {
    sayFailed("The silence could not be ended", fault);
  }
}

interface Person {
  id: string;
  name: string;
}
// As many as anybody would look through; whoever has more types the name.
const PEOPLE_MAX = 1_000;

export function AssignDialog({ alerts, onClose }: DialogProps) {
  const { user } = useClaims();
  const people = useAsked("users", (signal) => all<Person>("/api/v1/users", { limit: 200 }, PEOPLE_MAX, signal));
  const before = alerts.length === 1 ? (alerts[0]?.assigned_to ?? "") : "";
  const form = useFields(
    { who: before || user },
    () => ({}),
    async ({ who }) => {
      onClose();
      await act({ verb: "assign", by: user, assignedTo: who.trim() || null }, alerts);
    },
  );
  return (
    <Dialog
      title={alerts.length === 1 ? `Assign: ${alerts[0]?.title}` : `Assign ${alerts.length} alerts`}
      onClose={onClose}
    >
      <form onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField
          label="To"
          hint="A user's name; empty: to nobody."
          list="people"
          autoFocus
          // Whoever types means somebody else than who stands there.
          onFocus={(event) => event.currentTarget.select()}
          value={form.values.who}
          onChange={(event) => form.set("who", event.target.value)}
        />
        <datalist id="people">
          {people.value?.items.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </datalist>
        <div className="row">
          <Button onClick={() => form.set("who", user)}>Me</Button>
          <Button onClick={() => form.set("who", "")}>Nobody</Button>
        </div>
        <FormFoot form={form} says="Assign" onClose={onClose} />
      </form>
    </Dialog>
  );
}

export function CommentDialog({ alerts, onClose }: DialogProps) {
  const { user } = useClaims();
  const before = alerts.every((alert) => alert.noise);
  const form = useFields(
    { notes: "", noise: before },
    ({ notes, noise }) => (notes.trim() || noise !== before ? {} : { notes: "There is nothing to say yet." }),
    async ({ notes, noise }) => {
      const deed = { verb: "comment", by: user, notes, noise: noise === before ? undefined : noise } as const;
      // What was refused stays, to be made shorter or sent again.
      if (await act(deed, alerts)) onClose();
    },
  );
  return (
    <Dialog
      title={alerts.length === 1 ? `Comment: ${alerts[0]?.title}` : `Comment on ${alerts.length} alerts`}
      onClose={onClose}
    >
      <form onSubmit={(event) => void form.submit(event)} noValidate>
        <TextArea
          label="What is to be known"
          autoFocus
          value={form.values.notes}
          onChange={(event) => form.set("notes", event.target.value)}
          error={form.errorOf("notes")}
        />
        <CheckField
          label={alerts.length === 1 ? "It was noise: it should not have rung" : "They were noise"}
          checked={form.values.noise}
          onChange={(event) => form.set("noise", event.target.checked)}
        />
        <FormFoot form={form} says="Comment" onClose={onClose} />
      </form>
    </Dialog>
  );
}
