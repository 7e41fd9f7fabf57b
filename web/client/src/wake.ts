/** When the network is back, or the page is looked at again: reasons not to wait any longer. In a browser only. */

/** Calls back at each of them; what it gives back ends that. */
export function wakeOnReturn(call: () => void): () => void {
  const { window, document } = globalThis;
  if (!window?.addEventListener || !document) return () => {};
  const seen = (): void => {
    if (document.visibilityState === "visible") call();
  };
  window.addEventListener("online", call);
  document.addEventListener("visibilitychange", seen);
  return () => {
    window.removeEventListener("online", call);
    document.removeEventListener("visibilitychange", seen);
  };
}
