/** Which alerts are counted, how far back, and by what. Everything is in the address. */
import { SEVERITIES } from "../../alerts.ts";
import { setQuery } from "../../place.ts";
import { Choices, SelectField, TextField } from "../../ui/index.ts";
import { type CountFilters, SPANS, widthsOf } from "./counts.ts";

export function CountForm({ filters }: { filters: CountFilters }) {
  const { span, by, framework, rule, severities } = filters;
  return (
    <div className="filter-fields" role="search" aria-label="Filters">
      <SelectField
        label="Time"
        value={span}
        options={Object.entries(SPANS).map(([word, { title }]) => [word, title] as const)}
        onChange={(event) => setQuery({ span: event.target.value, by: null })}
      />
      <SelectField
        label="By"
        value={by}
        options={widthsOf(span)}
        onChange={(event) => setQuery({ by: event.target.value })}
      />
      <TextField
        label="Framework"
        value={framework}
        onChange={(event) => setQuery({ framework: event.target.value })}
      />
      <TextField label="Rule" value={rule} onChange={(event) => setQuery({ rule: event.target.value })} />
      <Choices legend="Severity" name="severity" all={[...SEVERITIES].reverse()} chosen={severities} />
    </div>
  );
}
