/** What may be done about rules, each with what a replay promises of it; done or put away at a click. */
import { useState } from "react";

import { get, type Page, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { number } from "../../times.ts";
import { useMay } from "../../session.ts";
import { Answered, Button, Link, Moment, sayDone, sayFailed, Tag } from "../../ui/index.ts";
import { useAgainOnSight } from "../../watched.ts";
import { ApplyDialog } from "./apply.tsx";
import { AtOnce } from "./atonce.tsx";
import { Evidence } from "./evidence.tsx";
import { MEASURES, promiseOf, type Recommendation } from "./insights.ts";

const LISTED_MAX = 100;

export function Recommendations() {
  const asked = useAsked("recommendations", (signal) =>
    get<Page<Recommendation>>("/api/v1/recommendations", { limit: LISTED_MAX }, signal),
  );
  useAgainOnSight(asked.again);
  return (
    <section className="stack" aria-label="Recommendations">
      <h2>What may be done</h2>
      <Answered asked={asked} what="Recommendations">
        {({ items, next_cursor }) => (
          <>
            <RecommendationList items={items} again={asked.again} />
            {next_cursor !== null && <p className="hint">Only the newest {LISTED_MAX} are shown.</p>}
          </>
        )}
      </Answered>
    </section>
  );
}

export function RecommendationList({ items, again }: { items: readonly Recommendation[]; again: () => void }) {
  // Those are gone at once that somebody has decided about here.
  const [decided, setDecided] = useState<ReadonlySet<string>>(new Set());
  const shown = items.filter(({ id }) => !decided.has(id));
  const put = (id: string, isDecided: boolean) =>
    setDecided((before) => {
      const next = new Set(before);
      if (isDecided) next.add(id);
      else next.delete(id);
      return next;
    });
  if (shown.length === 0) {
    return (
      <p>
        Nothing is recommended. The engine tries changes of rules on what was measured and what rang in the last weeks;
        it recommends what would have kept people from being told in vain.
      </p>
    );
  }
  return (
    <>
      <ul className="stack">
        {shown.map((each) => (
          <Card key={each.id} one={each} put={put} again={again} />
        ))}
      </ul>
      {shown.some(({ is_outdated }) => is_outdated) && (
        <>
          <p>
            What is out of date is looked at again each night at 4:00 UTC: it comes back with new figures, or is gone.
          </p>
          <AtOnce schedule="insight-generation" />
        </>
      )}
    </>
  );
}

interface CardProps {
  one: Recommendation;
  put: (id: string, isDecided: boolean) => void;
  again: () => void;
}

function Card({ one, put, again }: CardProps) {
  const { title, reason, measure, framework_id, rule_id, promise, cannot, is_outdated } = one;
  return (
    <li className="card recommendation">
      <p className="row">
        <Tag>{MEASURES[measure]}</Tag>
        {is_outdated && <Tag kind="notable">out of date</Tag>}
        <span className="hint">
          {framework_id}, <Link to={`/rules/${segment(rule_id)}`}>{rule_id}</Link>, found{" "}
          <Moment at={one.found_at} how="ago" />
        </span>
      </p>
      <h3>{title}</h3>
      <p>{reason}</p>
      <p>
        <strong>It {promiseOf(one)}</strong> since <Moment at={promise.since} />, and fired{" "}
        {number(promise.after.fired)} times instead of {number(promise.before.fired)}: replayed with{" "}
        {promise.basis === "readings" ? "the readings that are kept" : "the alerts that there were"}.
      </p>
      {promise.note && <p className="hint">{promise.note}</p>}
      {cannot && (
        <p className="hint">{is_outdated ? `Out of date: ${cannot}` : `It is not done at a click: ${cannot}`}</p>
      )}
      <Evidence ids={one.evidence} />
      <Deeds one={one} put={put} again={again} />
    </li>
  );
}

function Deeds({ one, put, again }: CardProps) {
  const mayEdit = useMay("edit");
  const mayRespond = useMay("respond");
  const [isOpen, setOpen] = useState(false);

  /** Gone at once; back, with the reason, if the engine refuses. */
  async function dismiss(): Promise<void> {
    put(one.id, true);
    try {
      await post(`/api/v1/recommendations/${segment(one.id)}/dismiss`);
      sayDone("Put away: it is not told again as long as its rule is as it is");
    } catch (fault) {
      put(one.id, false);
      sayFailed("It could not be put away", fault);
    }
  }

  function finish(): void {
    put(one.id, true);
    setOpen(false);
    again();
  }

  return (
    <div className="actions">
      {mayRespond && (
        <Button aria-label={`Dismiss: ${one.title}`} onClick={() => void dismiss()}>
          Dismiss
        </Button>
      )}
      {mayEdit && !one.cannot && (
        <Button weight="primary" aria-label={`Apply: ${one.title}`} onClick={() => setOpen(true)}>
          Apply …
        </Button>
      )}
      {isOpen && <ApplyDialog one={one} onClose={() => setOpen(false)} onDone={finish} onRefused={again} />}
    </div>
  );
}
