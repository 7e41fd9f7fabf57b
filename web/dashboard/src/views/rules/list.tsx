/** The list of rules: found by filters, told apart by what rings now, changed one by one or many at once. */
import { useEffect, useMemo, useRef, useState } from "react";

import { isOpen } from "../../alerts.ts";
import { useKeys } from "../../keys.ts";
import { useAlerts } from "../../live.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useClaims, useMay } from "../../session.ts";
import { Answered, Button, type Column, Empty, Link, SeverityBadge, Table, Tag } from "../../ui/index.ts";
import { type Filters, useRules } from "./asking.ts";
import { BulkBar } from "./bulk.tsx";
import { FilterRow, filtersOf, isFiltered } from "./filters.tsx";
import type { Rule } from "./model.ts";
import { SwitchButton } from "./switch.tsx";
import { Transfer } from "./transfer.tsx";
import { sentenceOf } from "./words.ts";

const STEP = 200;
/** Test alerts (engine/trying/trials.py) say nothing about what a rule sees. */
const TESTS = "test:";

export function List({ open }: { open: string | null }) {
  const { query } = usePlace();
  const filters = filtersOf(query);
  const [max, setMax] = useState(STEP);
  const asked = useRules(filters, max);
  const mayEdit = useMay("edit");
  return (
    <div className="view">
      <header>
        <h1>Rules</h1>
        <div className="row">
          <Transfer />
          {mayEdit && (
            <Button icon="plus" weight="primary" onClick={startNew}>
              New rule
            </Button>
          )}
        </div>
      </header>
      {!mayEdit && <RoleHint />}
      <FilterRow filters={filters} />
      <Answered asked={asked} what="Rules">
        {({ items, isCut }) =>
          items.length === 0 ? (
            <Nothing filters={filters} mayEdit={mayEdit} />
          ) : (
            <Listed rules={items} open={open} mayEdit={mayEdit} more={isCut ? () => setMax(max + STEP) : null} />
          )
        }
      </Answered>
    </div>
  );
}

function startNew(): void {
  setQuery({ new: "any", rule: null }, "push");
}

function RoleHint() {
  const { role } = useClaims();
  return <p className="hint">As {role} you may look at rules; an editor or administrator makes and changes them.</p>;
}

function Nothing({ filters, mayEdit }: { filters: Filters; mayEdit: boolean }) {
  if (isFiltered(filters)) {
    const clear = () => setQuery({ q: null, kind: null, framework: null, enabled: null, archived: null });
    return (
      <Empty title="No rule is like that">
        <Button onClick={clear}>Show all rules</Button>
      </Empty>
    );
  }
  return (
    <Empty title="There are no rules yet">
      <p>A rule watches one metric and rings when something holds.</p>
      {mayEdit && (
        <Button weight="primary" icon="plus" onClick={startNew}>
          Make the first one
        </Button>
      )}
    </Empty>
  );
}

interface ListedProps {
  rules: readonly Rule[];
  open: string | null;
  mayEdit: boolean;
  more: (() => void) | null;
}

function Listed({ rules, open, mayEdit, more }: ListedProps) {
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const frame = useRef<HTMLDivElement>(null);
  const ringing = useRinging();
  useListKeys(frame, mayEdit);
  // What is not shown any more is not chosen either: nobody changes what he does not see.
  useEffect(() => {
    const shown = new Set(rules.map(({ id }) => id));
    choose((before) =>
      [...before].every((id) => shown.has(id)) ? before : new Set([...before].filter((id) => shown.has(id))),
    );
  }, [rules]);
  const choosers = rules.some(({ origin }) => origin !== "config") ? [chooser(chosen, choose)] : [];
  const columns = mayEdit ? [...choosers, ...columnsOf(ringing), switcher] : columnsOf(ringing);
  return (
    <div className="stack" ref={frame}>
      {mayEdit && <BulkBar chosen={chosen} rules={rules} choose={choose} />}
      <Table caption="Rules, by id" rows={rules} keyOf={({ id }) => id} current={open} columns={columns} />
      {more && (
        <div className="row">
          <p className="hint">The first {rules.length} are shown.</p>
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </div>
  );
}

/** How many open alerts each rule has, as events tell. */
function useRinging(): ReadonlyMap<string, number> {
  const alerts = useAlerts();
  return useMemo(() => {
    const counts = new Map<string, number>();
    for (const alert of alerts) {
      const id = alert.rule_id;
      if (id && isOpen(alert) && !alert.dedup_key?.startsWith(TESTS)) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }, [alerts]);
}

function columnsOf(ringing: ReadonlyMap<string, number>): Column<Rule>[] {
  return [
    { title: "Rule", isLong: true, cell: (rule) => <Name rule={rule} /> },
    { title: "Now", cell: (rule) => <Now rule={rule} count={ringing.get(rule.id) ?? 0} /> },
    { title: "Kind", cell: (rule) => rule.kind },
    { title: "Severity", cell: (rule) => <SeverityBadge severity={rule.severity} /> },
    { title: "Framework", cell: (rule) => rule.framework },
  ];
}

function Name({ rule }: { rule: Rule }) {
  const query = new URLSearchParams(location.search);
  query.set("rule", rule.id);
  return (
    <div className="name">
      <Link to="/rules" query={query} className="open" data-rule={rule.id}>
        {rule.id}
      </Link>
      <p className="hint">{sentenceOf(rule)}</p>
    </div>
  );
}

function Now({ rule, count }: { rule: Rule; count: number }) {
  if (count > 0) return <Tag kind="bad">rings{count > 1 ? ` × ${count}` : ""}</Tag>;
  if (rule.archived_at) return <Tag>put away</Tag>;
  return rule.enabled ? <Tag kind="good">watches</Tag> : <Tag>off</Tag>;
}

function chooser(chosen: ReadonlySet<string>, choose: (next: ReadonlySet<string>) => void): Column<Rule> {
  const turn = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  return {
    title: "Choose",
    isTitleHidden: true,
    cell: ({ id, origin }) =>
      origin !== "config" && (
        <input type="checkbox" aria-label={`Choose ${id}`} checked={chosen.has(id)} onChange={() => turn(id)} />
      ),
  };
}

const switcher: Column<Rule> = { title: "In force", cell: (rule) => <SwitchButton key={rule.id} rule={rule} /> };

function useListKeys(frame: React.RefObject<HTMLDivElement | null>, mayEdit: boolean): void {
  const links = () => [...(frame.current?.querySelectorAll<HTMLElement>("a.open") ?? [])];
  const at = () => links().findIndex((link) => link.closest("tr")?.contains(document.activeElement));
  const step = (by: number) =>
    links()
      .at(Math.min(Math.max(at() + by, 0), links().length - 1))
      ?.focus();
  const row = () => links()[at()];
  const edit = () => row() && setQuery({ edit: row()!.dataset["rule"]!, rule: null }, "push");
  useKeys("Rules", [
    { keys: "j", says: "Next rule", does: () => step(1) },
    { keys: "k", says: "Rule before", does: () => step(-1) },
    {
      keys: "/",
      says: "Search rules",
      does: () => document.querySelector<HTMLElement>(".rules [type=search]")?.focus(),
    },
    ...(mayEdit
      ? [
          { keys: "n", says: "New rule", does: startNew },
          { keys: "e", says: "Edit the rule", does: () => void edit() },
          { keys: "x", says: "Choose the rule", does: () => row()?.closest("tr")?.querySelector("input")?.click() },
        ]
      : []),
  ]);
}
