/** One job whole: what it was given, why attempts failed, what came of it; cancel it, or have it done once more. */
import type { ReactNode } from "react";

import { get, post, segment } from "../../api.ts";
import { Button, Drawer, Moment, sayDone, useDoing } from "../../ui/index.ts";
import type { Job } from "./answers.ts";
import { Current } from "../../ui/current.tsx";
import { JobStateTag } from "./joblist.tsx";
import { mayBeDoneAgain, mayEnd } from "./jobs.ts";
import { useWatched } from "../../watched.ts";

export function JobDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const asked = useWatched(`job ${id}`, (signal) => get<Job>(`/api/v1/jobs/${segment(id)}`, {}, signal));
  return (
    <Drawer title={`Job ${id}`} label={`Job ${id}`} onClose={onClose}>
      <Current asked={asked} what="The job">
        {(job) => (
          <>
            <Acts job={job} again={asked.again} />
            <Facts job={job} />
            <Failures job={job} />
            <Data title="Given" value={job.args} />
            {job.result !== null && <Data title="Result" value={job.result} />}
          </>
        )}
      </Current>
    </Drawer>
  );
}

function Acts({ job, again }: { job: Job; again: () => void }) {
  const { doing, begin } = useDoing(again);
  const isBusy = doing !== null;
  const act = (verb: "cancel" | "retry", done: string) =>
    begin(verb, `${verb} job ${job.id}`, async () => {
      await post(`/api/v1/jobs/${job.id}/${verb}`);
      sayDone(`Job ${job.id} ${done}`);
    });
  if (mayEnd(job.state)) {
    return (
      <p className="row">
        <Button weight="danger" isBusy={isBusy} onClick={() => act("cancel", "was cancelled")}>
          Cancel
        </Button>
        <span className="hint">What it has done stays done.</span>
      </p>
    );
  }
  if (!mayBeDoneAgain(job.state)) return null;
  return (
    <p className="row">
      <Button icon="undo" isBusy={isBusy} onClick={() => act("retry", "is done once more")}>
        Do it once more
      </Button>
      <span className="hint">With all its attempts.</span>
    </p>
  );
}

function Facts({ job }: { job: Job }) {
  const facts: [string, ReactNode][] = [
    ["State", <JobStateTag key="state" state={job.state} />],
    ["Kind", job.kind],
    ["Queue", job.queue],
    ["Workspace", job.workspace],
    ["Framework", job.framework_id],
    ["Schedule", job.schedule],
    ["Priority", job.priority],
    ["Attempt", `${job.attempt} of ${job.attempts_max}`],
    ["Made", <Moment key="made" at={job.created_at} />],
    ["Due", <Moment key="due" at={job.run_at} />],
    ["Begun", job.started_at && <Moment at={job.started_at} />],
    ["Ended", job.finished_at && <Moment at={job.finished_at} />],
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, said]) => said !== null && said !== "")
        .map(([name, said]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{said}</dd>
          </div>
        ))}
    </dl>
  );
}

function Failures({ job }: { job: Job }) {
  if (job.errors.length === 0) return null;
  return (
    <section aria-label="Failed attempts">
      <h3>Failed attempts</h3>
      <ol className="failures">
        {job.errors.map((error) => (
          <li key={`${error.attempt} ${error.at}`}>
            <Moment at={error.at} />, attempt {error.attempt}: {error.cause}
            {error.traceback && (
              <details>
                <summary>Traceback</summary>
                <pre tabIndex={0}>{error.traceback}</pre>
              </details>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Data({ title, value }: { title: string; value: unknown }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
    </section>
  );
}
