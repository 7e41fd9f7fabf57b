/** Jobs: their states, and what may be done about each. Pure; the engine decides, this hides what it would refuse. */

export const JOB_STATES = ["waiting", "delayed", "active", "completed", "failed", "cancelled", "discarded"] as const;
export type JobState = (typeof JOB_STATES)[number];

export function mayEnd(state: JobState): boolean {
  return state === "waiting" || state === "delayed" || state === "active";
}

export function mayBeDoneAgain(state: JobState): boolean {
  return state === "failed" || state === "cancelled";
}

/** The workspace's own list, a page long: what is asked for, from the address. */
export interface JobsWanted {
  queue: string;
  state: string;
  count: number;
}

// A page of the engine's is 500 jobs at most; nobody reads more, and a filter finds the rest.
export const JOBS_MAX = 500;
const JOBS_AT_FIRST = 50;

export function wantedOf(query: URLSearchParams): JobsWanted {
  const count = Number(query.get("count"));
  return {
    queue: query.get("queue") ?? "",
    state: JOB_STATES.find((each) => each === query.get("state")) ?? "",
    count: Number.isInteger(count) && count > 0 ? Math.min(count, JOBS_MAX) : JOBS_AT_FIRST,
  };
}
