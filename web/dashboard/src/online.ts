/** Whether this computer has a network, as far as the browser knows: a reason that no server can tell. */
import { useSyncExternalStore } from "react";

export function useIsOnline(): boolean {
  return useSyncExternalStore(listen, () => navigator.onLine);
}

function listen(call: () => void): () => void {
  addEventListener("online", call);
  addEventListener("offline", call);
  return () => {
    removeEventListener("online", call);
    removeEventListener("offline", call);
  };
}
