/** The counts that are shown, as a file for spreadsheets: the engine writes it. */
import { getText } from "../../api.ts";
import { engineNow } from "../../engineclock.ts";
import { saveFile } from "../../files.ts";
import { Button, sayFailed } from "../../ui/index.ts";
import { type CountFilters, countQuery } from "./counts.ts";

export function ExportButton({ filters }: { filters: CountFilters }) {
  return (
    <Button icon="download" onClick={() => void save(filters)}>
      CSV
    </Button>
  );
}

async function save(filters: CountFilters): Promise<void> {
  try {
    const text = await getText("/api/v1/analytics/export", { ...countQuery(filters, engineNow()), group: "severity" });
    saveFile(`alerts-by-${filters.by}.csv`, text, "text/csv");
  } catch (fault) {
    sayFailed("The table could not be saved", fault);
  }
}
