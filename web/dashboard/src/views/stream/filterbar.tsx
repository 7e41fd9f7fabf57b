/** What is shown: severities, state, framework, words, mine. Everything is in the address. */
import { type Ref, useId, useMemo } from "react";

import { type Alert, SEVERITIES, type Severity } from "../../alerts.ts";
import { useSurvey } from "../../live.ts";
import { setQuery } from "../../place.ts";
import { Button, Icon } from "../../ui/index.ts";
import { areAny, countsOf, type Filters, frameworksOf, STATE_CHOICES } from "./filters.ts";

interface FilterBarProps {
  filters: Filters;
  searchField: Ref<HTMLInputElement>;
}

export function FilterBar({ filters, searchField }: FilterBarProps) {
  // Not the alerts that are drawn just now: counting ten thousand at each drawing is what drawing costs.
  const alerts = useSurvey();
  return (
    <div className="filters" role="search" aria-label="Filters">
      <Severities chosen={filters.severities} alerts={alerts} />
      <Choice label="State" name="state" value={filters.state} options={STATE_CHOICES} standard="open" />
      <Framework filters={filters} alerts={alerts} />
      <button
        type="button"
        className="button plain"
        aria-pressed={filters.isMine}
        onClick={() => setQuery({ mine: filters.isMine ? null : "1" })}
      >
        <Icon name="user" /> Mine
      </button>
      <label className="search">
        <Icon name="search" />
        <span className="for-readers">Search titles, messages and labels</span>
        <input
          ref={searchField}
          type="search"
          placeholder="Search ( / )"
          value={filters.text}
          onChange={(event) => setQuery({ q: event.target.value })}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        />
      </label>
      {areAny(filters) && (
        <Button
          icon="close"
          onClick={() => setQuery({ severity: null, state: null, framework: null, q: null, mine: null })}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

function Severities({ chosen, alerts }: { chosen: readonly Severity[]; alerts: readonly Alert[] }) {
  const counts = useMemo(() => countsOf(alerts), [alerts]);
  function toggle(severity: Severity): void {
    const next = chosen.includes(severity) ? chosen.filter((each) => each !== severity) : [...chosen, severity];
    setQuery({ severity: next });
  }
  return (
    <div className="severities" role="group" aria-label="Severities">
      {[...SEVERITIES].reverse().map((severity) => (
        <button
          key={severity}
          type="button"
          className={`button plain severity-filter ${severity}`}
          aria-pressed={chosen.includes(severity)}
          aria-label={`${severity}: ${counts[severity]} open`}
          title={severity}
          onClick={() => toggle(severity)}
        >
          <Icon name={severity} /> {counts[severity]}
        </button>
      ))}
    </div>
  );
}

function Framework({ filters, alerts }: { filters: Filters; alerts: readonly Alert[] }) {
  const known = useMemo(() => frameworksOf(alerts), [alerts]);
  // One that was asked for stays to be seen, though nothing of it rings.
  const options = filters.framework && !known.includes(filters.framework) ? [filters.framework, ...known] : known;
  return (
    <Choice
      label="Framework"
      name="framework"
      value={filters.framework}
      options={["", ...options]}
      standard=""
      none="all"
    />
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  value: string;
  options: readonly string[];
  standard: string;
  none?: string;
}

function Choice({ label, name, value, options, standard, none = "" }: ChoiceProps) {
  const id = useId();
  return (
    <span className="choice-of-one">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={(event) => setQuery({ [name]: event.target.value === standard ? null : event.target.value })}
      >
        {options.map((option) => (
          <option key={option} value={option}>
            {option || none}
          </option>
        ))}
      </select>
    </span>
  );
}
