/**
 * The views of the page, in the order of the navigation. A view is a folder here and an entry in this list.
 *
 * `load` is a module of its own, fetched when the view is first opened; its default export is the component. The
 * component reads where it is from `usePlace()`: everything below `path` is its own, filters are in the query.
 */
import type { ComponentType } from "react";

import { type Claims, may, SYSTEM_WORKSPACE, type Verb } from "../claims.ts";
import type { IconName } from "../ui/icons.tsx";

export interface View {
  name: string;
  /** The first segment of its path; the stream is the page's root. */
  path: string;
  title: string;
  icon: IconName;
  /** After `g`: goes there. */
  key: string;
  load: () => Promise<{ default: ComponentType }>;
  /** What the role must allow; without it everybody who is signed in sees it. */
  needs?: Verb;
  /** Only for the administrators of the engine (workspace `system`). */
  isEngineWide?: boolean;
}

export const VIEWS: readonly View[] = [
  { name: "stream", path: "/", title: "Stream", icon: "stream", key: "s", load: () => import("./stream/index.tsx") },
  { name: "rules", path: "/rules", title: "Rules", icon: "rules", key: "r", load: () => import("./rules/index.tsx") },
  { name: "quiet", path: "/quiet", title: "Quiet", icon: "quiet", key: "q", load: () => import("./quiet/index.tsx") },
  {
    name: "people",
    path: "/people",
    title: "Notifications",
    icon: "people",
    key: "n",
    load: () => import("./people/index.tsx"),
  },
  {
    name: "history",
    path: "/history",
    title: "History",
    icon: "history",
    key: "h",
    load: () => import("./history/index.tsx"),
  },
  {
    name: "analytics",
    path: "/analytics",
    title: "Analytics",
    icon: "analytics",
    key: "a",
    load: () => import("./analytics/index.tsx"),
  },
  {
    name: "system",
    path: "/system",
    title: "System",
    icon: "system",
    key: "y",
    load: () => import("./system/index.tsx"),
  },
];

export function viewsOf(claims: Claims): readonly View[] {
  return VIEWS.filter(
    ({ needs, isEngineWide }) =>
      (!needs || may(claims, needs)) && (!isEngineWide || claims.workspace === SYSTEM_WORKSPACE),
  );
}

/** The view of a path; an alert's own address is the stream with that alert open. */
export function viewOf(views: readonly View[], path: string): View | null {
  const [, first = ""] = path.split("/");
  const wanted = first === "alerts" ? "/" : `/${first}`;
  return views.find((view) => view.path === wanted) ?? null;
}
