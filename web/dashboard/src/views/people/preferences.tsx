/** How the person who is signed in wants to be told: by which channels, when not, and what together. */
import { type Severity, SEVERITIES } from "../../alerts.ts";
import { type Answer, ApiError, ask, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useClaims } from "../../session.ts";
import {
  Answered,
  Button,
  CheckField,
  Clash,
  Refusal,
  sayDone,
  SelectField,
  SeverityBadge,
  TextField,
  useFields,
  useSave,
} from "../../ui/index.ts";
import { DAYS } from "../quiet/quiet.ts";
import { DAY_SAYS, DaysField, ZoneField } from "../quiet/weekly.tsx";
import {
  CHANNEL_SAYS,
  PERSONAL,
  type Personal,
  type Preference,
  preferenceBody,
  type PreferenceDraft,
  preferenceDraft,
  preferenceFaults,
  turned,
  type User,
} from "./people.ts";
import { You } from "./you.tsx";

const PATH = "/api/v1/preferences";
const LOUDEST_FIRST = [...SEVERITIES].reverse();
const HOURS = Array.from({ length: 24 }, (_, hour) => [String(hour), `${String(hour).padStart(2, "0")}:00`] as const);

const REPORT_DAYS = DAYS.map((day) => [day, DAY_SAYS[day]] as const);

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

type Form = ReturnType<typeof useFields<PreferenceDraft>>;
type Channels = PreferenceDraft["channels"];

function ChannelGrid({ channels, onChange }: { channels: Channels; onChange: (channels: Channels) => void }) {
  const turn = (severity: Severity, channel: Personal) =>
    onChange({ ...channels, [severity]: turned(channels[severity], channel) });
  return (
    <fieldset className="card">
      <legend>How you are told</legend>
      <table className="grid-of-channels">
        <caption className="for-readers">Which channels tell you of which severity</caption>
        <thead>
          <tr>
            <th scope="col">Of</th>
            {PERSONAL.map((channel) => (
              <th key={channel} scope="col">
                {CHANNEL_SAYS[channel]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {LOUDEST_FIRST.map((severity) => (
            <tr key={severity}>
              <th scope="row">
                <SeverityBadge severity={severity} />
              </th>
              {PERSONAL.map((channel) => (
                <td key={channel}>
                  <input
                    type="checkbox"
                    aria-label={`${severity} ${CHANNEL_SAYS[channel]}`}
                    checked={channels[severity].includes(channel)}
                    onChange={() => turn(severity, channel)}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </fieldset>
  );
}

function Hours({ form }: { form: Form }) {
  const { hasQuietHours, quiet_hours, quiet_below } = form.values;
  const put = (next: Partial<PreferenceDraft["quiet_hours"]>) => form.set("quiet_hours", { ...quiet_hours, ...next });
  return (
    <fieldset className="card">
      <legend>Quiet hours</legend>
      <CheckField
        label="Do not disturb me at some hours"
        hint="What waits is sent together when they end. Escalations and reminders pass; the app's own list is quiet by itself."
        checked={hasQuietHours}
        onChange={(event) => form.set("hasQuietHours", event.target.checked)}
      />
      {hasQuietHours && (
        <>
          <div className="fields">
            <TextField
              label="From"
              type="time"
              value={quiet_hours.start}
              error={form.errorOf("quiet_hours")}
              onChange={(event) => put({ start: event.target.value })}
            />
            <TextField
              label="To"
              type="time"
              value={quiet_hours.end}
              onChange={(event) => put({ end: event.target.value })}
            />
            <SelectField
              label="Passes from"
              options={LOUDEST_FIRST}
              hint="What is at least so severe rings."
              value={quiet_below}
              onChange={(event) => form.set("quiet_below", event.target.value as Severity)}
            />
          </div>
          <DaysField
            legend="On"
            hint="None: every day. Past midnight the day on which they begin counts."
            days={quiet_hours.days}
            onChange={(days) => put({ days })}
          />
        </>
      )}
    </fieldset>
  );
}

function Digests({ form }: { form: Form }) {
  const { digest } = form.values;
  const put = (next: Partial<PreferenceDraft["digest"]>) => form.set("digest", { ...digest, ...next });
  const isOn = digest.frequency !== "off";
  return (
    <fieldset className="card">
      <legend>Digest</legend>
      <div className="fields">
        <SelectField
          label="Sent together"
          options={[
            ["off", "never: each at once"],
            ["hourly", "every hour"],
            ["daily", "once a day"],
          ]}
          value={digest.frequency}
          onChange={(event) => put({ frequency: event.target.value as PreferenceDraft["digest"]["frequency"] })}
        />
        {digest.frequency === "daily" && (
          <SelectField
            label="At"
            options={HOURS}
            value={String(digest.hour)}
            onChange={(event) => put({ hour: Number(event.target.value) })}
          />
        )}
        {isOn && (
          <SelectField
            label="What is at most"
            options={SEVERITIES}
            hint="What is more severe is told at once."
            value={digest.up_to}
            onChange={(event) => put({ up_to: event.target.value as Severity })}
          />
        )}
      </div>
    </fieldset>
  );
}

function Report({ form }: { form: Form }) {
  const { hasReport, weekly_report } = form.values;
  const put = (next: Partial<PreferenceDraft["weekly_report"]>) =>
    form.set("weekly_report", { ...weekly_report, ...next });
  return (
    <fieldset className="card">
      <legend>Weekly report</legend>
      <CheckField
        label="Mail me about the week before"
        hint="How many alerts, beside the week before that; the loudest rules, open incidents, what is expected next."
        checked={hasReport}
        onChange={(event) => form.set("hasReport", event.target.checked)}
      />
      {hasReport && (
        <div className="fields">
          <SelectField
            label="On"
            options={REPORT_DAYS}
            value={weekly_report.day}
            onChange={(event) => put({ day: event.target.value })}
          />
          <SelectField
            label="At"
            options={HOURS}
            value={String(weekly_report.hour)}
            onChange={(event) => put({ hour: Number(event.target.value) })}
          />
        </div>
      )}
    </fieldset>
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
