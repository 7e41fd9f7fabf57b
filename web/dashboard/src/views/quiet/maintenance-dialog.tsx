/** Plans a maintenance window, once or every week, or changes one. */
import { engineNow } from "../../engineclock.ts";
import { useMemo } from "react";

import { post, segment } from "../../api.ts";
import { fieldOf, local, momentOf } from "../../times.ts";
import {
  Clash,
  Dialog,
  etagOf,
  FormFoot,
  sayDone,
  SelectField,
  TextField,
  useFields,
  useSave,
} from "../../ui/index.ts";
import { frameworksOf, maintenanceBody, type MaintenanceDraft, maintenanceDraft, maintenanceFaults } from "./drafts.ts";
import { MatchersField } from "./matchers.tsx";
import { QuietPreview } from "./preview.tsx";
import { filled, type Maintenance, matcherText, matchersFault, weeklyText } from "./quiet.ts";
import { type SetSpan, SpanFields } from "./span.tsx";
import { WeeklyFields } from "./weekly.tsx";

interface MaintenanceDialogProps {
  /** null: a new one. */
  planned: Maintenance | null;
  onClose: () => void;
  onDone: () => void;
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

function faultsOf(draft: MaintenanceDraft) {
  const isForSome = filled(draft.matchers).length > 0 || draft.matchers.some((each) => each.value !== "");
  const wrong = isForSome ? matchersFault(draft.matchers) : undefined;
  return { ...maintenanceFaults(draft, engineNow()), ...(wrong && { matchers: wrong }) };
}

export function MaintenanceDialog({ planned, onClose, onDone }: MaintenanceDialogProps) {
  const first = useMemo(() => maintenanceDraft(planned, ZONE, engineNow()), [planned]);
  const saving = useSave<Maintenance>(
    `/api/v1/maintenance/${segment(planned?.id ?? "")}`,
    planned ? etagOf(planned) : null,
  );
  const form = useFields<MaintenanceDraft>(first, faultsOf, send);
  const { values } = form;

  async function send(draft: MaintenanceDraft): Promise<void> {
    const body = maintenanceBody(draft, planned, engineNow());
    if (planned) await saving.save("PATCH", body);
    else {
      await post("/api/v1/maintenance", body);
      sayDone(`Planned: ${body.title}`);
    }
    onDone();
    onClose();
  }

  function take(theirs: Maintenance): void {
    form.reset(maintenanceDraft(theirs, ZONE, engineNow()));
    saving.forget();
  }

  return (
    <Dialog title={planned ? "Change the maintenance window" : "New maintenance window"} onClose={onClose} isWide>
      <form className="quiet-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <Clash theirs={saving.theirs} differences={(theirs) => differences(values, theirs)} onTake={take} />
        <TextField
          label="What is done"
          value={values.title}
          onChange={(event) => form.set("title", event.target.value)}
          onBlur={() => form.leave("title")}
          error={form.errorOf("title")}
        />
        <TextField
          label="Frameworks"
          hint="Their ids, with commas; none: all of them."
          value={values.frameworks}
          onChange={(event) => form.set("frameworks", event.target.value)}
          error={form.errorOf("frameworks")}
        />
        <MatchersField
          legend="Only alerts with"
          hint="Conditions on labels; none: all alerts of these frameworks."
          matchers={values.matchers}
          onChange={(next) => form.set("matchers", next)}
          error={form.errorOf("matchers")}
        />
        <QuietPreview
          of="maintenance"
          matchers={filled(values.matchers)}
          frameworks={frameworksOf(values.frameworks)}
        />
        <SelectField
          label="How often"
          options={[
            ["once", "once"],
            ["weekly", "every week"],
          ]}
          value={values.how}
          onChange={(event) => form.set("how", event.target.value as MaintenanceDraft["how"])}
        />
        {values.how === "once" ? (
          <SpanFields span={values} onChange={form.set as SetSpan} errorOf={form.errorOf} />
        ) : (
          <>
            <WeeklyFields
              weekly={values.weekly}
              onChange={(next) => form.set("weekly", next)}
              error={form.errorOf("weekly")}
            />
            <Weeks form={form} />
          </>
        )}
        <FormFoot form={form} says={planned ? "Save" : "Plan it"} onClose={onClose} />
      </form>
    </Dialog>
  );
}

/** From when to when the weeks count. */
function Weeks({ form }: { form: ReturnType<typeof useFields<MaintenanceDraft>> }) {
  const bound = (name: "first" | "last") => ({
    type: "datetime-local",
    value: form.values[name],
    error: form.errorOf(name) ?? form.errorOf(name === "first" ? "starts_at" : "ends_at"),
    onBlur: () => form.leave(name),
    onChange: (event: { target: { value: string } }) => form.set(name, event.target.value),
  });
  return (
    <div className="fields">
      <TextField label="Not before" hint="Empty: from now on." {...bound("first")} />
      <TextField label="Not after" hint="Empty: every week, for ever." {...bound("last")} />
    </div>
  );
}

function differences(mine: MaintenanceDraft, theirs: Maintenance): [string, string][] {
  const all: [string, string, string][] = [
    ["What is done", theirs.title, mine.title],
    ["Frameworks", theirs.frameworks.join(", "), mine.frameworks],
    ["Only alerts with", theirs.matchers.map(matcherText).join(" "), filled(mine.matchers).map(matcherText).join(" ")],
    [
      "Every week",
      theirs.weekly ? weeklyText(theirs.weekly) : "",
      mine.how === "weekly" ? weeklyText(mine.weekly) : "",
    ],
    ["Not before", boundOf(theirs, "starts_at"), mine.how === "weekly" ? said(mine.first) : ""],
    ["Not after", boundOf(theirs, "ends_at"), mine.how === "weekly" ? said(mine.last) : ""],
  ];
  return all.filter(([, a, b]) => a !== b).map(([name, text]) => [name, text]);
}

/** A weekly one's bound, to the minute, as the form has it. */
function boundOf({ weekly, starts_at, ends_at }: Maintenance, name: "starts_at" | "ends_at"): string {
  const at = name === "starts_at" ? starts_at : ends_at;
  return weekly && at ? said(fieldOf(new Date(at))) : "";
}

function said(field: string): string {
  const at = momentOf(field);
  return at ? local(at, new Date(engineNow())) : "";
}
