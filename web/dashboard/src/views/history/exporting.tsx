/** What is filtered as a file: everything of it, not only what is on the page; bounded, and it says so when it is cut. */
import { engineNow } from "../../engineclock.ts";
import { useEffect, useRef, useState } from "react";

import type { Alert } from "../../alerts.ts";
import { get, type Page } from "../../api.ts";
import { saveFile } from "../../files.ts";
import { several } from "../../times.ts";
import { Button, sayDone, sayFailed } from "../../ui/index.ts";
import { csvOf, jsonOf, nameOf } from "./files.ts";
import { type Filters, passingText, queryFor, type TimeSpan } from "./filters.ts";
import { gather, type Gathered, PAGE } from "./gather.ts";

// About 50 MB as JSON: what a browser holds in one piece without trouble. More is for the API.
const EXPORTED_MAX = 50_000;
const LOOKED_AT_MOST = 250_000;

type Form = "csv" | "json";

interface ExportProps {
  filters: Filters;
  span: TimeSpan;
  found: Gathered;
}

export function ExportButtons({ filters, span, found }: ExportProps) {
  const [making, setMaking] = useState<{ form: Form; looked: number } | null>(null);
  const aborter = useRef<AbortController>(null);
  useEffect(() => () => aborter.current?.abort(), []);

  async function make(form: Form): Promise<void> {
    const { signal } = (aborter.current = new AbortController());
    setMaking({ form, looked: found.looked });
    const question = { ...queryFor(filters, span), limit: PAGE };
    let looked = found.looked;
    async function ask(cursor: string | null): Promise<Page<Alert>> {
      const page = await get<Page<Alert>>("/api/v1/alerts", { ...question, cursor }, signal);
      setMaking({ form, looked: (looked += page.items.length) });
      return page;
    }
    try {
      const isAll = found.cursor === null;
      const left = EXPORTED_MAX - found.alerts.length;
      const all = isAll ? found : await gather(ask, passingText(filters.text), found, left, LOOKED_AT_MOST);
      saveFile(
        nameOf(new Date(engineNow()), form),
        form === "csv" ? csvOf(all.alerts) : jsonOf(all.alerts),
        TYPES[form],
      );
      sayDone(`${several(all.alerts.length, "alert")} saved${all.cursor === null ? "" : CUT}`);
    } catch (fault) {
      if (!signal.aborted) sayFailed("The file was not made", fault);
    }
    setMaking(null);
  }

  return (
    <p className="row">
      {making && (
        <>
          <span className="hint" role="status">
            {several(making.looked, "alert")} so far…
          </span>
          <Button onClick={() => aborter.current?.abort()}>Stop</Button>
        </>
      )}
      {(["csv", "json"] as const).map((form) => (
        <Button
          key={form}
          icon="download"
          disabled={making !== null || found.alerts.length === 0}
          isBusy={making?.form === form}
          onClick={() => void make(form)}
        >
          {form.toUpperCase()}
        </Button>
      ))}
    </p>
  );
}

const CUT = ", the newest ones. There are more: choose a shorter time, or ask GET /api/v1/alerts";
const TYPES: Readonly<Record<Form, string>> = { csv: "text/csv;charset=utf-8", json: "application/json" };
