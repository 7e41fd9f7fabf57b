/**
 * When to ask for the next token: before the one in use ends, so that the connection goes on without a break.
 *
 * How long a token still lives is known from the server's greeting and this machine's clock. If that is wrong nothing
 * is lost: the server cuts at the second, and the client comes back with a fresh token and recovers.
 */

import type { AuthSuccess } from "./messages.js";

// The last minute, or the last fifth of a token that lives for less than five: time for several tries.
const MARGIN_MS = 60_000;
const MARGIN_SHARE = 0.2;
/** After a token service that did not answer, or a server that did not. */
export const RETRY_MS = 5_000;

/** How long after the greeting to ask; undefined: by our clock the token has ended, so our clock is not to be asked. */
export function refreshAfterMs(session: AuthSuccess, wallMs: number): number | undefined {
  const left = Date.parse(session.expiresAt) - wallMs;
  return left > 0 ? left - Math.min(MARGIN_MS, MARGIN_SHARE * left) : undefined;
}
