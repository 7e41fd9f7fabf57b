/** What is done again and again: when it was last, what came of it, when it is next; run now, pause, resume. */
import { typed } from "../../command.ts";
import { all, post, segment } from "../../api.ts";
import { SYSTEM_WORKSPACE } from "../../claims.ts";
import { go } from "../../place.ts";
import { useClaims, useMay } from "../../session.ts";
import { number } from "../../times.ts";
import { Button, type Column, Empty, Moment, sayDone, Table, Tag, useDoing } from "../../ui/index.ts";
import type { Schedule } from "./answers.ts";
import { Current, NotYours } from "../../ui/current.tsx";
import { span } from "./metrics.ts";
import { useWatched } from "../../watched.ts";

const SHOWN_MAX = 500;

export function Schedules() {
  const { workspace } = useClaims();
  const asked = useWatched("schedules", (signal) =>
    all<Schedule>("/api/v1/schedules", { limit: SHOWN_MAX }, SHOWN_MAX, signal),
  );
  return (
    <div className="stack">
      {workspace !== SYSTEM_WORKSPACE && (
        <NotYours>These are this workspace&apos;s. The engine&apos;s own are those of the workspace “system”.</NotYours>
      )}
      <Current asked={asked} what="Schedules">
        {({ items, isCut }) => (
          <>
            {items.length === 0 ? <Nothing /> : <Rows schedules={items} again={asked.again} />}
            {isCut && <p className="hint">These are the first {SHOWN_MAX}; the others are left out.</p>}
          </>
        )}
      </Current>
    </div>
  );
}

function Nothing() {
  return (
    <Empty title="No schedules">
      <p>
        To have something done again and again: <code>{typed("schedules --help")}</code>
      </p>
    </Empty>
  );
}

function Rows({ schedules, again }: { schedules: readonly Schedule[]; again: () => void }) {
  const mayEdit = useMay("edit");
  const acts: Column<Schedule> = {
    title: "What to do",
    isTitleHidden: true,
    cell: (schedule) => <Acts schedule={schedule} again={again} />,
  };
  return (
    <Table
      caption="Schedules"
      rows={schedules}
      keyOf={({ id }) => id}
      columns={[...COLUMNS, ...(mayEdit ? [acts] : [])]}
    />
  );
}

const COLUMNS: readonly Column<Schedule>[] = [
  {
    title: "Schedule",
    cell: ({ id, name, kind }) => (
      <span>
        <strong>{name || id}</strong>
        <span className="second">{kind}</span>
      </span>
    ),
  },
  {
    title: "When",
    cell: ({ cron, zone }) => (
      <span>
        <code>{cron}</code> <span className="hint">{zone}</span>
      </span>
    ),
  },
  {
    title: "Next run",
    cell: ({ runs }) =>
      runs.fault ? (
        <Tag kind="bad">{runs.fault}</Tag>
      ) : runs.next_run ? (
        <Moment at={runs.next_run} how="ago" />
      ) : (
        <Tag>{runs.paused ? "paused" : "never"}</Tag>
      ),
  },
  { title: "Last run", cell: ({ runs }) => (runs.last_run ? <LastRun runs={runs} at={runs.last_run} /> : "not yet") },
  { title: "Completed", isFigure: true, cell: ({ runs }) => number(runs.completed) },
  { title: "Failed", isFigure: true, cell: ({ runs }) => number(runs.failed) },
  { title: "Skipped", isFigure: true, cell: ({ runs }) => number(runs.skipped) },
];

function LastRun({ runs: { last_outcome, last_duration_s }, at }: { runs: Schedule["runs"]; at: string }) {
  const kind = last_outcome === "completed" ? "good" : last_outcome === "failed" ? "bad" : "neutral";
  return (
    <span className="row">
      <Moment at={at} how="ago" />
      {last_outcome && <Tag kind={kind}>{last_outcome}</Tag>}
      {last_duration_s !== null && <span className="hint">{span(last_duration_s)}</span>}
    </span>
  );
}

function Acts({ schedule: { id, runs }, again }: { schedule: Schedule; again: () => void }) {
  const { doing, begin } = useDoing(again);
  const jobs = useMay("administer")
    ? { says: "Look at its job", does: () => go("/system/queues", new URLSearchParams()) }
    : undefined;
  const act = (verb: string, done: string) =>
    begin(verb, `${verb} ${id}`, async () => {
      await post(`/api/v1/schedules/${segment(id)}/${verb}`);
      sayDone(done, verb === "run" ? jobs : undefined);
    });
  return (
    <span className="row">
      <Button
        aria-label={`Run now: ${id}`}
        isBusy={doing === "run"}
        onClick={() => act("run", `${id} is handed over to be done now`)}
      >
        Run now
      </Button>
      {runs.paused ? (
        <Button
          icon="play"
          aria-label={`Resume ${id}`}
          isBusy={doing === "resume"}
          onClick={() => act("resume", `${id} fires by itself again`)}
        >
          Resume
        </Button>
      ) : (
        <Button
          icon="pause"
          aria-label={`Pause ${id}`}
          isBusy={doing === "pause"}
          onClick={() => act("pause", `${id} does not fire by itself any more`)}
        >
          Pause
        </Button>
      )}
    </span>
  );
}
