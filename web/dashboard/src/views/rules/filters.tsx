/** Which rules are listed; kept in the query. */
import { useEffect, useState } from "react";

import { setQuery } from "../../place.ts";
import { SelectField, TextField } from "../../ui/index.ts";
import { type Filters, useFrameworks } from "./asking.ts";
import { KINDS } from "./model.ts";

/** Typing is over after this long; then the engine is asked. */
const TYPED_MS = 250;

export function filtersOf(query: URLSearchParams): Filters {
  return {
    q: query.get("q"),
    kind: KINDS.find((each) => each === query.get("kind")) ?? null,
    framework_id: query.get("framework"),
    enabled: query.get("enabled"),
    archived: query.get("archived"),
  };
}

export function isFiltered(filters: Filters): boolean {
  return Object.values(filters).some(Boolean);
}

export function FilterRow({ filters }: { filters: Filters }) {
  const frameworks = useFrameworks();
  const state = filters.archived ? "archived" : filters.enabled;
  const known = filters.framework_id && !frameworks.includes(filters.framework_id) ? [filters.framework_id] : [];
  return (
    <search className="filters fields">
      <SearchField q={filters.q ?? ""} />
      <SelectField
        label="Kind"
        value={filters.kind ?? ""}
        options={[["", "all kinds"], ...KINDS]}
        onChange={(event) => setQuery({ kind: event.target.value })}
      />
      <SelectField
        label="Framework"
        value={filters.framework_id ?? ""}
        options={[["", "all frameworks"], ...known, ...frameworks]}
        onChange={(event) => setQuery({ framework: event.target.value })}
      />
      <SelectField
        label="State"
        value={state ?? ""}
        options={[
          ["", "on and off"],
          ["true", "in force"],
          ["false", "switched off"],
          ["archived", "put away"],
        ]}
        onChange={(event) => setQuery(stateQuery(event.target.value))}
      />
    </search>
  );
}

function stateQuery(state: string): { enabled: string | null; archived: string | null } {
  return state === "archived" ? { enabled: null, archived: "true" } : { enabled: state, archived: null };
}

function SearchField({ q }: { q: string }) {
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => setQuery({ q: text }), TYPED_MS);
    return () => clearTimeout(timer);
  }, [text, q]);
  return (
    <TextField
      type="search"
      label="Search"
      placeholder="id, title or metric"
      maxLength={128}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
