/** Hours of days of the week, by the wall clock of a zone. */
import { useId } from "react";

import { TextField } from "../../ui/index.ts";
import { DAYS, type Weekly } from "./quiet.ts";
import "./weekly.css";

export const DAY_SAYS: Record<(typeof DAYS)[number], string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};

/** All zones that the browser knows; the engine says so if it does not know one. */
const ZONES: readonly string[] = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];

interface DaysFieldProps {
  legend: string;
  hint?: string;
  days: readonly string[];
  onChange: (days: string[]) => void;
}

export function DaysField({ legend, hint, days, onChange }: DaysFieldProps) {
  const has = (day: string) => days.includes(day);
  const turn = (day: string) => onChange(DAYS.filter((each) => (each === day ? !has(each) : has(each))));
  return (
    <fieldset className="choice days">
      <legend>{legend}</legend>
      <div className="row">
        {DAYS.map((day) => (
          <label key={day} title={DAY_SAYS[day]}>
            <input type="checkbox" checked={has(day)} onChange={() => turn(day)} /> {day}
          </label>
        ))}
      </div>
      {hint && <p className="hint">{hint}</p>}
    </fieldset>
  );
}

interface ZoneFieldProps {
  label?: string;
  hint?: string;
  zone: string;
  onChange: (zone: string) => void;
  error?: string | undefined;
}

export function ZoneField({ label = "Time zone", hint, zone, onChange, error }: ZoneFieldProps) {
  const id = useId();
  return (
    <div>
      <TextField
        label={label}
        list={id}
        value={zone}
        hint={hint}
        error={error}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={id}>
        {ZONES.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </div>
  );
}

interface WeeklyFieldsProps {
  weekly: Weekly;
  onChange: (weekly: Weekly) => void;
  error?: string | undefined;
}

export function WeeklyFields({ weekly, onChange, error }: WeeklyFieldsProps) {
  const put = (next: Partial<Weekly>) => onChange({ ...weekly, ...next });
  return (
    <div className="stack">
      <DaysField
        legend="On"
        hint="Past midnight the day on which it begins counts."
        days={weekly.days}
        onChange={(days) => put({ days })}
      />
      <div className="fields">
        <TextField
          label="From"
          type="time"
          value={weekly.start}
          onChange={(event) => put({ start: event.target.value })}
        />
        <TextField
          label="To"
          type="time"
          hint={weekly.end === "24:00" ? "Until midnight." : undefined}
          value={weekly.end === "24:00" ? "00:00" : weekly.end}
          onChange={(event) => put({ end: event.target.value })}
        />
        <ZoneField zone={weekly.zone} onChange={(zone) => put({ zone })} />
      </div>
      {error && (
        <p className="fault" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
