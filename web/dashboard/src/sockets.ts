/**
 * Where the socket may be, likeliest first: as the engine has written it into the page (engine/http/dashboard.py knows by
 * which name it was asked, and whether a proxy is between us). Pure.
 */
interface Written {
  querySelector(selector: string): Element | null;
}

/** Empty: the client asks the page's host itself, as in development. */
export function candidatesOf(page: Written, at: { protocol: string }): readonly (string | undefined)[] {
  const written = page.querySelector('meta[name="tocsin-socket"]')?.getAttribute("content") ?? "";
  const addresses = written.split(" ").filter(Boolean);
  // A page that came encrypted may not connect in the clear, and one that did not has no proxy that encrypts.
  const scheme = at.protocol === "https:" ? "wss:" : "ws:";
  const fitting = addresses.filter((address) => address.startsWith(scheme));
  return fitting.length > 0 ? fitting : [undefined];
}
