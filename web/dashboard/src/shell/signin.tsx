/** The door: a token, and how to get one. */
import { typed } from "../command.ts";
import { signOut, useProblem, useSession } from "../session.ts";
import { signInWith, useExchanging } from "../tickets.ts";
import { Button, Dialog, Loading, TextField, useFields } from "../ui/index.ts";

export function SignInPage() {
  const problem = useProblem();
  const isExchanging = useExchanging();
  return (
    <main className="door">
      <h1>Tocsin</h1>
      <p>Alerts, as they happen.</p>
      {isExchanging ? <Loading what="who you are" /> : <SignInForm problem={problem} />}
    </main>
  );
}

/** The view stays below it: whoever signs in again goes on where he was. */
export function SignInAgain({ why }: { why: string }) {
  const user = useSession()?.claims.user;
  return (
    <Dialog title="Sign in again">
      <p>
        {why} What you see stays{user ? `, ${user}` : ""}; it goes on with a new token.
      </p>
      <SignInForm problem={null} />
      <Button onClick={signOut}>Sign out instead</Button>
    </Dialog>
  );
}

function SignInForm({ problem }: { problem: string | null }) {
  const form = useFields(
    { token: "" },
    ({ token }) => (token.trim() ? {} : { token: "Paste your token, or a ticket." }),
    async ({ token }) => {
      const wrong = await signInWith(token);
      if (wrong) throw new Error(wrong);
    },
  );
  return (
    <form onSubmit={(event) => void form.submit(event)} noValidate>
      <TextField
        label="Token or ticket"
        type="password"
        autoFocus
        hint={
          <>
            On the engine&apos;s machine <code>{typed("token --user you")}</code> prints one. It stays in this tab.
          </>
        }
        value={form.values.token}
        onChange={(event) => form.set("token", event.target.value)}
        error={form.errorOf("token") ?? form.refusal ?? problem}
      />
      <Button type="submit" weight="primary" isBusy={form.isBusy}>
        Sign in
      </Button>
    </form>
  );
}
