/**
 * Who is signed in.
 *
 * Owns the token. It is kept in the tab's sessionStorage: gone with the tab, not sent by itself (no cookie, so no
 * cross-site request can use it), and never in an address that is asked of a server. `/#token=…` signs in at once and
 * vanishes from the address bar; so does `/#ticket=…` (tickets.ts). When the token ends the view stays: a dialog asks for another one above it.
 */
import { typed } from "./command.ts";
import { engineNow, isEngineTimeKnown, onEngineTime } from "./engineclock.ts";
import { type Claims, readClaims, type Verb, may as roleMay } from "./claims.ts";
import { go } from "./place.ts";
import { makeStore, useStore } from "./store.ts";

export interface Session {
  token: string;
  claims: Claims;
  /** Why the engine wants another token; null while this one is good. */
  ended: string | null;
  /** Whether the engine has let this person in, on this page: then there is a view to be kept. */
  isProven: boolean;
}

const KEY = "tocsin.token";
const store = makeStore<Session | null>(null);
export const session = { get: store.get, subscribe: store.subscribe };

/** Whose alerts the place in the address bar was chosen for. */
let lastWorkspace: string | undefined;
let endTimer: ReturnType<typeof setTimeout> | undefined;
// What browsers take for a timer (31 bits); a token of more than 24 days is looked at again then.
const TIMER_MAX_MS = 2_000_000_000;

/** Takes over a token; says what is wrong with it if it is none. */
export function signIn(token: string): string | null {
  const claims = readClaims(token.trim());
  if (!claims) return `That is no token. Print one with: ${typed("token")}`;
  if (isEngineTimeKnown() && claims.expiresAt <= engineNow())
    return `This token has ended. Print a new one with: ${typed("token")}`;
  sessionStorage.setItem(KEY, token.trim());
  // An alert or a framework that was chosen is another workspace's.
  if (lastWorkspace !== undefined && lastWorkspace !== claims.workspace) go("/");
  lastWorkspace = claims.workspace;
  const before = store.get();
  const isProven = before !== null && before.isProven && isSamePerson(before.claims, claims);
  problem.set(null);
  store.set({ token: token.trim(), claims, ended: null, isProven });
  watchEnd();
  return null;
}

function isSamePerson(one: Claims, other: Claims): boolean {
  return one.workspace === other.workspace && one.user === other.user;
}

/** The engine has let us in. */
export function proveSession(): void {
  const now = store.get();
  if (now && !now.isProven) store.set({ ...now, isProven: true });
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  clearTimeout(endTimer);
  store.set(null);
}

/** The token's time is over. The view stays; one that was never let in leads back to the door. */
export function endSession(why: string): void {
  const now = store.get();
  if (!now || now.ended) return;
  if (now.isProven) return store.set({ ...now, ended: why });
  signOut();
  problem.set(`${why} Print a new one with: ${typed("token")}`);
}

/** The engine does not take the token. It does not tell strangers what is wrong with it. */
export function refuseToken(said: string): void {
  const isProven = store.get()?.isProven;
  const why = `The engine does not accept this token (${said}): it was revoked, has ended, or is another engine's.`;
  endSession(isProven ? "The engine does not accept your token any more." : why);
}

/** By the engine's clock. Until that is known the engine itself refuses what has ended. */
function watchEnd(): void {
  clearTimeout(endTimer);
  const now = store.get();
  if (!now) return;
  const left = now.claims.expiresAt - engineNow();
  if (left <= 0) return isEngineTimeKnown() ? endSession("Your token has ended.") : undefined;
  endTimer = setTimeout(watchEnd, Math.min(left, TIMER_MAX_MS));
}

onEngineTime(watchEnd);

/** What the page was opened with, behind the `#`; taken out of the address bar. */
export function takeFromAddress(): { token: string | null; ticket: string | null } {
  const given = new URLSearchParams(location.hash.slice(1));
  const [token, ticket] = [given.get("token"), given.get("ticket")];
  if (token !== null || ticket !== null) history.replaceState(history.state, "", location.pathname + location.search);
  return { token, ticket };
}

/** At the start: this token, else the one that this tab had. */
export function restore(given: string | null): void {
  const token = given ?? sessionStorage.getItem(KEY);
  if (token) problem.set(signIn(token));
}

/** What was wrong with the token or ticket that the page was opened with. */
const problem = makeStore<string | null>(null);
export const sayProblem = problem.set;
export const problemNow = problem.get;
export function useProblem(): string | null {
  return useStore(problem);
}

export function useSession(): Session | null {
  return useStore(session);
}

/** Who is signed in; for everything inside the shell, which is only drawn then. */
export function useClaims(): Claims {
  const now = useStore(session);
  if (!now) throw new Error("nobody is signed in: this is drawn outside of the shell");
  return now.claims;
}

export function useMay(verb: Verb): boolean {
  return roleMay(useClaims(), verb);
}
