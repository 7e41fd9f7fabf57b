/** Who is connected, and for administrators the end of a connection. */
import { useState } from "react";

import { typed } from "../../command.ts";
import { all, ask, segment } from "../../api.ts";
import { SYSTEM_WORKSPACE } from "../../claims.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useClaims, useMay } from "../../session.ts";
import { number } from "../../times.ts";
import {
  Button,
  type Column,
  Dialog,
  Empty,
  Moment,
  sayDone,
  Table,
  Tag,
  TextField,
  useDoing,
} from "../../ui/index.ts";
import type { Connection } from "./answers.ts";
import { Current, NotYours } from "../../ui/current.tsx";
import { bytes, span } from "./metrics.ts";
import { useWatched } from "../../watched.ts";

// What a person looks through; more than that one filters.
const SHOWN_MAX = 500;

export function Connections() {
  return useMay("administer") ? <Listed /> : <NotYours>Connections are shown to administrators.</NotYours>;
}

function Listed() {
  const user = usePlace().query.get("user") ?? "";
  const asked = useWatched(`connections ${user}`, (signal) =>
    all<Connection>("/api/v1/connections", { user, limit: SHOWN_MAX }, SHOWN_MAX, signal),
  );
  const [ending, setEnding] = useState<Connection | null>(null);
  return (
    <section className="stack" aria-label="Connections">
      <div className="narrow">
        <TextField
          label="User"
          type="search"
          placeholder="everybody"
          value={user}
          onChange={(event) => setQuery({ user: event.target.value })}
        />
      </div>
      <Current asked={asked} what="Connections">
        {({ items, isCut }) => (
          <>
            <p role="status">
              {items.length === 1 ? "One connection" : `${number(items.length)} connections`}
              {isCut && ", the oldest of more: say whose you look for"}
            </p>
            {items.length === 0 ? <Nobody user={user} /> : <Rows rows={items} onEnd={setEnding} />}
          </>
        )}
      </Current>
      {ending && <EndDialog connection={ending} onClose={() => setEnding(null)} onEnded={asked.again} />}
    </section>
  );
}

function Nobody({ user }: { user: string }) {
  return user ? (
    <Empty title={`${user} is not connected`}>
      <Button onClick={() => setQuery({ user: null })}>Show everybody</Button>
    </Empty>
  ) : (
    <Empty title="Nobody is connected">
      <p>
        In a terminal: <code>{typed("tail")}</code>
      </p>
    </Empty>
  );
}

function Rows({ rows, onEnd }: { rows: readonly Connection[]; onEnd: (connection: Connection) => void }) {
  const isEngineWide = useClaims().workspace === SYSTEM_WORKSPACE;
  const workspace: Column<Connection> = { title: "Workspace", cell: (each) => each.workspace };
  return (
    <Table
      caption="Connections, oldest first"
      rows={rows}
      keyOf={(each) => each.client_id}
      columns={[
        { title: "User", cell: (each) => each.user },
        ...(isEngineWide ? [workspace] : []),
        { title: "Role", cell: (each) => each.role },
        { title: "From", cell: (each) => each.address },
        { title: "Since", cell: (each) => <Moment at={each.connected_at} how="ago" /> },
        { title: "Follows", isFigure: true, cell: (each) => number(each.subscriptions) },
        { title: "Said", isFigure: true, cell: (each) => number(each.messages_in) },
        { title: "Told", isFigure: true, cell: (each) => number(each.messages_out) },
        { title: "Keeps up", cell: (each) => <Pace connection={each} /> },
        {
          title: "End it",
          isTitleHidden: true,
          cell: (each) => (
            <Button aria-label={`Disconnect ${each.user} from ${each.address}`} onClick={() => onEnd(each)}>
              Disconnect
            </Button>
          ),
        },
      ]}
    />
  );
}

function Pace({ connection: { waiting_bytes, lag_s, dropped } }: { connection: Connection }) {
  if (waiting_bytes === 0 && dropped === 0) return <Tag kind="good">yes</Tag>;
  const waits = waiting_bytes > 0 ? `${bytes(waiting_bytes)} wait, ${span(lag_s)}` : "now";
  return <Tag kind={dropped > 0 ? "bad" : "neutral"}>{dropped > 0 ? `${waits}; ${dropped} left out` : waits}</Tag>;
}

interface EndDialogProps {
  connection: Connection;
  onClose: () => void;
  onEnded: () => void;
}

function EndDialog({ connection, onClose, onEnded }: EndDialogProps) {
  const { doing, begin } = useDoing(() => {
    onEnded();
    onClose();
  });
  const end = () =>
    begin("end", `${connection.user} was not disconnected`, async () => {
      await ask("DELETE", `/api/v1/connections/${segment(connection.client_id)}`);
      sayDone(`${connection.user} was disconnected`);
    });
  return (
    <Dialog title={`Disconnect ${connection.user}?`} onClose={onClose}>
      <p>
        The connection from {connection.address} ends, and its client does not come back by itself. The token stays
        good: to keep {connection.user} out, revoke it (<code>{typed("revoke --help")}</code>).
      </p>
      <div className="actions">
        <Button onClick={onClose}>Leave it</Button>
        <Button weight="danger" isBusy={doing !== null} onClick={end}>
          Disconnect
        </Button>
      </div>
    </Dialog>
  );
}
