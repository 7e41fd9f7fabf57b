/** Which open alerts would be quiet, as somebody writes the conditions; or why the engine would not take them. */
import type { Alert } from "../../alerts.ts";
import { post } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useSettled } from "../../settled.ts";
import { SeverityBadge } from "../../ui/index.ts";
import type { Matcher } from "./quiet.ts";

interface Preview {
  items: Alert[];
  matched: number;
  looked_at: number;
  is_whole: boolean;
}

const LISTED_MAX = 5;

interface PreviewProps {
  of: "silences" | "maintenance";
  matchers: readonly Matcher[];
  frameworks?: readonly string[];
}

export function QuietPreview({ of, matchers, frameworks }: PreviewProps) {
  const body = { matchers, ...(frameworks && { frameworks }) };
  const key = JSON.stringify([of, body]);
  const settled = useSettled(body, key);
  const isEmpty = of === "silences" && matchers.length === 0;
  const asked = useAsked(isEmpty ? null : JSON.stringify([of, settled]), () =>
    post<Preview>(`/api/v1/${of}/preview`, settled),
  );
  return (
    <section className="quiet-preview" aria-label="What it would keep quiet">
      <div role="status">{isEmpty ? "Conditions show here what they mean." : said(asked.value, asked.error)}</div>
      {!isEmpty && asked.value && <Listed preview={asked.value} />}
    </section>
  );
}

function said(preview: Preview | undefined, error: string | null) {
  if (error !== null) return <span className="fault">{error}</span>;
  if (!preview) return "Looking…";
  const of = preview.is_whole ? `the ${preview.looked_at} open` : `the newest ${preview.looked_at} open`;
  if (preview.looked_at === 0) return "No alert is open now; it holds for those to come.";
  if (preview.matched === 0) return `None of ${of} alerts is meant now; it holds for those to come.`;
  return (
    <>
      Keeps <strong>{preview.matched}</strong> of {of} alerts quiet:
    </>
  );
}

function Listed({ preview: { items, matched } }: { preview: Preview }) {
  return (
    <ul>
      {items.slice(0, LISTED_MAX).map((alert) => (
        <li key={alert.id} className="row">
          <SeverityBadge severity={alert.severity} />
          <span>{alert.title}</span>
          <span className="hint">{alert.framework_id}</span>
        </li>
      ))}
      {matched > LISTED_MAX && <li className="hint">and {matched - LISTED_MAX} more</li>}
    </ul>
  );
}
