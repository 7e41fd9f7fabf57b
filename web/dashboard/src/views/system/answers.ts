/** What the engine answers about itself, in its words (the OpenAPI document has them). */
import type { JobState } from "./jobs.ts";

export interface Finding {
  check: string;
  level: "OK" | "WARNING" | "FAIL";
  text: string;
  advice: string;
}

export interface Child {
  name: string;
  running: boolean;
  restarts: number;
}

export interface Supervisor {
  name: string;
  strategy: string;
  children: readonly Child[];
}

export type HealthState = "healthy" | "unknown" | "warning" | "critical";

export interface Contribution {
  part: string;
  state: HealthState;
  value: number | null;
  unit: string;
  threshold: number;
  points: number;
  text: string;
  advice: string;
}

export interface EngineHealth {
  score: number;
  status: HealthState;
  contributions: readonly Contribution[];
}

export interface System {
  health: EngineHealth;
  ready: boolean;
  overload: string;
  findings: readonly Finding[];
  supervision: readonly Supervisor[];
}

export interface Node {
  id: string;
  address: string;
  version: string;
  started_at: string;
  state: "live" | "draining" | "silent";
  seen_s: number;
  is_this: boolean;
}

export interface Connection {
  client_id: string;
  workspace: string;
  user: string;
  role: string;
  address: string;
  connected_at: string;
  subscriptions: number;
  messages_in: number;
  messages_out: number;
  waiting_bytes: number;
  lag_s: number;
  dropped: number;
}

interface Latency {
  p50_s: number | null;
  p99_s: number | null;
}

export interface Queue {
  queue: string;
  waiting: number;
  active: number;
  delayed: number;
  completed: number;
  failed: number;
  paused: boolean;
  limit: number | null;
  oldest_s: number;
  retry_rate: number | null;
  success_rate: number | null;
  lost_leases: number;
  claim: Latency;
  finish: Latency;
}

export interface QueueHealth {
  healthy: boolean;
  failed_jobs: number;
  delayed_jobs: number;
  queues: Readonly<Record<string, Queue>>;
}

export interface JobLine {
  id: number;
  queue: string;
  kind: string;
  state: JobState;
  workspace: string;
  framework_id: string | null;
  priority: number;
  attempt: number;
  attempts_max: number;
  run_at: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  schedule: string | null;
  cause: string | null;
}

export interface Job extends JobLine {
  args: unknown;
  errors: readonly { at: string; attempt: number; cause: string; traceback: string | null }[];
  result: unknown;
}

export interface Schedule {
  id: string;
  name: string;
  cron: string;
  zone: string;
  kind: string;
  origin: string;
  archived_at: string | null;
  runs: {
    paused: boolean;
    next_run: string | null;
    completed: number;
    failed: number;
    skipped: number;
    last_run: string | null;
    last_duration_s: number | null;
    last_outcome: string | null;
    fault: string | null;
  };
}
