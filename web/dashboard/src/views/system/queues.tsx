/** The queues, how they stand, and below them the jobs. Pausing and redriving are for the engine's administrators. */
import { useState } from "react";

import { get, post, segment } from "../../api.ts";
import { SYSTEM_WORKSPACE } from "../../claims.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useClaims, useMay } from "../../session.ts";
import { number, several } from "../../times.ts";
import { Button, type Column, Dialog, Link, sayDone, Table, Tag, useDoing } from "../../ui/index.ts";
import type { Queue, QueueHealth } from "./answers.ts";
import { Current, NotYours } from "../../ui/current.tsx";
import { JobDrawer } from "./jobdrawer.tsx";
import { JobList } from "./joblist.tsx";
import { span } from "./metrics.ts";
import { useWatched } from "../../watched.ts";

export function Queues() {
  const isAdministrator = useMay("administer");
  const open = usePlace().query.get("job");
  const close = () => setQuery({ job: null }, "push");
  return (
    <div className={open && isAdministrator ? "with-drawer" : "stack"}>
      <QueueTable />
      {isAdministrator ? <JobList /> : <NotYours>Jobs are shown to administrators.</NotYours>}
      {open && isAdministrator && <JobDrawer key={open} id={open} onClose={close} />}
    </div>
  );
}

function QueueTable() {
  const asked = useWatched("queues", (signal) => get<QueueHealth>("/api/metrics/queue", {}, signal));
  return (
    <section className="stack" aria-labelledby="system-queues">
      <h2 id="system-queues">Queues</h2>
      <Current asked={asked} what="Queues">
        {(health) => (
          <>
            <p className="verdict">
              <Tag kind={health.healthy ? "good" : "bad"}>{health.healthy ? "Healthy" : "Not healthy"}</Tag>{" "}
              {several(health.failed_jobs, "failed job")} kept, {several(health.delayed_jobs, "job")} not yet due.
            </p>
            <Rows queues={Object.values(health.queues)} again={asked.again} />
          </>
        )}
      </Current>
    </section>
  );
}

function Rows({ queues, again }: { queues: readonly Queue[]; again: () => void }) {
  const { workspace } = useClaims();
  const isOperator = useMay("administer") && workspace === SYSTEM_WORKSPACE;
  const acts: Column<Queue> = {
    title: "What to do",
    isTitleHidden: true,
    cell: (queue) => <Acts queue={queue} again={again} />,
  };
  return (
    <>
      <Table
        caption="How the queues stand"
        rows={queues}
        keyOf={({ queue }) => queue}
        columns={[...COLUMNS, ...(isOperator ? [acts] : [])]}
      />
      {!isOperator && (
        <NotYours>All workspaces share them: they are paused and redriven by administrators of “system”.</NotYours>
      )}
    </>
  );
}

const share = (rate: number | null): string => (rate === null ? "–" : `${Number((rate * 100).toPrecision(3))} %`);
const bound = (seconds: number | null): string => (seconds === null ? "–" : `≤ ${span(seconds)}`);

const COLUMNS: readonly Column<Queue>[] = [
  {
    title: "Queue",
    cell: ({ queue, paused }) => (
      <span className="row">
        {queue} {paused && <Tag kind="bad">paused</Tag>}
      </span>
    ),
  },
  { title: "Waiting", isFigure: true, cell: ({ waiting }) => number(waiting) },
  { title: "Oldest", isFigure: true, cell: ({ oldest_s }) => (oldest_s > 0 ? span(oldest_s) : "–") },
  {
    title: "Active",
    isFigure: true,
    cell: ({ active, limit }) => (limit === null ? number(active) : `${number(active)} of ${number(limit)}`),
  },
  { title: "Delayed", isFigure: true, cell: ({ delayed }) => number(delayed) },
  { title: "Completed", isFigure: true, cell: ({ completed }) => number(completed) },
  { title: "Failed", isFigure: true, cell: ({ queue, failed }) => <Failed queue={queue} count={failed} /> },
  { title: "Succeeds", isFigure: true, cell: ({ success_rate }) => share(success_rate) },
  { title: "Waits (99 %)", isFigure: true, cell: ({ claim }) => bound(claim.p99_s) },
  { title: "Takes (99 %)", isFigure: true, cell: ({ finish }) => bound(finish.p99_s) },
  { title: "Lost leases", isFigure: true, cell: ({ lost_leases }) => number(lost_leases) },
];

function doneOnceMore(count: number, queue: string): string {
  return `${several(count, "failed job")} of ${queue} ${count === 1 ? "is" : "are"} done once more`;
}

/** To the jobs themselves, for who may see them. */
function Failed({ queue, count }: { queue: string; count: number }) {
  const isAdministrator = useMay("administer");
  if (count === 0 || !isAdministrator) return <>{number(count)}</>;
  return (
    <Link
      to="/system/queues"
      query={new URLSearchParams({ queue, state: "failed" })}
      aria-label={several(count, "failed job")}
    >
      {number(count)}
    </Link>
  );
}

function Acts({ queue: { queue, paused, failed }, again }: { queue: Queue; again: () => void }) {
  const { doing, begin } = useDoing(again);
  const [isSure, setSure] = useState(false);
  const act = (verb: string, done: (answer: { redriven?: number }) => string) =>
    begin(verb, `${verb} ${queue}`, async () => {
      sayDone(done(await post(`/api/v1/queues/${segment(queue)}/${verb}`)));
    });
  const turn = paused ? "resume" : "pause";
  return (
    <span className="row">
      <Button
        icon={paused ? "play" : "pause"}
        aria-label={`${paused ? "Resume" : "Pause"} ${queue}`}
        isBusy={doing === turn}
        onClick={() => (paused ? act("resume", () => `Jobs of ${queue} are begun again`) : setSure(true))}
      >
        {paused ? "Resume" : "Pause"}
      </Button>
      <Button
        icon="undo"
        aria-label={`Redrive ${queue}`}
        disabled={failed === 0}
        isBusy={doing === "redrive"}
        onClick={() => act("redrive", ({ redriven = 0 }) => doneOnceMore(redriven, queue))}
      >
        Redrive
      </Button>
      {isSure && (
        <Dialog title={`Pause ${queue}?`} onClose={() => setSure(false)}>
          <p>
            No job of this queue is begun any more, in all workspaces, until it is resumed. What comes waits; nothing is
            lost.
          </p>
          <div className="actions">
            <Button onClick={() => setSure(false)}>Leave it</Button>
            <Button
              weight="danger"
              onClick={() => {
                setSure(false);
                act("pause", () => `${queue} is paused`);
              }}
            >
              Pause
            </Button>
          </div>
        </Dialog>
      )}
    </span>
  );
}
