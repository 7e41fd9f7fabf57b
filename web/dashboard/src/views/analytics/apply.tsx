/** What a recommendation changes, shown before it is done: the rule as it is and as it would be, or what would be made. */
import { useState } from "react";

import { get, post, reasonOf, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { go } from "../../place.ts";
import { Answered, Button, Dialog, sayDone, Table } from "../../ui/index.ts";
import { changesRule, differences, promiseOf, type Recommendation } from "./insights.ts";

interface ApplyProps {
  one: Recommendation;
  onClose: () => void;
  onDone: () => void;
  /** What is listed is not what the engine has. */
  onRefused: () => void;
}

export function ApplyDialog({ one, onClose, onDone, onRefused }: ApplyProps) {
  const [state, setState] = useState<{ isBusy: boolean; why: string | null }>({ isBusy: false, why: null });

  async function apply(): Promise<void> {
    setState({ isBusy: true, why: null });
    try {
      await post(`/api/v1/recommendations/${segment(one.id)}/apply`);
      const to = changesRule(one) ? `/rules/${segment(one.rule_id)}` : one.measure === "silence" ? "/quiet" : null;
      sayDone(`Done: ${one.title}`, to ? { says: "Look", does: () => go(to) } : undefined);
      onDone();
    } catch (fault) {
      setState({ isBusy: false, why: reasonOf(fault) });
      onRefused();
    }
  }

  return (
    <Dialog title={one.title} onClose={onClose}>
      {changesRule(one) ? <Change one={one} /> : <Made one={one} />}
      <p className="hint">In the time that it was tried on it {promiseOf(one)}.</p>
      {state.why && (
        <p className="refusal" role="alert">
          Nothing was changed: {state.why}
        </p>
      )}
      <div className="actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button weight="primary" isBusy={state.isBusy} onClick={() => void apply()}>
          Apply
        </Button>
      </div>
    </Dialog>
  );
}

function Change({ one }: { one: Recommendation }) {
  const asked = useAsked(one.rule_id, (signal) =>
    get<Record<string, unknown>>(`/api/v1/rules/${segment(one.rule_id)}`, {}, signal),
  );
  return (
    <Answered asked={asked} what="The rule">
      {(rule) => (
        <>
          <Table
            caption={`What changes in ${one.rule_id}`}
            rows={differences(one.change, rule)}
            keyOf={({ field }) => field}
            columns={[
              { title: "Field", cell: ({ field }) => <code>{field}</code> },
              { title: "Now", cell: ({ before }) => before },
              { title: "Then", cell: ({ after }) => <strong>{after}</strong> },
            ]}
          />
          {rule["version"] !== one.rule_version && (
            <p className="fault">The rule has changed since this was tried on it, so the engine will refuse it.</p>
          )}
        </>
      )}
    </Answered>
  );
}

function Made({ one }: { one: Recommendation }) {
  return (
    <>
      <p>
        {one.measure === "silence"
          ? "A silence is made, which holds for a week from now on:"
          : "An escalation is made:"}
      </p>
      <Table
        caption="What is made"
        rows={differences(one.change, null)}
        keyOf={({ field }) => field}
        columns={[
          { title: "Field", cell: ({ field }) => <code>{field}</code> },
          { title: "Value", cell: ({ after }) => after },
        ]}
      />
    </>
  );
}
