/** Why did I not get it? The ledger of one alert: who was told, who was not, each line in a sentence. */
import { useEffect } from "react";

import type { Alert } from "../../alerts.ts";
import { all, get, type Page, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { onAlert } from "../../live.ts";
import { setQuery, usePlace } from "../../place.ts";
import { Answered, Button, Empty, Link, Moment, SelectField, Table, Tag, TextField } from "../../ui/index.ts";
import { CHANNEL_SAYS, type Delivery, DELIVERY_STATES, found } from "./people.ts";

const ALERTS_OFFERED = 100;
const LINES_MAX = 1_000;
const NOBODY: readonly Alert[] = [];

export function Deliveries() {
  const { query } = usePlace();
  const recent = useAsked("recent alerts", (signal) =>
    get<Page<Alert>>("/api/v1/alerts", { limit: ALERTS_OFFERED }, signal),
  );
  const alertId = query.get("alert") ?? recent.value?.items[0]?.id ?? null;
  return (
    <>
      <Which alerts={recent.value?.items ?? NOBODY} alertId={alertId} />
      {alertId ? (
        <Ledger key={alertId} alertId={alertId} />
      ) : (
        <Answered asked={recent} what="Alerts">
          {() => <Empty title="No alert rang yet">When one has, this says who was told of it, and who was not.</Empty>}
        </Answered>
      )}
    </>
  );
}

function Which({ alerts, alertId }: { alerts: readonly Alert[]; alertId: string | null }) {
  const { query } = usePlace();
  const isOther = alertId !== null && !alerts.some((alert) => alert.id === alertId);
  const offered = alerts.map((alert) => [alert.id, `${alert.title} (${alert.framework_id}, ${alert.state})`] as const);
  const put = (name: string) => (event: { target: { value: string } }) => setQuery({ [name]: event.target.value });
  return (
    <div className="fields">
      <SelectField
        label="Alert"
        options={isOther ? [[alertId, `alert ${alertId}`] as const, ...offered] : offered}
        value={alertId ?? ""}
        onChange={put("alert")}
      />
      <SelectField
        label="State"
        options={[["", "any"] as const, ...DELIVERY_STATES]}
        value={query.get("state") ?? ""}
        onChange={put("state")}
      />
      <SelectField
        label="By"
        options={[["", "any channel"] as const, ...Object.entries(CHANNEL_SAYS)]}
        value={query.get("channel") ?? ""}
        onChange={put("channel")}
      />
      <TextField
        label="Recipient"
        type="search"
        placeholder="user:ann, endpoint:pager"
        value={query.get("to") ?? ""}
        onChange={put("to")}
      />
    </div>
  );
}

interface Lines {
  items: Delivery[];
  explanation: string | null;
  isCut: boolean;
}

async function linesOf(alertId: string, signal: AbortSignal): Promise<Lines> {
  const path = `/api/v1/alerts/${segment(alertId)}/deliveries`;
  const { items, isCut } = await all<Delivery>(path, { limit: 500 }, LINES_MAX, signal);
  if (items.length > 0) return { items, isCut, explanation: null };
  return { items, isCut, explanation: (await get<{ explanation: string | null }>(path, {}, signal)).explanation };
}

function Ledger({ alertId }: { alertId: string }) {
  const { query } = usePlace();
  const asked = useAsked(`deliveries ${alertId}`, (signal) => linesOf(alertId, signal));
  const { again } = asked;
  useEffect(
    () => onAlert(({ data, alertIds }) => (data?.id === alertId || alertIds?.includes(alertId)) && again()),
    [alertId, again],
  );
  const wanted = {
    state: query.get("state") ?? "",
    channel: query.get("channel") ?? "",
    recipient: query.get("to") ?? "",
  };
  return (
    <Answered asked={asked} what="Deliveries">
      {({ items, explanation, isCut }) => (
        <section className="stack" aria-label="Deliveries of this alert">
          <div className="row">
            <Link to={`/alerts/${alertId}`}>Open the alert</Link>
            <Button onClick={again}>Look again</Button>
            {isCut && <span className="hint">Only the first {items.length} lines are shown.</span>}
          </div>
          {items.length === 0 ? (
            <Empty title="Nobody was told">
              <p>{explanation}</p>
            </Empty>
          ) : (
            <LineTable lines={found(items, wanted)} />
          )}
        </section>
      )}
    </Answered>
  );
}

function LineTable({ lines }: { lines: readonly Delivery[] }) {
  if (lines.length === 0) return <Empty title="No line is so">Choose others above.</Empty>;
  return (
    <Table
      caption="Deliveries, oldest first"
      rows={lines}
      keyOf={(line) => line.key}
      columns={[
        { title: "State", cell: (line) => <StateTag state={line.state} /> },
        { title: "Recipient", cell: (line) => line.recipient },
        { title: "By", cell: (line) => (line.why === "unknown" ? "–" : (CHANNEL_SAYS[line.channel] ?? line.channel)) },
        { title: "Of", cell: (line) => line.change },
        { title: "Why", isLong: true, cell: (line) => line.explanation },
        { title: "Tries", isFigure: true, cell: (line) => line.attempts },
        { title: "When", isLong: true, cell: (line) => <Moment at={line.updated_at} /> },
      ]}
    />
  );
}

function StateTag({ state }: Pick<Delivery, "state">) {
  const kind = state === "failed" ? "bad" : state === "suppressed" || state === "queued" ? "neutral" : "good";
  return <Tag kind={kind}>{state}</Tag>;
}
