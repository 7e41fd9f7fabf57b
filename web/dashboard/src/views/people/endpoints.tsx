/** Where notifications go besides to people: webhooks, Slack, mailboxes, Apprise. Made, tried, switched off. */
import { useState } from "react";

import { all, ask, post, segment } from "../../api.ts";
import { useAsked } from "../../asked.ts";
import { useKeys } from "../../keys.ts";
import { setQuery, usePlace } from "../../place.ts";
import { useMay } from "../../session.ts";
import { Answered, Button, Dialog, Empty, etagOf, sayDone, sayFailed, Table, Tag, useDoing } from "../../ui/index.ts";
import { Remove } from "./remove.tsx";
import { EndpointDialog } from "./endpoint-dialog.tsx";
import { CHANNEL_SAYS, type Endpoint, ENDPOINT_CHANNELS, type EndpointChannel, targetOf, troubleOf } from "./people.ts";

const LISTED_MAX = 1_000;
const PATH = "/api/v1/endpoints";

export function Endpoints() {
  const mayEdit = useMay("edit");
  const { query } = usePlace();
  const asked = useAsked("endpoints", (signal) => all<Endpoint>(PATH, { limit: 500 }, LISTED_MAX, signal));
  const [shownOnce, setShownOnce] = useState<Endpoint | null>(null);
  const begin = () => setQuery({ new: "webhook" }, "push");
  const close = () => setQuery({ new: null, edit: null });
  const wanted = query.get("new");
  const done = (saved: Endpoint) => {
    if (saved.secret) setShownOnce(saved);
    asked.again();
  };
  useKeys("Endpoints", mayEdit ? [{ keys: "n", says: "New endpoint", does: begin }] : []);
  return (
    <>
      {mayEdit && (
        <div>
          <Button weight="primary" icon="plus" onClick={begin}>
            New endpoint
          </Button>
        </div>
      )}
      <Answered asked={asked} what="Endpoints">
        {({ items }) => {
          const edited = items.find((each) => each.id === query.get("edit")) ?? null;
          return (
            <>
              {items.length === 0 ? (
                <Nothing mayEdit={mayEdit} />
              ) : (
                <List endpoints={items} mayEdit={mayEdit} onDone={done} />
              )}
              {edited && mayEdit && (
                <EndpointDialog endpoint={edited} channel={edited.channel} onClose={close} onDone={done} />
              )}
            </>
          );
        }}
      </Answered>
      {wanted !== null && mayEdit && (
        <EndpointDialog endpoint={null} channel={channelOf(wanted)} onClose={close} onDone={done} />
      )}
      {shownOnce && <SecretOnce endpoint={shownOnce} onClose={() => setShownOnce(null)} />}
    </>
  );
}

function channelOf(word: string): EndpointChannel {
  return ENDPOINT_CHANNELS.find((each) => each === word) ?? "webhook";
}

function Nothing({ mayEdit }: { mayEdit: boolean }) {
  return (
    <Empty title="Notifications go to people only">
      <p>
        {mayEdit
          ? "An endpoint is a webhook, a Slack channel or a mailbox: make one with the button above, or press n."
          : "Editors and administrators can make endpoints: webhooks, Slack channels, mailboxes."}
      </p>
    </Empty>
  );
}

