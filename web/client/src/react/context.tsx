/** The client of a part of the page. Whoever makes it connects and closes it; components only listen. */

import { createContext, useCallback, useContext, useSyncExternalStore, type ReactNode } from "react";
import type { Client } from "../client.js";
import type { ClientState } from "../conversation.js";

const Context = createContext<Client | null>(null);

export function TocsinProvider({ client, children }: { client: Client; children?: ReactNode }) {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The client that is given, or else that of the nearest `TocsinProvider`. */
export function useClient(given?: Client): Client {
  const client = useContext(Context);
  const found = given ?? client;
  if (!found) throw new Error("there is no client: put <TocsinProvider client={…}> around this, or give it `client`");
  return found;
}

/** Where the connection stands, and for people why it is not there. */
export function useClientState(given?: Client): { state: ClientState; why: string } {
  const client = useClient(given);
  const subscribe = useCallback((listener: () => void) => client.onState(listener), [client]);
  const state = useSyncExternalStore(subscribe, () => client.state, closed);
  const why = useSyncExternalStore(subscribe, () => client.why, nothing);
  return { state, why };
}

function closed(): ClientState {
  return "closed";
}

function nothing(): string {
  return "";
}
