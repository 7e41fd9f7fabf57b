/** What the engine is made of: its tree of parts with their restarts, and the processes that serve this installation. */
import { get, type Page } from "../../api.ts";
import { SYSTEM_WORKSPACE } from "../../claims.ts";
import { useClaims, useMay } from "../../session.ts";
import { number } from "../../times.ts";
import { Moment, Table, Tag } from "../../ui/index.ts";
import type { Child, Node, Supervisor, System } from "./answers.ts";
import { Current, NotYours } from "../../ui/current.tsx";
import { rootsOf, STRATEGIES } from "./tree.ts";
import { span } from "./metrics.ts";
import { useWatched } from "../../watched.ts";

export function Parts() {
  return (
    <>
      <Tree />
      <Nodes />
    </>
  );
}

function Tree() {
  const asked = useWatched("system", (signal) => get<System>("/api/v1/system", {}, signal));
  return (
    <section className="card" aria-labelledby="system-tree">
      <h2 id="system-tree">Parts of this process</h2>
      <p className="hint">In the order of their start. A part that crashes is started again, and counted.</p>
      <Current asked={asked} what="The parts">
        {({ supervision }) => (
          <ul className="tree">
            {rootsOf(supervision).map((each) => (
              <Branch key={each.name} supervisor={each} all={supervision} />
            ))}
          </ul>
        )}
      </Current>
    </section>
  );
}

function Branch({ supervisor, all }: { supervisor: Supervisor; all: readonly Supervisor[] }) {
  return (
    <li>
      <strong>{supervisor.name}</strong>{" "}
      <span className="hint">{STRATEGIES[supervisor.strategy] ?? supervisor.strategy}</span>
      <Children supervisor={supervisor} all={all} />
    </li>
  );
}

function Children({ supervisor, all }: { supervisor: Supervisor; all: readonly Supervisor[] }) {
  return (
    <ul>
      {supervisor.children.map((child) => {
        const own = all.find(({ name }) => name === child.name);
        return (
          <li key={child.name}>
            <Part child={child} /> {own && <span className="hint">{STRATEGIES[own.strategy] ?? own.strategy}</span>}
            {own && <Children supervisor={own} all={all} />}
          </li>
        );
      })}
    </ul>
  );
}

function Part({ child: { name, running, restarts } }: { child: Child }) {
  return (
    <span className="part">
      {name} <Tag kind={running ? "good" : "bad"}>{running ? "runs" : "is started again"}</Tag>
      {restarts > 0 && <Tag kind="notable">{restarts === 1 ? "1 restart" : `${number(restarts)} restarts`}</Tag>}
    </span>
  );
}

function Nodes() {
  const { workspace } = useClaims();
  const isOperator = useMay("administer") && workspace === SYSTEM_WORKSPACE;
  return (
    <section className="card" aria-labelledby="system-nodes">
      <h2 id="system-nodes">Nodes</h2>
      {isOperator ? (
        <NodeTable />
      ) : (
        <NotYours>All workspaces share the nodes: they are shown to administrators of the workspace “system”.</NotYours>
      )}
    </section>
  );
}

function NodeTable() {
  const asked = useWatched("nodes", (signal) => get<Page<Node>>("/api/v1/nodes", {}, signal));
  return (
    <Current asked={asked} what="Nodes">
      {({ items }) => (
        <Table
          caption="Processes on one store"
          rows={items}
          keyOf={({ id }) => id}
          columns={[
            {
              title: "Node",
              cell: (node) => (
                <span className="row">
                  {node.id} {node.is_this && <Tag kind="notable">served this page</Tag>}
                </span>
              ),
            },
            { title: "State", cell: (node) => <Tag kind={NODE_KINDS[node.state]}>{node.state}</Tag> },
            { title: "Heard of", cell: (node) => (node.is_this ? "now" : `${span(node.seen_s)} ago`) },
            { title: "Address", cell: (node) => node.address },
            { title: "Version", cell: (node) => node.version },
            { title: "Started", cell: (node) => <Moment at={node.started_at} how="ago" /> },
          ]}
        />
      )}
    </Current>
  );
}

const NODE_KINDS = { live: "good", draining: "notable", silent: "bad" } as const;