/** The engine keeps it sealed: nobody can ask for it later. */
function SecretOnce({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(endpoint.secret ?? "");
      sayDone("Copied");
    } catch (fault) {
      sayFailed("Not copied", fault);
    }
  }
  return (
    <Dialog title={`Signing secret of ${endpoint.id}`} onClose={onClose}>
      <div className="stack secret-once">
        <p>Give this to the receiver now: it is not shown again.</p>
        <code>{endpoint.secret}</code>
        <div className="actions">
          <Button onClick={() => void copy()}>Copy</Button>
          <Button weight="primary" onClick={onClose}>
            I have it
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

interface ListProps {
  endpoints: readonly Endpoint[];
  mayEdit: boolean;
  onDone: (saved: Endpoint) => void;
}

function List({ endpoints, mayEdit, onDone }: ListProps) {
  return (
    <Table
      caption="Endpoints"
      rows={endpoints}
      keyOf={(each) => each.id}
      columns={[
        { title: "Endpoint", cell: (each) => <Name endpoint={each} /> },
        { title: "Channel", cell: (each) => CHANNEL_SAYS[each.channel] ?? each.channel },
        { title: "Where", cell: (each) => targetOf(each) },
        { title: "Told of", cell: (each) => <ToldOf endpoint={each} /> },
        { title: "State", cell: (each) => <State endpoint={each} /> },
        {
          title: "Actions",
          isLong: true,
          isTitleHidden: true,
          cell: (each) => mayEdit && <Actions endpoint={each} onDone={onDone} />,
        },
      ]}
    />
  );
}

function Name({ endpoint: { id, name } }: { endpoint: Endpoint }) {
  return (
    <>
      {name || id}
      {name && (
        <>
          <br />
          <span className="hint">{id}</span>
        </>
      )}
    </>
  );
}

function ToldOf({ endpoint: { min_severity, frameworks } }: { endpoint: Endpoint }) {
  const severity = min_severity === "info" ? "everything" : `${min_severity} and worse`;
  return <>{frameworks.length === 0 ? severity : `${severity}, of ${frameworks.join(", ")}`}</>;
}

function State({ endpoint }: { endpoint: Endpoint }) {
  const trouble = troubleOf(endpoint);
  const kind = !endpoint.enabled ? "neutral" : trouble ? "bad" : "good";
  return (
    <>
      <Tag kind={kind}>{!endpoint.enabled ? "off" : trouble ? "trouble" : "on"}</Tag>
      {trouble && <p className="hint">{trouble}</p>}
    </>
  );
}

interface TestResult {
  outcome: "delivered" | "sent" | "refused" | "try_later";
  cause: string;
}

const OUTCOME: Record<TestResult["outcome"], string> = {
  delivered: "The target has taken the test",
  sent: "The test is handed on; look whether it arrives",
  refused: "The target refused the test",
  try_later: "The target did not take the test now",
};

function Actions({ endpoint, onDone }: { endpoint: Endpoint; onDone: (saved: Endpoint) => void }) {
  const { doing, begin } = useDoing();
  const path = `${PATH}/${segment(endpoint.id)}`;

  const test = () =>
    begin("test", `${endpoint.id} is not tested`, async () => {
      const { outcome, cause } = await post<TestResult>(`${path}/test`);
      if (outcome === "delivered" || outcome === "sent") sayDone(`${endpoint.id}: ${OUTCOME[outcome]}.`);
      else sayFailed(`${endpoint.id}: ${OUTCOME[outcome]}`, cause || "it said no more");
      onDone(endpoint);
    });
  const turn = () =>
    begin("turn", `${endpoint.id} is as it was`, async () => {
      const body = { enabled: !endpoint.enabled };
      const { value } = await ask<Endpoint>("PATCH", path, { body, ifMatch: etagOf(endpoint) });
      sayDone(value.enabled ? `${value.id} is switched on` : `${value.id} is switched off: nothing goes to it`);
      onDone(value);
    });
  const rotate = () =>
    begin("rotate", `${endpoint.id} keeps its secret`, async () => onDone(await post<Endpoint>(`${path}/rotate`)));

  const isSigned = endpoint.channel === "webhook" && endpoint.format !== "pagerduty";
  return (
    <div className="row actions-of-row">
      <Button isBusy={doing === "test"} aria-label={`Test ${endpoint.id}`} onClick={test}>
        Test
      </Button>
      <Button aria-label={`Change ${endpoint.id}`} onClick={() => setQuery({ edit: endpoint.id }, "push")}>
        Change
      </Button>
      {isSigned && (
        <Button isBusy={doing === "rotate"} aria-label={`New secret of ${endpoint.id}`} onClick={rotate}>
          New secret
        </Button>
      )}
      <Button
        isBusy={doing === "turn"}
        aria-label={`Switch ${endpoint.enabled ? "off" : "on"} ${endpoint.id}`}
        onClick={turn}
      >
        {endpoint.enabled ? "Switch off" : "Switch on"}
      </Button>
      <Remove
        entry={endpoint}
        path={path}
        consequence="Nothing goes there any more, and escalations that name it tell nobody by it."
        onDone={() => onDone(endpoint)}
      />
    </div>
  );
}
