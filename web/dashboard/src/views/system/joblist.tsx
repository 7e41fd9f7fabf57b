/** The jobs of the workspace (of all, for the engine's administrators), newest first, by queue and state. */
import { get, type Page } from "../../api.ts";
import { SYSTEM_WORKSPACE } from "../../claims.ts";
import { patched, setQuery, usePlace } from "../../place.ts";
import { useClaims } from "../../session.ts";
import { Button, type Column, Empty, Link, Moment, SelectField, Table, Tag } from "../../ui/index.ts";
import type { JobLine } from "./answers.ts";
import { Current } from "../../ui/current.tsx";
import { JOB_STATES, JOBS_MAX, type JobState, type JobsWanted, wantedOf } from "./jobs.ts";
import { useWatched } from "../../watched.ts";

const QUEUES = ["alert", "analytics", "prediction", "notification"];

export function JobList() {
  const { query } = usePlace();
  const wanted = wantedOf(query);
  const { queue, state, count } = wanted;
  const asked = useWatched(`jobs ${queue} ${state} ${count}`, (signal) =>
    get<Page<JobLine>>("/api/v1/jobs", { queue, state, limit: count }, signal),
  );
  return (
    <section className="stack" aria-labelledby="system-jobs">
      <h2 id="system-jobs">Jobs</h2>
      <Filters wanted={wanted} />
      <Current asked={asked} what="Jobs">
        {({ items, next_cursor }) => (
          <>
            {items.length === 0 ? <Nothing wanted={wanted} /> : <Rows jobs={items} open={query.get("job")} />}
            {next_cursor !== null && <More count={count} />}
          </>
        )}
      </Current>
    </section>
  );
}

function Filters({ wanted: { queue, state } }: { wanted: JobsWanted }) {
  return (
    <div className="fields narrow" role="search" aria-label="Filters of jobs">
      <SelectField
        label="Queue"
        value={queue}
        options={[["", "all"], ...QUEUES]}
        onChange={(event) => setQuery({ queue: event.target.value, count: null })}
      />
      <SelectField
        label="State"
        value={state}
        options={[["", "all"], ...JOB_STATES]}
        onChange={(event) => setQuery({ state: event.target.value, count: null })}
      />
    </div>
  );
}

function More({ count }: { count: number }) {
  if (count >= JOBS_MAX)
    return <p className="hint">These are the newest {JOBS_MAX}. For others say which you look for.</p>;
  return (
    <p>
      <Button onClick={() => setQuery({ count: String(Math.min(count * 2, JOBS_MAX)) })}>Older jobs</Button>
    </p>
  );
}

function Nothing({ wanted: { queue, state } }: { wanted: JobsWanted }) {
  if (queue === "" && state === "") {
    return (
      <Empty title="No jobs">
        <p>
          What the engine does later stands here: notifications, escalations, schedules. There is none, and none is
          kept.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title={`No ${state} jobs${queue && ` in ${queue}`}`}>
      <Button onClick={() => setQuery({ queue: null, state: null })}>Show all jobs</Button>
    </Empty>
  );
}

function Rows({ jobs, open }: { jobs: readonly JobLine[]; open: string | null }) {
  const { query } = usePlace();
  const isEngineWide = useClaims().workspace === SYSTEM_WORKSPACE;
  const workspace: Column<JobLine> = { title: "Workspace", cell: (job) => job.workspace };
  return (
    <Table
      caption="Jobs, newest first"
      rows={jobs}
      keyOf={(job) => String(job.id)}
      current={open}
      columns={[
        {
          title: "Job",
          cell: (job) => (
            <Link to="/system/queues" query={patched(query, { job: String(job.id) })}>
              {job.kind} {job.id}
            </Link>
          ),
        },
        { title: "State", cell: (job) => <JobStateTag state={job.state} /> },
        { title: "Queue", cell: (job) => job.queue },
        ...(isEngineWide ? [workspace] : []),
        { title: "Framework", cell: (job) => job.framework_id ?? "–" },
        { title: "Attempt", isFigure: true, cell: (job) => `${job.attempt} of ${job.attempts_max}` },
        { title: "Due", cell: (job) => <Moment at={job.run_at} how="ago" /> },
        { title: "Last failure", cell: (job) => job.cause ?? "–" },
      ]}
    />
  );
}

export function JobStateTag({ state }: { state: JobState }) {
  const kind = state === "failed" ? "bad" : state === "completed" ? "good" : state === "active" ? "notable" : "neutral";
  return <Tag kind={kind}>{state}</Tag>;
}
