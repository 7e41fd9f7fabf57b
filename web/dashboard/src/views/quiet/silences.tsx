/** Silences: those in force, those to come, those that are over; and what one does about them. */
import { engineNow } from "../../engineclock.ts";
import { useMemo } from "react";

import { all, ask, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useNow } from "../../clock.ts";
import { useKeys } from "../../keys.ts";
import { useAlerts } from "../../live.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useMay } from "../../session.ts";
import { local } from "../../times.ts";
import { Answered, Button, Empty, etagOf, Moment, sayDone, Table, Tag, useDoing } from "../../ui/index.ts";
import { Filter, isFound } from "./filter.tsx";
import { useFresh } from "./fresh.ts";
import { Matchers } from "./matchers.tsx";
import { matcherOf, matcherText, ordered, restText, type Silence } from "./quiet.ts";
import { SilenceDialog } from "./silence-dialog.tsx";

const LISTED_MAX = 1_000;
const HOUR_MS = 3_600_000;
const NONE: readonly Silence[] = [];

export function Silences() {
  const maySilence = useMay("silence");
  const { query } = usePlace();
  const state = query.get("state") ?? "active,pending";
  const asked = useAsked(`silences ${state}`, (signal) =>
    all<Silence>("/api/v1/silences", { state: state === "all" ? null : state, limit: 500 }, LISTED_MAX, signal),
  );
  useFresh(asked.again, asked.value?.items ?? NONE);
  const edited = query.get("edit");
  const isNew = query.has("new");
  const begun = useMemo(() => query.getAll("match").flatMap((text) => matcherOf(text) ?? []), [query]);
  const open = (id: string) => setQuery({ edit: id }, "push");
  const close = () => setQuery({ new: null, match: null, edit: null });
  useKeys(
    "Silences",
    maySilence ? [{ keys: "n", says: "New silence", does: () => setQuery({ new: "1" }, "push") }] : [],
  );
  return (
    <>
      <Filter>
        {maySilence && (
          <Button weight="primary" icon="plus" onClick={() => setQuery({ new: "1" }, "push")}>
            New silence
          </Button>
        )}
      </Filter>
      <Answered asked={asked} what="Silences">
        {({ items, isCut }) => {
          const found = ordered(items).filter((each) => isFound(query.get("q"), wordsOf(each)));
          const silence = items.find((each) => each.id === edited);
          return (
            <>
              {isCut && <p className="hint">Only {items.length} are shown: narrow them down by their state.</p>}
              {found.length === 0 ? (
                <Nothing isFiltered={items.length > 0} maySilence={maySilence} />
              ) : (
                <List silences={found} maySilence={maySilence} again={asked.again} onEdit={open} />
              )}
              {silence && <SilenceDialog silence={silence} onClose={close} onDone={asked.again} />}
            </>
          );
        }}
      </Answered>
      {isNew && maySilence && <SilenceDialog silence={null} matchers={begun} onClose={close} onDone={asked.again} />}
    </>
  );
}

function wordsOf({ matchers, author, comment }: Silence): string[] {
  return [...matchers.map(matcherText), author, comment];
}

function Nothing({ isFiltered, maySilence }: { isFiltered: boolean; maySilence: boolean }) {
  if (isFiltered) return <Empty title="No silence has these words">Look for fewer of them.</Empty>;
  return (
    <Empty title="No silence here">
      <p>
        {maySilence
          ? "A silence keeps alerts from ringing for a while: make one with the button above, or press n."
          : "Responders, editors and administrators can make one."}
      </p>
    </Empty>
  );
}

interface ListProps {
  silences: readonly Silence[];
  maySilence: boolean;
  again: () => void;
  onEdit: (id: string) => void;
}

function List({ silences, maySilence, again, onEdit }: ListProps) {
  const counts = useQuieted();
  return (
    <Table
      caption="Silences"
      rows={silences}
      keyOf={(each) => each.id}
      columns={[
        { title: "State", cell: (each) => <StateTag state={each.state} /> },
        { title: "Which alerts", isLong: true, cell: (each) => <Matchers matchers={each.matchers} /> },
        { title: "Quiet now", isFigure: true, cell: (each) => counts.get(each.id) ?? 0 },
        { title: "When", isLong: true, cell: (each) => <When silence={each} /> },
        { title: "Why", isLong: true, cell: (each) => <Why silence={each} /> },
        {
          title: "Actions",
          isLong: true,
          isTitleHidden: true,
          cell: (each) => maySilence && <Actions silence={each} again={again} onEdit={() => onEdit(each.id)} />,
        },
      ]}
    />
  );
}

/** How many open alerts each silence keeps quiet now, as their events say. */
function useQuieted(): ReadonlyMap<string, number> {
  const alerts = useAlerts();
  return useMemo(() => {
    const counts = new Map<string, number>();
    for (const { quieted_by, quieted_ref } of alerts) {
      if (quieted_by === "silenced" && quieted_ref) counts.set(quieted_ref, (counts.get(quieted_ref) ?? 0) + 1);
    }
    return counts;
  }, [alerts]);
}

export function StateTag({ state }: { state: Silence["state"] }) {
  return <Tag kind={state === "active" ? "notable" : "neutral"}>{state}</Tag>;
}

function When({ silence }: { silence: Silence }) {
  return (
    <>
      <Rest silence={silence} />
      <br />
      <span className="hint">
        <Moment at={silence.starts_at} /> to <Moment at={silence.ends_at} />
      </span>
    </>
  );
}

function Rest({ silence }: { silence: Silence }) {
  return <>{restText(silence, useNow())}</>;
}

function Why({ silence: { comment, author } }: { silence: Silence }) {
  return (
    <>
      <span className="words">{comment}</span>
      <br />
      <span className="hint">{author}</span>
    </>
  );
}

function Actions({ silence, again, onEdit }: { silence: Silence; again: () => void; onEdit: () => void }) {
  const { doing, begin } = useDoing(again);
  const isBusy = doing !== null;
  const path = `/api/v1/silences/${segment(silence.id)}`;
  const move = (body: Partial<Silence>, seen: Silence) => ask<Silence>("PATCH", path, { body, ifMatch: etagOf(seen) });
  const { starts_at, ends_at } = silence;
  const back = (changed: Silence) => begin("undo", "Not taken back", () => move({ starts_at, ends_at }, changed));

  const extend = () =>
    begin("extend", "Not extended", async () => {
      const { value } = await move({ ends_at: new Date(Date.parse(ends_at) + HOUR_MS).toISOString() }, silence);
      const until = local(new Date(value.ends_at), new Date(engineNow()));
      sayDone(`Extended until ${until}`, { says: "Undo", does: () => back(value) });
    });

  const expire = () =>
    begin("end", "Not ended", async () => {
      const ended = await post<Silence>(`${path}/expire`);
      sayDone("Silence ended: what it kept quiet and is open rings", { says: "Undo", does: () => back(ended) });
    });

  const about = silence.matchers.map(matcherText).join(" ");
  if (silence.state === "expired") return null;
  return (
    <div className="row actions-of-row">
      <Button isBusy={isBusy} aria-label={`+1 h: ${about}`} onClick={extend}>
        +1 h
      </Button>
      <Button icon="edit" aria-label={`Change: ${about}`} onClick={onEdit}>
        Change
      </Button>
      <Button isBusy={isBusy} weight="danger" aria-label={`End: ${about}`} onClick={expire}>
        End
      </Button>
    </div>
  );
}
