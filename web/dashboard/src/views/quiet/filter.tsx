/** What is shown of a list of this view: by state and by words. Both are in the address. */
import type { ReactNode } from "react";

import { setQuery, usePlace } from "../../place.ts";
import { SelectField, TextField } from "../../ui/index.ts";
import { passingWords } from "../../words.ts";

/** The words of the engine, as in the column. */
const STATES = [["", "active and pending"], "active", "pending", "expired", "all"] as const;

export function Filter({ children }: { children?: ReactNode }) {
  const { query } = usePlace();
  return (
    <div className="quiet-filter">
      <SelectField
        label="Shown"
        options={STATES}
        value={query.get("state") ?? ""}
        onChange={(event) => setQuery({ state: event.target.value || null })}
      />
      <TextField
        label="Words"
        type="search"
        value={query.get("q") ?? ""}
        onChange={(event) => setQuery({ q: event.target.value || null })}
      />
      {children}
    </div>
  );
}

/** Whether each wanted word stands in one of the texts. */
export function isFound(wanted: string | null, texts: readonly string[]): boolean {
  return passingWords(wanted ?? "")(texts.join("\n").toLowerCase());
}
