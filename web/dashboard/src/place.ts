/**
 * Where in the page we are: the address bar is the only place that knows.
 *
 * A place is a path below the page's root and a query. Filters and what is open live in the query, so that a reload,
 * a bookmark and a link in a chat show the same. No router library: there are as many paths as views.
 */
import { makeStore, useStore } from "./store.ts";

export interface Place {
  /** Begins with a slash; below the page's root, whatever a proxy has put before it. */
  path: string;
  query: URLSearchParams;
}

export type Patch = Record<string, string | readonly string[] | null>;

export function rootOf(declared: string | null | undefined, at: string): string {
  // Two slashes would begin the address of another host, and the token would be sent there.
  return new URL(declared || "/", at).pathname.replace(/^\/+/, "/");
}

export function placeOf(address: string, root: string): Place {
  const url = new URL(address);
  const inside = url.pathname.startsWith(root) ? url.pathname.slice(root.length) : "";
  return { path: `/${inside}`, query: url.searchParams };
}

/** What a piece of a path means; one that is not well encoded stands for itself. */
export function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece;
  }
}

/** The query with some of its values replaced; null and empty ones leave it. Order is kept, so links stay the same. */
export function patched(query: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(patch)) {
    const values = value === null ? [] : typeof value === "string" ? [value] : value;
    next.delete(name);
    for (const each of values) if (each !== "") next.append(name, each);
  }
  return next;
}

export function addressOf(root: string, path: string, query?: URLSearchParams): string {
  const said = query?.toString();
  return `${root}${path.replace(/^\//, "")}${said ? `?${said}` : ""}`;
}

const isPage = typeof document !== "undefined";
export const root = isPage
  ? rootOf(document.querySelector<HTMLMetaElement>('meta[name="tocsin-root"]')?.content, location.href)
  : "/";
const store = makeStore<Place>(isPage ? placeOf(location.href, root) : { path: "/", query: new URLSearchParams() });

function follow(): void {
  store.set(placeOf(location.href, root));
}
if (isPage) addEventListener("popstate", follow);

export const place = { get: store.get, subscribe: store.subscribe };

export function usePlace(): Place {
  return useStore(place);
}

export function href(path: string, query?: URLSearchParams): string {
  return addressOf(root, path, query);
}

/** To another view: a step that the back button undoes. */
export function go(path: string, query?: URLSearchParams): void {
  history.pushState(null, "", href(path, query));
  follow();
  scrollTo(0, 0);
}

/** Changes the query where we are. Typing in a filter replaces the step; opening something is one of its own. */
export function setQuery(patch: Patch, how: "replace" | "push" = "replace"): void {
  const { path, query } = store.get();
  const to = href(path, patched(query, patch));
  if (how === "push") history.pushState(null, "", to);
  else history.replaceState(null, "", to);
  follow();
}
