/**
 * The page's one live connection, and what it is doing.
 *
 * Views do not open sockets: they listen here. Everything in the workspace comes in one order, so one subscription is
 * enough for all of them.
 */
import { makeStore, useStore } from "./store.ts";

export type ConnectionStatus = "connecting" | "live" | "offline" | "closed";

export interface Connection {
  status: ConnectionStatus;
  /** When we last knew that nothing was missed, milliseconds since 1970; null: not yet. */
  heardAt: number | null;
  /** Why we are not connected, in words. */
  why: string;
}

const NEVER: Connection = { status: "connecting", heardAt: null, why: "" };
const store = makeStore<Connection>(NEVER);

export function useConnection(): Connection {
  return useStore(store);
}

/** Called when somebody is signed in. */
export function startLive(): void {
  store.set(NEVER);
}

export function stopLive(): void {
  store.set(NEVER);
}

/** Does not wait for the end of the pause. */
export function reconnectNow(): void {}
