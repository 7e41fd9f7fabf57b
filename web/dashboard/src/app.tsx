/** Nobody is signed in: the door. Somebody is: the page, and above it the door again when the token ends. */
import { useEffect } from "react";

import { listenToKeys } from "./keys.ts";
import { useSession } from "./session.ts";
import { Shell } from "./shell/shell.tsx";
import { SignInAgain, SignInPage } from "./shell/signin.tsx";

export function App() {
  const session = useSession();
  const who = session && `${session.claims.workspace}/${session.claims.user}`;
  useEffect(listenToKeys, []);
  if (!session) return <SignInPage />;
  return (
    <>
      <Shell key={who} />
      {session.ended && <SignInAgain why={session.ended} />}
    </>
  );
}
