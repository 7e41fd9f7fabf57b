/** Maintenance windows: planned once or every week; and what one does about them. */
import { all, ask, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useKeys } from "../../keys.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useMay } from "../../session.ts";
import { Answered, Button, Empty, Moment, sayDone, Table, Tag, useDoing } from "../../ui/index.ts";
import { Filter, isFound } from "./filter.tsx";
import { useFresh } from "./fresh.ts";
import { MaintenanceDialog } from "./maintenance-dialog.tsx";
import { Matchers } from "./matchers.tsx";
import { type Maintenance, matcherText, ordered, weeklyText } from "./quiet.ts";
import { StateTag } from "./silences.tsx";

const LISTED_MAX = 1_000;
const NONE: readonly Maintenance[] = [];

export function MaintenanceWindows() {
  const maySilence = useMay("silence");
  const { query } = usePlace();
  const asked = useAsked("maintenance", (signal) =>
    all<Maintenance>("/api/v1/maintenance", { limit: 500 }, LISTED_MAX, signal),
  );
  useFresh(asked.again, asked.value?.items ?? NONE);
  const edited = query.get("edit");
  const close = () => setQuery({ new: null, edit: null });
  const begin = () => setQuery({ new: "1" }, "push");
  useKeys("Maintenance", maySilence ? [{ keys: "n", says: "New maintenance window", does: begin }] : []);
  return (
    <>
      <Filter>
        {maySilence && (
          <Button weight="primary" icon="plus" onClick={begin}>
            New window
          </Button>
        )}
      </Filter>
      <Answered asked={asked} what="Maintenance windows">
        {({ items }) => {
          const found = ordered(items).filter((each) => isShown(each, query));
          const planned = items.find((each) => each.id === edited);
          return (
            <>
              {found.length === 0 ? (
                <Nothing isFiltered={items.length > 0} maySilence={maySilence} />
              ) : (
                <List windows={found} maySilence={maySilence} again={asked.again} />
              )}
              {planned && <MaintenanceDialog planned={planned} onClose={close} onDone={asked.again} />}
            </>
          );
        }}
      </Answered>
      {query.has("new") && maySilence && <MaintenanceDialog planned={null} onClose={close} onDone={asked.again} />}
    </>
  );
}

function isShown(planned: Maintenance, query: URLSearchParams): boolean {
  const state = query.get("state") ?? "active,pending";
  if (state !== "all" && !state.split(",").includes(planned.state)) return false;
  return isFound(query.get("q"), [planned.title, ...planned.frameworks, ...planned.matchers.map(matcherText)]);
}

function Nothing({ isFiltered, maySilence }: { isFiltered: boolean; maySilence: boolean }) {
  if (isFiltered) return <Empty title="None of the windows is so">Choose others above.</Empty>;
  return (
    <Empty title="No maintenance is planned">
      <p>
        {maySilence
          ? "While a window is on, the alerts it is for do not ring: plan one with the button above, or press n."
          : "Responders, editors and administrators can plan some."}
      </p>
    </Empty>
  );
}

interface ListProps {
  windows: readonly Maintenance[];
  maySilence: boolean;
  again: () => void;
}

function List({ windows, maySilence, again }: ListProps) {
  return (
    <Table
      caption="Maintenance windows"
      rows={windows}
      keyOf={(each) => each.id}
      columns={[
        { title: "State", cell: (each) => <StateTag state={each.state} /> },
        { title: "What", isLong: true, cell: (each) => <span className="words">{each.title}</span> },
        { title: "For", isLong: true, cell: (each) => <For planned={each} /> },
        { title: "When", isLong: true, cell: (each) => <When planned={each} /> },
        { title: "By", cell: (each) => each.updated_by ?? "–" },
        {
          title: "Actions",
          isLong: true,
          isTitleHidden: true,
          cell: (each) => maySilence && <Actions planned={each} again={again} />,
        },
      ]}
    />
  );
}

function For({ planned: { frameworks, matchers } }: { planned: Maintenance }) {
  if (frameworks.length === 0 && matchers.length === 0) return <>the whole workspace</>;
  return (
    <div className="row">
      {frameworks.map((each) => (
        <Tag key={each}>{each}</Tag>
      ))}
      <Matchers matchers={matchers} />
    </div>
  );
}

function When({ planned: { weekly, starts_at, ends_at } }: { planned: Maintenance }) {
  return (
    <>
      {weekly && <p>{weeklyText(weekly)}</p>}
      {(starts_at || ends_at) && (
        <p className={weekly ? "hint" : undefined}>
          {starts_at && <Moment at={starts_at} />} {ends_at && "to "}
          {ends_at && <Moment at={ends_at} />}
        </p>
      )}
    </>
  );
}

/** Put away for good: a window that comes every week has no other end. */
function Actions({ planned, again }: { planned: Maintenance; again: () => void }) {
  const { doing, begin } = useDoing(again);
  const path = `/api/v1/maintenance/${segment(planned.id)}`;
  const restore = () => begin("undo", "Not taken back", () => post(`${path}/restore`));
  const end = () =>
    begin("end", "Not ended", async () => {
      await ask("POST", `${path}/archive`);
      sayDone(`Ended: ${planned.title}`, { says: "Undo", does: restore });
    });

  if (planned.state === "expired") return null;
  return (
    <div className="row actions-of-row">
      <Button
        icon="edit"
        aria-label={`Change: ${planned.title}`}
        onClick={() => setQuery({ edit: planned.id }, "push")}
      >
        Change
      </Button>
      <Button weight="danger" isBusy={doing !== null} aria-label={`End: ${planned.title}`} onClick={end}>
        End
      </Button>
    </div>
  );
}
