/** Makes an endpoint, or changes one. What is secret is typed, sent, and not shown again. */
import { useMemo } from "react";

import { type Severity, SEVERITIES } from "../../alerts.ts";
import { post, segment } from "../../api.ts";
import {
  CheckField,
  Clash,
  Dialog,
  etagOf,
  FormFoot,
  sayDone,
  SelectField,
  TextArea,
  TextField,
  useFields,
  useSave,
} from "../../ui/index.ts";
import {
  CHANNEL_SAYS,
  type Endpoint,
  endpointBody,
  ENDPOINT_CHANNELS,
  type EndpointChannel,
  type EndpointDraft,
  endpointDraft,
  endpointFaults,
  fieldsOf,
  FORMATS,
} from "./people.ts";

interface EndpointDialogProps {
  /** null: a new one. */
  endpoint: Endpoint | null;
  channel: EndpointChannel;
  onClose: () => void;
  onDone: (saved: Endpoint) => void;
}

const PATH = "/api/v1/endpoints";
const URL_HINT: Record<EndpointChannel, string> = {
  webhook: "On the public internet, https; such as https://hooks.example.com/tocsin",
  slack: "Of an incoming webhook: https://hooks.slack.com/services/T…/B…/…",
  email: "",
  apprise: "A service's address, such as discord://id/token",
};

export function EndpointDialog({ endpoint, channel, onClose, onDone }: EndpointDialogProps) {
  const first = useMemo(() => endpointDraft(endpoint, channel), [endpoint, channel]);
  const isNew = endpoint === null;
  const saving = useSave<Endpoint>(`${PATH}/${segment(endpoint?.id ?? "")}`, endpoint ? etagOf(endpoint) : null);
  const form = useFields<EndpointDraft>(
    first,
    (draft) => endpointFaults(draft, isNew),
    async (draft) => {
      const body = endpointBody(draft);
      const saved = endpoint ? await saving.save("PATCH", body) : await post<Endpoint>(PATH, body);
      sayDone(isNew ? `${saved.id} is told from now on` : `${saved.id} is changed`);
      onDone(saved);
      onClose();
    },
  );
  const take = (theirs: Endpoint) => {
    form.reset(endpointDraft(theirs, theirs.channel));
    saving.forget();
  };
  return (
    <Dialog title={isNew ? "New endpoint" : `Change ${endpoint.id}`} onClose={onClose} isWide>
      <form onSubmit={(event) => void form.submit(event)} noValidate>
        <Clash theirs={saving.theirs} differences={(theirs) => differences(form.values, theirs)} onTake={take} />
        <Identity form={form} isNew={isNew} />
        <Target form={form} isNew={isNew} />
        <Choice form={form} />
        <FormFoot form={form} says={isNew ? "Make it" : "Save"} onClose={onClose} />
      </form>
    </Dialog>
  );
}

type Form = ReturnType<typeof useFields<EndpointDraft>>;

/** What a text field of the form needs. */
function bound(form: Form, name: "id" | "name" | "url" | "address" | "secret" | "frameworks" | "title" | "message") {
  return {
    value: form.values[name],
    error: form.errorOf(name),
    onBlur: () => form.leave(name),
    onChange: (event: { target: { value: string } }) => form.set(name, event.target.value),
  };
}

function Identity({ form, isNew }: { form: Form; isNew: boolean }) {
  return (
    <div className="fields">
      {isNew && (
        <>
          <TextField label="Id" hint="Rules and escalations call it so. It stays." {...bound(form, "id")} />
          <SelectField
            label="Channel"
            options={ENDPOINT_CHANNELS.map((each) => [each, CHANNEL_SAYS[each] ?? each] as const)}
            value={form.values.channel}
            onChange={(event) => form.set("channel", event.target.value as EndpointChannel)}
          />
        </>
      )}
      <TextField label="Name" hint="For people." {...bound(form, "name")} />
    </div>
  );
}

function Target({ form, isNew }: { form: Form; isNew: boolean }) {
  const { values } = form;
  const has = fieldsOf(values);
  const stays = isNew ? "" : " Shown without its path: left as it is, the present one stays.";
  return (
    <>
      {values.channel === "slack" && (
        <CheckField
          label="Through a bot"
          hint="A bot changes its message as the alert changes. Without one: an incoming webhook."
          checked={values.isBot}
          onChange={(event) => form.set("isBot", event.target.checked)}
        />
      )}
      {has.format && (
        <SelectField
          label="Form"
          options={FORMATS}
          value={values.format}
          onChange={(event) => form.set("format", event.target.value as EndpointDraft["format"])}
        />
      )}
      {has.url && <TextField label="Address" hint={`${URL_HINT[values.channel]}.${stays}`} {...bound(form, "url")} />}
      {has.address && (
        <TextField
          label={values.channel === "email" ? "Mailbox" : "Slack channel"}
          hint={values.channel === "email" ? "Such as ops@example.com" : "Such as #alerts or C0123456789"}
          {...bound(form, "address")}
        />
      )}
      {has.secret && (
        <TextField
          label={secretLabel(values)}
          type="password"
          autoComplete="new-password"
          hint={isNew ? secretHint(values) : "Empty: the present one stays. It is never shown."}
          {...bound(form, "secret")}
        />
      )}
    </>
  );
}

function secretLabel({ channel, format }: EndpointDraft): string {
  if (channel === "slack") return "Bot's token";
  return format === "pagerduty" ? "Routing key" : "Signing secret";
}

function secretHint({ channel, format }: EndpointDraft): string {
  if (channel === "slack") return "Begins with xoxb-";
  return format === "pagerduty" ? "Of an Events API v2 integration." : "Empty: one is made, and shown once.";
}

function Choice({ form }: { form: Form }) {
  return (
    <>
      <div className="fields">
        <SelectField
          label="From severity"
          options={SEVERITIES}
          value={form.values.min_severity}
          onChange={(event) => form.set("min_severity", event.target.value as Severity)}
        />
        <TextField
          label="Frameworks"
          hint="Their ids, with commas; none: all of them."
          {...bound(form, "frameworks")}
        />
      </div>
      <details>
        <summary>Words of your own</summary>
        <div className="stack">
          <TextField
            label="Title"
            hint="Such as {{ severity }} on {{ labels.host }}: {{ title }}. Empty: our words."
            {...bound(form, "title")}
          />
          <TextArea label="Message" {...bound(form, "message")} />
        </div>
      </details>
    </>
  );
}

function differences(mine: EndpointDraft, theirs: Endpoint): [string, string][] {
  const draft = endpointDraft(theirs, theirs.channel);
  const names = ["name", "url", "address", "format", "min_severity", "frameworks", "title", "message"] as const;
  return names.filter((name) => draft[name] !== mine[name]).map((name) => [name, draft[name]]);
}
