/** How the person who is signed in wants to be told: by which channels, when not, and what together. */
import { type Answer, ApiError, ask, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useClaims } from "../../session.ts";
import { Answered, Button, Clash, Refusal, sayDone, useFields, useSave } from "../../ui/index.ts";
import { ZoneField } from "../quiet/weekly.tsx";
import {
  type Preference,
  preferenceBody,
  type PreferenceDraft,
  preferenceDraft,
  preferenceFaults,
  type User,
} from "./people.ts";
import { ChannelGrid, Digests, Hours, Report } from "./preferencefields.tsx";
import { You } from "./you.tsx";

const PATH = "/api/v1/preferences";

/** One of somebody's own; null: there is none yet. */
async function own<T>(path: string, signal: AbortSignal): Promise<Answer<T> | null> {
  try {
    return await ask<T>("GET", path, { signal });
  } catch (fault) {
    if (fault instanceof ApiError && fault.status === 404) return null;
    throw fault;
  }
}

export function Preferences() {
  const { user } = useClaims();
  const asked = useAsked(`preferences ${user}`, async (signal) => ({
    user: await own<User>(`/api/v1/users/${segment(user)}`, signal),
    preference: await own<Preference>(`${PATH}/${segment(user)}`, signal),
  }));
  return (
    <Answered asked={asked} what="Preferences">
      {(kept) => (
        <>
          <You
            key={`you ${kept.user?.etag}`}
            user={kept.user?.value ?? null}
            etag={kept.user?.etag ?? null}
            again={asked.again}
          />
          <PreferenceForm
            key={`preference ${kept.preference?.etag}`}
            kept={kept.preference?.value ?? null}
            etag={kept.preference?.etag ?? null}
            zone={kept.user?.value.zone ?? "UTC"}
            again={asked.again}
          />
        </>
      )}
    </Answered>
  );
}

interface PreferenceFormProps {
  kept: Preference | null;
  etag: string | null;
  /** The user's own, which holds if no other is given. */
  zone: string;
  again: () => void;
}

function PreferenceForm({ kept, etag, zone, again }: PreferenceFormProps) {
  const { user } = useClaims();
  const saving = useSave<Preference>(`${PATH}/${segment(user)}`, etag);
  const form = useFields<PreferenceDraft>(preferenceDraft(kept), preferenceFaults, async (draft) => {
    const body = preferenceBody(draft, user);
    const saved = kept ? await saving.save("PUT", body) : await post<Preference>(PATH, body);
    sayDone(saved.advice ? `Saved. ${saved.advice.join(" ")}` : "Preferences saved");
    again();
  });
  const { values } = form;
  const take = (theirs: Preference) => {
    form.reset(preferenceDraft(theirs));
    saving.forget();
  };
  return (
    <form className="preferences" onSubmit={(event) => void form.submit(event)} noValidate>
      <Clash theirs={saving.theirs} differences={(theirs) => differences(values, theirs, user)} onTake={take} />
      <ChannelGrid channels={values.channels} onChange={(channels) => form.set("channels", channels)} />
      <Hours form={form} />
      <Digests form={form} />
      <Report form={form} />
      <ZoneField
        label="Time zone of these hours"
        hint={`Empty: your own, ${zone}.`}
        zone={values.zone}
        onChange={(next) => form.set("zone", next)}
        error={form.errorOf("zone")}
      />
      {kept?.advice?.map((text) => (
        <p key={text} className="card" role="status">
          {text}
        </p>
      ))}
      <Refusal why={form.refusal} />
      <div className="actions">
        <Button onClick={() => form.reset(preferenceDraft(kept))}>Put back</Button>
        <Button type="submit" weight="primary" isBusy={form.isBusy}>
          Save
        </Button>
      </div>
    </form>
  );
}

function differences(mine: PreferenceDraft, theirs: Preference, user: string): [string, string][] {
  const [a, b] = [preferenceBody(preferenceDraft(theirs), user), preferenceBody(mine, user)];
  const said: [string, unknown, unknown][] = [
    ["How", a.channels, b.channels],
    ["Quiet hours", a.quiet_hours, b.quiet_hours],
    ["Passes from", a.quiet_below, b.quiet_below],
    ["Digest", a.digest, b.digest],
    ["Weekly report", a.weekly_report, b.weekly_report],
    ["Time zone", a.zone, b.zone],
  ];
  return said
    .map(([name, left, right]) => [name, JSON.stringify(left), JSON.stringify(right)] as const)
    .filter(([, left, right]) => left !== right)
    .map(([name, left]) => [name, left]);
}
