/** What people did about an alert and when it fired; and who has received and seen it. */
import { useRef } from "react";

import { all, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Moment } from "../../ui/index.ts";

interface Line {
  at: string;
  by: string;
  verb: string;
  notes?: string | null;
  after?: Record<string, string | number | null>;
}

// The story of an alert that flaps for weeks is in the history view.
const LINES_MAX = 200;

export function Story({ alertId, version }: { alertId: string; version: string }) {
  const asked = useLasting(`story ${version}`, alertId, (signal) =>
    all<Line>(`/api/v1/alerts/${segment(alertId)}/audit`, { limit: 100 }, LINES_MAX, signal),
  );
  return (
    <section aria-label="History">
      <h3>History</h3>
      <Answered asked={asked} what="The history">
        {({ items, isCut }) => (
          <ol className="story">
            {items.map((line, index) => (
              <li key={`${line.at}${index}`}>
                <Moment at={line.at} /> <strong>{line.verb}</strong>
                {line.by && ` by ${line.by}`}
                {line.after?.["assigned_to"] && ` to ${line.after["assigned_to"]}`}
                {line.notes && <p>{line.notes}</p>}
              </li>
            ))}
            {isCut && <li className="hint">Older lines are left out here.</li>}
          </ol>
        )}
      </Answered>
    </section>
  );
}

interface Recipient {
  user: string;
  received_at: string | null;
  seen_at: string | null;
}

export function Recipients({ alertId }: { alertId: string }) {
  const asked = useAsked(alertId, (signal) =>
    all<Recipient>(`/api/v1/alerts/${segment(alertId)}/recipients`, { limit: 100 }, LINES_MAX, signal),
  );
  const items = asked.value?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section aria-label="Received by">
      <h3>Received by</h3>
      <ul className="story">
        {items.map(({ user, received_at, seen_at }) => (
          <li key={user}>
            {user}
            {received_at && (
              <>
                , received <Moment at={received_at} />
              </>
            )}
            {seen_at && (
              <>
                , seen <Moment at={seen_at} />
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Another version of the same thing: the old one is shown until the new one is there. */
export function useLasting<T>(key: string | null, subject: string, question: (signal: AbortSignal) => Promise<T>) {
  const asked = useAsked(key, question);
  const last = useLast(subject, asked.value);
  return { ...asked, value: asked.value ?? last };
}

function useLast<T>(subject: string, value: T | undefined): T | undefined {
  const kept = useRef<{ subject: string; value: T | undefined }>({ subject, value });
  if (value !== undefined || kept.current.subject !== subject) kept.current = { subject, value };
  return kept.current.value;
}
