/** What is shown: a time span, severities, states, framework, rule, words. Everything is in the address. */
import type { Ref } from "react";

import { ALERT_STATES, SEVERITIES } from "../../alerts.ts";
import { setQuery } from "../../place.ts";
import { Button, Choices, SelectField, TextField } from "../../ui/index.ts";
import { areNarrow, BETWEEN, type Filters, SPANS } from "./filters.ts";

interface FilterFormProps {
  filters: Filters;
  fault: string | null;
  searchField: Ref<HTMLInputElement>;
}

export function FilterForm({ filters, fault, searchField }: FilterFormProps) {
  return (
    <div className="filter-fields" role="search" aria-label="Filters">
      <Times filters={filters} fault={fault} />
      <TextField
        label="Framework"
        value={filters.framework}
        onChange={(event) => setQuery({ framework: event.target.value })}
      />
      <TextField label="Rule" value={filters.rule} onChange={(event) => setQuery({ rule: event.target.value })} />
      <TextField
        label="Words"
        type="search"
        ref={searchField}
        placeholder="in titles, messages, labels, notes ( / )"
        value={filters.text}
        onChange={(event) => setQuery({ q: event.target.value })}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      <Choices legend="Severity" name="severity" all={[...SEVERITIES].reverse()} chosen={filters.severities} />
      <Choices legend="State" name="state" all={ALERT_STATES} chosen={filters.states} />
      {areNarrow(filters) && (
        <Button
          icon="close"
          onClick={() => setQuery({ severity: null, state: null, framework: null, rule: null, q: null })}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

function Times({ filters: { span, from, to }, fault }: { filters: Filters; fault: string | null }) {
  const options = Object.entries(SPANS).map(([word, { title }]) => [word, title] as const);
  return (
    <>
      <SelectField
        label="Time"
        value={span}
        options={[...options, [BETWEEN, "Between …"]]}
        onChange={(event) => setQuery({ span: event.target.value, from: null, to: null })}
      />
      {span === BETWEEN && (
        <>
          <TextField
            label="From"
            type="datetime-local"
            value={from}
            error={fault}
            onChange={(event) => setQuery({ from: event.target.value })}
          />
          <TextField
            label="To"
            type="datetime-local"
            hint="Empty: now"
            value={to}
            onChange={(event) => setQuery({ to: event.target.value })}
          />
        </>
      )}
    </>
  );
}
