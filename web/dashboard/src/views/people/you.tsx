/** Where one is reached: name, mail, Slack and zone. The mail address is the administrator's to change. */
import { post, segment } from "../../api.ts";
import { useClaims, useMay } from "../../session.ts";
import { Button, Clash, Refusal, sayDone, TextField, useDoing, useFields, useSave } from "../../ui/index.ts";
import { ZoneField } from "../quiet/weekly.tsx";
import type { User } from "./people.ts";

interface YouProps {
  user: User | null;
  etag: string | null;
  again: () => void;
}

export function You({ user, etag, again }: YouProps) {
  return user ? <YouForm user={user} etag={etag} again={again} /> : <Unknown again={again} />;
}

function Unknown({ again }: { again: () => void }) {
  const { user, role } = useClaims();
  const mayAdminister = useMay("administer");
  const { doing, begin } = useDoing();
  const add = () =>
    begin("add", "Not added", async () => {
      await post("/api/v1/users", { id: user, role });
      sayDone(`${user} is a user here now`);
      again();
    });
  return (
    <div className="card">
      <p>
        {user} is no user of this workspace yet, so nobody is notified by this name.{" "}
        {!mayAdminister && "An administrator can add you."}
      </p>
      {mayAdminister && (
        <div>
          <Button icon="plus" isBusy={doing !== null} onClick={add}>
            Add me
          </Button>
        </div>
      )}
    </div>
  );
}

type Draft = Pick<User, "name" | "email" | "slack_id" | "zone">;

function draftOf({ name, email, slack_id, zone }: User): Draft {
  return { name, email, slack_id, zone };
}

function YouForm({ user, etag, again }: YouProps & { user: User }) {
  const mayAdminister = useMay("administer");
  const saving = useSave<User>(`/api/v1/users/${segment(user.id)}`, etag);
  const form = useFields<Draft>(
    draftOf(user),
    ({ zone }) => (zone.trim() ? {} : { zone: "Say one, such as Europe/Berlin or UTC." }),
    async ({ email, ...rest }) => {
      await saving.save("PATCH", mayAdminister ? { ...rest, email } : rest);
      sayDone("Saved");
      again();
    },
  );
  const { values } = form;
  const take = (theirs: User) => {
    form.reset(draftOf(theirs));
    saving.forget();
  };
  return (
    <form className="preferences" onSubmit={(event) => void form.submit(event)} noValidate>
      <Clash theirs={saving.theirs} differences={(theirs) => differences(values, draftOf(theirs))} onTake={take} />
      <fieldset className="card">
        <legend>You</legend>
        <div className="fields">
          <TextField
            label="Name"
            autoComplete="name"
            value={values.name}
            error={form.errorOf("name")}
            onChange={(event) => form.set("name", event.target.value)}
          />
          <TextField
            label="Mail"
            type="email"
            autoComplete="email"
            disabled={!mayAdminister}
            hint={mayAdminister ? undefined : "An administrator changes it."}
            value={values.email}
            error={form.errorOf("email")}
            onChange={(event) => form.set("email", event.target.value)}
          />
          <TextField
            label="Slack id"
            hint="In Slack: your profile, Copy member ID."
            value={values.slack_id}
            error={form.errorOf("slack_id")}
            onChange={(event) => form.set("slack_id", event.target.value)}
          />
          <ZoneField zone={values.zone} onChange={(zone) => form.set("zone", zone)} error={form.errorOf("zone")} />
        </div>
        <Refusal why={form.refusal} />
        <div className="actions">
          <Button type="submit" isBusy={form.isBusy}>
            Save
          </Button>
        </div>
      </fieldset>
    </form>
  );
}

function differences(mine: Draft, theirs: Draft): [string, string][] {
  const said: [string, string, string][] = [
    ["Name", theirs.name, mine.name],
    ["Mail", theirs.email, mine.email],
    ["Slack id", theirs.slack_id, mine.slack_id],
    ["Time zone", theirs.zone, mine.zone],
  ];
  return said.filter(([, a, b]) => a !== b).map(([name, text]) => [name, text]);
}
