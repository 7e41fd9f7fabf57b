/**
 * When the network is back, or the page is looked at again: reasons not to wait any longer. And when it is said to be
 * gone: a reason to ask now whether the server is still there. In a browser only.
 */

/** Calls back at each of them; what it gives back ends that. */
export function wakeOnReturn(call: () => void): () => void {
  const { window, document } = globalThis;
  if (!window?.addEventListener || !document) return () => {};
  const seen = (): void => {
    if (document.visibilityState === "visible") call();
  };
  window.addEventListener("online", call);
  window.addEventListener("offline", call);
  document.addEventListener("visibilitychange", seen);
  return () => {
    window.removeEventListener("online", call);
    window.removeEventListener("offline", call);
    document.removeEventListener("visibilitychange", seen);
  };
}
