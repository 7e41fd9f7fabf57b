/** Which engine is there, where its socket listens, and whether we understand each other. */

import { ClientStopped, TocsinError } from "./errors.js";

/** What `GET /api/v1/about` says. `protocol`: the version of the wire; without it 1. */
export interface About {
  name: string;
  version: string;
  ws: string;
  heartbeat_s: number;
  protocol?: number;
}

/** The version of the wire that this client speaks: `tocsin.v1`. */
export const PROTOCOL = 1;

/**
 * Asks the engine at this address (of its HTTP door) who it is.
 * Throws TocsinError if nobody answers, ClientStopped if we do not understand each other.
 */
export async function about(host: string): Promise<About> {
  const response = await fetch(below(host, "api/v1/about"), { cache: "no-store" }).catch((fault: unknown) => {
    throw new TocsinError(`${host} cannot be reached: ${reasonOf(fault)}`, 0, true);
  });
  if (!response.ok) throw new TocsinError(`${host} did not say where its socket is: HTTP ${response.status}`, 0, true);
  const said: unknown = await response.json().catch(() => null);
  return understood(said, host);
}

/** Where something of the engine's HTTP door is: below the path of its address, as a proxy may have it at one. */
export function below(host: string, path: string): URL {
  const url = new URL(host);
  return new URL(url.pathname.replace(/\/*$/, "/") + path, url);
}

/** The same, if it is an engine that we understand. Throws ClientStopped, which says who is to be updated. */
export function understood(said: unknown, host: string): About {
  const { name, version, ws, protocol = 1 } = (said ?? {}) as Partial<About>;
  if (name !== "tocsin" || typeof ws !== "string") throw new ClientStopped(`${host} is no Tocsin engine`);
  if (protocol === PROTOCOL) return said as About;
  const todo = protocol > PROTOCOL ? "reload the page, or update @tocsin/client" : "update the engine";
  throw new ClientStopped(`the engine (${version}) speaks protocol ${protocol}, this client ${PROTOCOL}: ${todo}`);
}

/** In Node the reason stands behind the error, which says "fetch failed" of everything. */
function reasonOf(fault: unknown): string {
  const cause = (fault as { cause?: { message?: string; code?: string } } | null)?.cause;
  return cause?.message || cause?.code || String(fault);
}
