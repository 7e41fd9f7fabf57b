/**
 * Which of the open alerts are part of an incident. Nothing on the stream says so: it is asked for when the page begins,
 * and again when the engine says that an incident has changed. Of more alerts than one page the newest are known.
 */
import type { Alert } from "./alerts.ts";
import { get, type Page } from "./api.ts";
import { connectionNow, onHint, onLive } from "./live.ts";
import { makeStore, useStore } from "./store.ts";

const SHOWN_MAX = 200;
// A storm changes incidents many times a second.
const PAUSE_MS = 2000;

const NONE: ReadonlyMap<string, string> = new Map();
const known = makeStore(NONE);
let timer: ReturnType<typeof setTimeout> | null = null;

/** The incident of each alert that is part of one. */
export function useIncidents(): ReadonlyMap<string, string> {
  return useStore(known);
}

/** Called when somebody is signed in; what it gives back ends it. */
export function startIncidents(): () => void {
  let isOver = false;
  const soon = (pause: number): void => {
    timer ??= setTimeout(() => {
      timer = null;
      void look(() => isOver);
    }, pause);
  };
  const stops = [onHint((hint) => hint.type === "incident" && soon(PAUSE_MS)), onLive(() => soon(0))];
  if (connectionNow().status === "live") soon(0);
  return () => {
    isOver = true;
    if (timer) clearTimeout(timer);
    timer = null;
    stops.forEach((stop) => stop());
    known.set(NONE);
  };
}

async function look(isOver: () => boolean): Promise<void> {
  try {
    const page = await get<Page<Alert>>("/api/v1/alerts", { state: "active,acknowledged", limit: SHOWN_MAX });
    if (isOver()) return;
    known.set(new Map(page.items.flatMap(({ id, incident_id }) => (incident_id ? [[id, incident_id] as const] : []))));
  } catch {
    // The next change asks again; badges are no reason to trouble anybody.
  }
}
