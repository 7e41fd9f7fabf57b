/** What can be set of how somebody is told: channels by severity, quiet hours, digest and weekly report. */
import { type Severity, SEVERITIES } from "../../alerts.ts";
import { CheckField, SelectField, SeverityBadge, TextField, type useFields } from "../../ui/index.ts";
import { DAYS } from "../quiet/quiet.ts";
import { DAY_SAYS, DaysField } from "../quiet/weekly.tsx";
import { CHANNEL_SAYS, PERSONAL, type Personal, type PreferenceDraft, turned } from "./people.ts";

const LOUDEST_FIRST = [...SEVERITIES].reverse();
const HOURS = Array.from({ length: 24 }, (_, hour) => [String(hour), `${String(hour).padStart(2, "0")}:00`] as const);

const REPORT_DAYS = DAYS.map((day) => [day, DAY_SAYS[day]] as const);

export type PreferenceFields = ReturnType<typeof useFields<PreferenceDraft>>;
type Channels = PreferenceDraft["channels"];

export function ChannelGrid({ channels, onChange }: { channels: Channels; onChange: (channels: Channels) => void }) {
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

export function Hours({ form }: { form: PreferenceFields }) {
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

export function Digests({ form }: { form: PreferenceFields }) {
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

export function Report({ form }: { form: PreferenceFields }) {
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
