/** One rule beside the list: what it does, what it sees now, what it would do, and what became of it. */
import { useEffect, useState } from "react";

import { useKeys } from "../../keys.ts";
import { go, place, setQuery } from "../../place.ts";
import { useMay } from "../../session.ts";
import { Answered, Button, Drawer, Moment, sayFailed, SeverityBadge, Tag } from "../../ui/index.ts";
import { changeMany, deleteRule } from "./actions.ts";
import { useRule } from "./asking.ts";
import { DeleteDialog } from "./bulk.tsx";
import { History } from "./history.tsx";
import type { Rule } from "./model.ts";
import { Preview } from "./preview.tsx";
import { Series } from "./series.tsx";
import { SwitchButton } from "./switch.tsx";
import { Trial } from "./trial.tsx";
import { sentenceOf } from "./words.ts";

export function Details({ id }: { id: string }) {
  const asked = useRule(id);
  useKeys("Rule", [{ keys: "Escape", says: "Close the rule", does: () => closeDetails(id) }]);
  // Whoever opens it by keyboard goes on inside; closing leads back.
  useEffect(() => document.querySelector<HTMLElement>(".rules .drawer-body")?.focus({ preventScroll: true }), [id]);
  return (
    <Drawer title={id} label={`Rule ${id}`} onClose={() => closeDetails(id)}>
      <Answered asked={asked} what="This rule">
        {(rule) => <Shown rule={rule} />}
      </Answered>
    </Drawer>
  );
}

/** The focus goes back to where it was opened. */
function closeDetails(id: string): void {
  // Its own address, or the list's with it open.
  if (place.get().path === "/rules") setQuery({ rule: null });
  else go("/rules");
  document.querySelector<HTMLElement>(`.rules a[data-rule="${CSS.escape(id)}"]`)?.focus();
}

function Shown({ rule }: { rule: Rule }) {
  const mayEdit = useMay("edit");
  return (
    <>
      <div className="row">
        <SeverityBadge severity={rule.severity} />
        <Tag>{rule.kind}</Tag>
        {rule.archived_at && <Tag kind="notable">put away</Tag>}
        {!rule.enabled && <Tag>off</Tag>}
      </div>
      {rule.title && <p>{rule.title}</p>}
      <p>{sentenceOf(rule)}</p>
      <p className="hint">
        Framework {rule.framework}
        {rule.updated_at && (
          <>
            , changed by {rule.updated_by} <Moment at={rule.updated_at} how="ago" />
          </>
        )}
      </p>
      {mayEdit && <Actions rule={rule} />}
      <Series rule={rule} />
      {mayEdit && (
        <>
          <Trial rule={rule} />
          <Past rule={rule} />
        </>
      )}
      {rule.origin !== "config" && <History rule={rule} mayEdit={mayEdit} />}
    </>
  );
}

/** A backtest is a process of the engine's: run when somebody wants to see it. */
function Past({ rule }: { rule: Rule }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <section className="stack" aria-label="What it would have told">
      <h3>What it would have told</h3>
      {isOpen ? (
        <Preview rule={rule} />
      ) : (
        <div>
          <Button icon="play" onClick={() => setOpen(true)}>
            Run it over the last day
          </Button>
        </div>
      )}
    </section>
  );
}

function Actions({ rule }: { rule: Rule }) {
  const [isAsking, setAsking] = useState(false);
  const isOurs = rule.origin !== "config";
  const copy = () => setQuery({ copy: rule.id, rule: null }, "push");
  const edit = () => setQuery({ edit: rule.id, rule: null }, "push");
  const remove = () => deleteRule(rule).catch((fault: unknown) => sayFailed(`${rule.id} could not be deleted`, fault));
  return (
    <>
      {!isOurs && (
        <p className="hint">
          It is of the engine&apos;s configuration (tocsin.toml), or its own: change it there, or copy it.
        </p>
      )}
      <div className="row">
        {isOurs && (
          <Button icon="edit" weight="primary" onClick={edit}>
            Edit
          </Button>
        )}
        <Button onClick={copy}>Copy</Button>
        {isOurs && <SwitchButton rule={rule} isNamed />}
        {isOurs && (
          <Button onClick={() => void changeMany(rule.archived_at ? "restore" : "archive", [rule.id])}>
            {rule.archived_at ? "Take back" : "Put away"}
          </Button>
        )}
        {isOurs && (
          <Button icon="trash" weight="danger" onClick={() => setAsking(true)}>
            Delete
          </Button>
        )}
      </div>
      {isAsking && <DeleteDialog what={`the rule ${rule.id}`} onClose={() => setAsking(false)} onDelete={remove} />}
    </>
  );
}
