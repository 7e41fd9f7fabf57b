/** Muted hours: rules that ring at some hours only. They are a rule's own, and changed there. */
import { all } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { Answered, Empty, Link, Table } from "../../ui/index.ts";
import { type Weekly, weeklyText } from "./quiet.ts";

interface RuleWithHours {
  id: string;
  title: string;
  framework: string;
  enabled: boolean;
  schedule: Weekly | null;
}

const RULES_MAX = 10_000;

export function MutedHours() {
  const asked = useAsked("rules with hours", async (signal) => {
    const { items } = await all<RuleWithHours>("/api/v1/rules", { limit: 500 }, RULES_MAX, signal);
    return items.filter((rule): rule is RuleWithHours & { schedule: Weekly } => rule.schedule !== null);
  });
  return (
    <>
      <p className="hint">
        Outside of a rule&apos;s active hours its alerts are stored and shown, and ring when the hours begin, if they
        are still open. When you yourself are not to be disturbed is in your{" "}
        <Link to="/people/preferences">preferences</Link>.
      </p>
      <Answered asked={asked} what="Rules">
        {(rules) => (rules.length === 0 ? <Nothing /> : <List rules={rules} />)}
      </Answered>
    </>
  );
}

function Nothing() {
  return (
    <Empty title="Every rule rings at all hours">
      <p>
        Give one active hours in <Link to="/rules">Rules</Link>, as its schedule.
      </p>
    </Empty>
  );
}

function List({ rules }: { rules: readonly (RuleWithHours & { schedule: Weekly })[] }) {
  return (
    <Table
      caption="Rules with active hours"
      rows={rules}
      keyOf={(rule) => rule.id}
      columns={[
        {
          title: "Rule",
          cell: (rule) => <Link to={`/rules/${encodeURIComponent(rule.id)}`}>{rule.title || rule.id}</Link>,
        },
        { title: "Framework", cell: (rule) => rule.framework },
        { title: "Rings", cell: (rule) => (rule.enabled ? weeklyText(rule.schedule) : "never: it is switched off") },
      ]}
    />
  );
}
