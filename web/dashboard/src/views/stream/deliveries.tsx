/** "Why did I not get it?": each line of the ledger, in a sentence of the engine's. */
import { typed } from "../../command.ts";
import { ask, segment } from "../../api.ts";
import { Answered, Button, Moment, Tag } from "../../ui/index.ts";
import { useLasting } from "./story.tsx";

interface Delivery {
  key: string;
  channel: string;
  recipient: string;
  state: "queued" | "sent" | "delivered" | "failed" | "suppressed" | "acknowledged" | "read";
  updated_at: string;
  explanation: string;
}

interface Ledger {
  items: Delivery[];
  next_cursor: string | null;
  explanation: string | null;
}

const KINDS = { failed: "bad", suppressed: "neutral", queued: "notable" } as const;

interface DeliveriesProps {
  alertId: string;
  version: string;
  /** It does not ring, and that is said above with the name of what is to blame. */
  isQuiet: boolean;
}

export function Deliveries({ alertId, version, isQuiet }: DeliveriesProps) {
  const path = `/api/v1/alerts/${segment(alertId)}/deliveries`;
  const asked = useLasting(
    `deliveries ${version}`,
    alertId,
    async (signal) => (await ask<Ledger>("GET", path, { signal })).value,
  );
  return (
    <section aria-label="Notifications">
      <h3 className="row">
        Who was told <Button onClick={asked.again}>Look again</Button>
      </h3>
      <Answered asked={asked} what="The notifications">
        {({ items, explanation, next_cursor }) => (
          <>
            {explanation && <p>{isQuiet ? "Nobody was told: it does not ring." : explanation}</p>}
            <ul className="story">
              {items.map((each) => (
                <li key={each.key + each.channel + each.recipient}>
                  <Tag kind={KINDS[each.state as keyof typeof KINDS] ?? "good"}>{each.state}</Tag> {each.explanation}{" "}
                  <span className="hint">
                    <Moment at={each.updated_at} />
                  </span>
                </li>
              ))}
            </ul>
            {next_cursor && <p className="hint">There are more: {typed(`alerts deliveries ${alertId}`)}</p>}
          </>
        )}
      </Answered>
    </section>
  );
}
