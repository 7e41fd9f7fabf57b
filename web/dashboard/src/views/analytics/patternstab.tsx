/** What alerts have in common: how sure that is, the alerts that prove it, and what people say of it. */
import type { Pattern } from "@tocsin/client";
import { useEffect, useState } from "react";

import { get } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { onHint, onLive } from "../../live.ts";
import { setQuery, usePlace } from "../../place.ts";
import { Answered, Button, Choices, Empty, Moment } from "../../ui/index.ts";
import { useAgainOnSight } from "../../watched.ts";
import { AtOnce } from "./atonce.tsx";
import { PatternCard } from "./patterncard.tsx";
import {
  asSaid,
  isWanted,
  KINDS,
  type PatternFilters,
  patternFilters,
  type PatternRun,
  STATES,
  statesOf,
} from "./patterns.ts";
import { count } from "./words.ts";

/** A run finds some dozens; who has more narrows them down. */
const LISTED_MAX = 200;

interface Found {
  items: Pattern[];
  next_cursor: string | null;
  run: PatternRun | null;
}

export function PatternsTab() {
  const { query } = usePlace();
  const filters = patternFilters(query);
  const asked = useAsked(JSON.stringify(filters), (signal) =>
    get<Found>("/api/v1/patterns", { kind: filters.kinds, state: statesOf(filters), limit: LISTED_MAX }, signal),
  );
  useAgainOnSight(asked.again);
  useAgainWhenFound(asked.again);
  return (
    <>
      <div className="filter-fields" role="search" aria-label="Filters">
        <Choices legend="Kind" name="kind" all={Object.keys(KINDS)} chosen={filters.kinds} called={KINDS} />
        <Choices legend="State" name="state" all={STATES} chosen={filters.states} />
      </div>
      <Answered asked={asked} what="Patterns">
        {(found) => <List found={found} filters={filters} />}
      </Answered>
    </>
  );
}

function List({ found, filters }: { found: Found; filters: PatternFilters }) {
  const [said, setSaid] = useState<ReadonlyMap<string, Pattern>>(new Map());
  const change = (pattern: Pattern) => setSaid((before) => new Map(before).set(pattern.id, pattern));
  const shown = asSaid(found.items, said).filter((each) => isWanted(each, filters));
  return (
    <>
      <LastRun run={found.run} />
      {shown.length === 0 ? (
        <Nothing run={found.run} isNarrow={filters.kinds.length > 0 || filters.states.length > 0} />
      ) : (
        <ul className="stack" aria-label="Patterns">
          {shown.map((pattern) => (
            <PatternCard key={pattern.id} pattern={pattern} onChange={change} />
          ))}
        </ul>
      )}
      {found.next_cursor !== null && (
        <p className="hint">Only the newest {LISTED_MAX} are shown: choose a kind or a state.</p>
      )}
    </>
  );
}

/** Each is kept before it is told, so asking again finds it, and the run's figures; and what was found while away. */
function useAgainWhenFound(again: () => void): void {
  useEffect(() => {
    const stops = [onHint(({ type }) => type === "pattern_found" && again()), onLive(again)];
    return () => stops.forEach((stop) => stop());
  }, [again]);
}

function LastRun({ run }: { run: PatternRun | null }) {
  if (!run) return null;
  return (
    <div className="hint">
      <p>
        Looked for <Moment at={run.at} how="ago" /> in {run.alerts === null ? "alerts" : count(run.alerts, "alert")}{" "}
        since <Moment at={run.since} />
        {run.is_cut && " (there are older ones, which were left out)"}
        {run.found !== null && `: ${run.found} found, ${run.new} of them new`}. They are looked for every six hours.
      </p>
      {run.lacking.map(({ kind, needs, has }) => (
        <p key={kind}>
          Not looked for: “{KINDS[kind]}”. It needs {needs}, and has {has}.
        </p>
      ))}
    </div>
  );
}

function Nothing({ run, isNarrow }: { run: PatternRun | null; isNarrow: boolean }) {
  if (isNarrow) {
    return (
      <Empty title="No such pattern">
        <Button onClick={() => setQuery({ kind: null, state: null })}>Show all that nobody has put away</Button>
      </Empty>
    );
  }
  return (
    <Empty title={run ? "No pattern was found" : "Nobody has looked for patterns yet"}>
      <p>
        {run
          ? "What alerts have in common shows after some weeks: a time of day at which they come back, others that come with them."
          : "The engine looks every six hours, once there are alerts. New patterns appear here by themselves."}
      </p>
      {!run && <AtOnce schedule="pattern-detection" />}
    </Empty>
  );
}
