/** Follows the alerts of whoever is signed in, from the page's start on: the connection does not wait for the drawing. */
import { startIncidents } from "./incidents.ts";
import { startLive } from "./live.ts";
import { session } from "./session.ts";

let who: string | null = null;
let stops: readonly (() => void)[] = [];

/** Called once. The connection outlives a new token of the same person; another person gets another one. */
export function startFollowing(): void {
  session.subscribe(follow);
  follow();
}

function follow(): void {
  const claims = session.get()?.claims;
  const now = claims ? `${claims.workspace}/${claims.user}` : null;
  if (now === who) return;
  who = now;
  stops.forEach((stop) => stop());
  stops = now ? [startLive(), startIncidents()] : [];
}
