/**
 * Who is signed in.
 *
 * Owns the token. It is kept in the tab's sessionStorage: gone with the tab, not sent by itself (no cookie, so no
 * cross-site request can use it), and never in an address that is asked of a server. `/#token=…` signs in at once and
 * vanishes from the address bar; so does `/#ticket=…` (tickets.ts). When the token ends the view stays: a dialog asks for another one above it.
 */
import { engineNow, isEngineTimeKnown, onEngineTime } from "./engineclock.ts";
import { type Claims, readClaims, type Verb, may as roleMay } from "./claims.ts";
import { makeStore, useStore } from "./store.ts";

export interface Session {
  token: string;
  claims: Claims;
  /** Why the engine wants another token; null while this one is good. */
  ended: string | null;
}

const KEY = "tocsin.token";
const store = makeStore<Session | null>(null);
export const session = { get: store.get, subscribe: store.subscribe };

let endTimer: ReturnType<typeof setTimeout> | undefined;
// What browsers take for a timer (31 bits); a token of more than 24 days is looked at again then.
const TIMER_MAX_MS = 2_000_000_000;

/** Takes over a token; says what is wrong with it if it is none. */
export function signIn(token: string): string | null {
  const claims = readClaims(token.trim());
  if (!claims) return "That is no token. Print one with: tocsin token";
  if (isEngineTimeKnown() && claims.expiresAt <= engineNow())
    return "This token has ended. Print a new one with: tocsin token";
  sessionStorage.setItem(KEY, token.trim());
  store.set({ token: token.trim(), claims, ended: null });
  watchEnd();
  return null;
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  clearTimeout(endTimer);
  store.set(null);
}

/** The engine does not take the token any more, or its time is over. */
export function endSession(why: string): void {
  const now = store.get();
  if (now && !now.ended) store.set({ ...now, ended: why });
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
