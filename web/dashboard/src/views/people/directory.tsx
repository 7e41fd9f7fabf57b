/** Who is here and what is watched: users, teams, frameworks. */
import { useMemo } from "react";

import { all, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useKeys } from "../../keys.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useMay } from "../../session.ts";
import {
  Answered,
  Button,
  Clash,
  Dialog,
  Empty,
  etagOf,
  FormFoot,
  sayDone,
  SelectField,
  Table,
  TextField,
  useFields,
  useSave,
} from "../../ui/index.ts";
import {
  type Entry,
  entryBody,
  type EntryDraft,
  entryDraft,
  ENTRY_KINDS,
  type EntryKind,
  textOf,
} from "./directory.ts";
import { Remove } from "./remove.tsx";

const LISTED_MAX = 1_000;

export function Directory() {
  const { query } = usePlace();
  const kind = ENTRY_KINDS.find((each) => each.name === query.get("of")) ?? ENTRY_KINDS[0]!;
  return (
    <>
      <SelectField
        label="Shown"
        options={ENTRY_KINDS.map((each) => [each.name, each.title] as const)}
        value={kind.name}
        onChange={(event) => setQuery({ of: event.target.value, edit: null, new: null })}
      />
      <Entries key={kind.name} kind={kind} />
    </>
  );
}

function Entries({ kind }: { kind: EntryKind }) {
  const mayChange = useMay(kind.verb);
  const { query } = usePlace();
  const path = `/api/v1/${kind.name}`;
  const asked = useAsked(kind.name, (signal) => all<Entry>(path, { limit: 500 }, LISTED_MAX, signal));
  const begin = () => setQuery({ new: "1" }, "push");
  const close = () => setQuery({ new: null, edit: null });
  useKeys(kind.title, mayChange ? [{ keys: "n", says: `New ${kind.one}`, does: begin }] : []);
  return (
    <>
      {mayChange && (
        <div>
          <Button weight="primary" icon="plus" onClick={begin}>
            New {kind.one}
          </Button>
        </div>
      )}
      <Answered asked={asked} what={kind.title}>
        {({ items, isCut }) => {
          const edited = items.find((each) => each.id === query.get("edit"));
          return (
            <>
              {isCut && <p className="hint">Only the first {items.length} are shown.</p>}
              {items.length === 0 ? (
                <Empty title={`There are no ${kind.name} yet`}>
                  {mayChange ? "Make one with the button above, or press n." : "Who may is an editor or administrator."}
                </Empty>
              ) : (
                <List kind={kind} entries={items} mayChange={mayChange} onDone={asked.again} />
              )}
              {edited && mayChange && (
                <EntryDialog key={edited.id} kind={kind} entry={edited} onClose={close} onDone={asked.again} />
              )}
            </>
          );
        }}
      </Answered>
      {query.has("new") && mayChange && <EntryDialog kind={kind} entry={null} onClose={close} onDone={asked.again} />}
    </>
  );
}

interface ListProps {
  kind: EntryKind;
  entries: readonly Entry[];
  mayChange: boolean;
  onDone: () => void;
}

function List({ kind, entries, mayChange, onDone }: ListProps) {
  const columns = kind.fields.map(({ name, label }) => ({
    title: label,
    cell: (entry: Entry) => textOf(entry[name]) || "–",
  }));
  const change = (entry: Entry) => (
    <div className="row actions-of-row">
      <Button aria-label={`Change ${entry.id}`} onClick={() => setQuery({ edit: entry.id }, "push")}>
        Change
      </Button>
      <Remove
        entry={entry}
        path={`/api/v1/${kind.name}/${segment(entry.id)}`}
        consequence={kind.without}
        onDone={onDone}
      />
    </div>
  );
  return (
    <Table
      caption={kind.title}
      rows={entries}
      keyOf={(entry) => entry.id}
      columns={[
        { title: "Id", cell: (entry) => entry.id },
        ...columns,
        ...(mayChange ? [{ title: "Actions", isTitleHidden: true, cell: change }] : []),
      ]}
    />
  );
}

interface EntryDialogProps {
  kind: EntryKind;
  /** null: a new one. */
  entry: Entry | null;
  onClose: () => void;
  onDone: () => void;
}

function EntryDialog({ kind, entry, onClose, onDone }: EntryDialogProps) {
  const path = `/api/v1/${kind.name}`;
  const first = useMemo(() => entryDraft(entry, kind), [entry, kind]);
  const saving = useSave<Entry>(`${path}/${segment(entry?.id ?? "")}`, entry ? etagOf(entry) : null);
  const form = useFields<EntryDraft>(
    first,
    ({ id }) => (id?.trim() ? {} : { id: "Give it an id." }),
    async (draft) => {
      const body = entryBody(draft, kind);
      const id = (draft["id"] ?? "").trim();
      if (!entry) await post(path, { id, ...body });
      // What only ever appeared in alerts is described by being put there.
      else await (entry.origin === "seen" ? saving.save("PUT", { id, ...body }) : saving.save("PATCH", body));
      sayDone(`${id} is saved`);
      onDone();
      onClose();
    },
  );
  const { values } = form;
  const differences = (theirs: Entry): [string, string][] => {
    const draft = entryDraft(theirs, kind);
    const differ = kind.fields.filter(({ name }) => draft[name] !== values[name]);
    return differ.map(({ name, label }) => [label, draft[name] ?? ""]);
  };
  const take = (theirs: Entry) => {
    form.reset(entryDraft(theirs, kind));
    saving.forget();
  };
  return (
    <Dialog title={entry ? `Change ${entry.id}` : `New ${kind.one}`} onClose={onClose}>
      <form onSubmit={(event) => void form.submit(event)} noValidate>
        <Clash theirs={saving.theirs} differences={differences} onTake={take} />
        {!entry && <EntryField form={form} field={{ name: "id", label: "Id", hint: kind.idHint }} />}
        {kind.fields.map((field) => (
          <EntryField key={field.name} form={form} field={field} />
        ))}
        <FormFoot form={form} says="Save" onClose={onClose} />
      </form>
    </Dialog>
  );
}

type EntryForm = ReturnType<typeof useFields<EntryDraft>>;

function EntryField({ form, field }: { form: EntryForm; field: EntryKind["fields"][number] }) {
  const { name, label, hint, options } = field;
  const bound = {
    label,
    hint,
    error: form.errorOf(name),
    value: form.values[name] ?? "",
    onChange: (event: { target: { value: string } }) => form.set(name, event.target.value),
  };
  return options ? <SelectField options={options} {...bound} /> : <TextField {...bound} />;
}
