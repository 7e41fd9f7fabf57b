/** Makes a silence, or changes one. What is typed stays, whatever the engine says. */
import { engineNow } from "../../engineclock.ts";
import { useMemo } from "react";

import { post, segment } from "../../api.ts";
import { local } from "../../times.ts";
import { Clash, Dialog, etagOf, FormFoot, sayDone, TextArea, useFields, useSave } from "../../ui/index.ts";
import { type SilenceDraft, silenceBody, silenceDraft, silenceFaults } from "./drafts.ts";
import { MatchersField } from "./matchers.tsx";
import { QuietPreview } from "./preview.tsx";
import { filled, type Matcher, matcherText, type Silence } from "./quiet.ts";
import { type SetSpan, SpanFields } from "./span.tsx";

interface SilenceDialogProps {
  /** null: a new one. */
  silence: Silence | null;
  /** What a new one begins with. */
  matchers?: readonly Matcher[];
  onClose: () => void;
  onDone: () => void;
}

const NONE: readonly Matcher[] = [];

export function SilenceDialog({ silence, matchers = NONE, onClose, onDone }: SilenceDialogProps) {
  const first = useMemo(() => silenceDraft(silence, matchers, engineNow()), [silence, matchers]);
  const saving = useSave<Silence>(`/api/v1/silences/${segment(silence?.id ?? "")}`, silence ? etagOf(silence) : null);
  const form = useFields<SilenceDraft>(first, (draft) => silenceFaults(draft, engineNow()), send);

  async function send(draft: SilenceDraft): Promise<void> {
    const body = silenceBody(draft, silence, engineNow());
    if (silence) await saving.save("PATCH", body);
    else {
      const made = await post<Silence>("/api/v1/silences", body);
      const undo = () => void post(`/api/v1/silences/${segment(made.id)}/expire`).finally(onDone);
      sayDone(`Silenced until ${local(new Date(made.ends_at), new Date(engineNow()))}`, { says: "Undo", does: undo });
    }
    onDone();
    onClose();
  }

  function take(theirs: Silence): void {
    form.reset(silenceDraft(theirs, NONE, engineNow()));
    saving.forget();
  }

  const { values } = form;
  return (
    <Dialog title={silence ? "Change the silence" : "New silence"} onClose={onClose} isWide>
      <form className="quiet-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <Clash theirs={saving.theirs} differences={(theirs) => differences(values, theirs)} onTake={take} />
        <MatchersField
          legend="Which alerts"
          hint="All conditions must hold. A label that an alert does not have is empty."
          matchers={values.matchers}
          onChange={(next) => form.set("matchers", next)}
          error={form.errorOf("matchers")}
        />
        <QuietPreview of="silences" matchers={filled(values.matchers)} />
        <SpanFields
          span={values}
          onChange={form.set as SetSpan}
          errorOf={form.errorOf}
          isBegun={silence !== null && silence.state !== "pending"}
        />
        <TextArea
          label="Why"
          hint="Whoever wonders why nothing rings reads this."
          value={values.comment}
          onChange={(event) => form.set("comment", event.target.value)}
          onBlur={() => form.leave("comment")}
          error={form.errorOf("comment")}
        />
        <FormFoot form={form} says={silence ? "Save" : "Silence"} onClose={onClose} />
      </form>
    </Dialog>
  );
}

function differences(mine: SilenceDraft, theirs: Silence): [string, string][] {
  const said: [string, string, string][] = [
    ["Which alerts", theirs.matchers.map(matcherText).join(" "), filled(mine.matchers).map(matcherText).join(" ")],
    ["Ends", local(new Date(theirs.ends_at), new Date(engineNow())), endOfMine(mine, theirs)],
    ["Why", theirs.comment, mine.comment],
  ];
  return said.filter(([, a, b]) => a !== b).map(([name, text]) => [name, text]);
}

/** As theirs, if the form, which knows minutes, has the same. */
function endOfMine(mine: SilenceDraft, theirs: Silence): string {
  const { ends_at } = silenceBody(mine, theirs, engineNow());
  return ends_at === null ? "" : local(new Date(ends_at), new Date(engineNow()));
}
